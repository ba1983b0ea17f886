import { execaSync } from 'execa'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { decrypt } from '../../src/adapters/age.ts'
import { startFlow } from '../../src/pipeline/flow.ts'
import { collected, faultOf, streamOf } from '../support/builders.ts'

test('what age quotes of the bytes that it has read is not told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-age-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const identityFile = join(folder, 'key')
  execaSync('age-keygen', ['-o', identityFile])
  const notSealed = streamOf(Buffer.from('Adeola Bello, 08031234567\n'))
  const fault = await faultOf(() => collected(decrypt({ PATH: '/usr/bin:/bin' }, notSealed, identityFile, startFlow())))
  expect(fault.code).toBe('damaged')
  expect(fault.message).toContain('unexpected intro')
  expect(`${fault.message} ${fault.hint ?? ''}`).not.toMatch(/Adeola|Bello|0803/)
})
