import { describe, expect, test } from 'vitest'
import { check, failedCheck, statusOfChecks, type Check } from '../../src/domain/check.ts'
import { Fault } from '../../src/errors.ts'

describe('a check', () => {
  test('of work that goes well says what the work says', async () => {
    expect(await check('lock', () => Promise.resolve('free'))).toEqual({ name: 'lock', state: 'ok', detail: 'free' })
    const note = { state: 'warning', detail: 'switched off' } as const
    expect(await check('encryption', () => Promise.resolve(note))).toEqual({ name: 'encryption', ...note })
  })

  test('of work that throws has failed, with all that was found and what to do', async () => {
    const fault = new Fault('rights', 'May not.', { all: ['one', 'two'], hint: 'Do.' })
    expect(await check('rights', () => Promise.reject(fault))).toEqual({
      name: 'rights',
      state: 'failed',
      detail: 'May not.\n- one\n- two',
      hint: 'Do.',
      exitStatus: 78,
    })
  })

  test('of work that throws at once, or something unknown, has failed as well', async () => {
    const throwing = (): Promise<string> => {
      throw new TypeError('secret words')
    }
    const made = await check('store', throwing)
    expect(made).toMatchObject({ state: 'failed', exitStatus: 75 })
    expect(JSON.stringify(made)).not.toContain('secret words')
  })
})

describe('the status of several checks', () => {
  const ok: Check = { name: 'a', state: 'ok', detail: '' }
  const warning: Check = { name: 'b', state: 'warning', detail: '' }
  const damaged = failedCheck('c', new Fault('damaged', ''))
  const rights = failedCheck('d', new Fault('rights', ''))

  test.each<readonly [string, readonly Check[], number]>([
    ['none', [], 0],
    ['good ones', [ok, warning], 0],
    ['one failed', [ok, damaged, warning], 65],
    ['the first failed of several', [ok, rights, damaged], 78],
  ])('%s', (_what, checks, status) => {
    expect(statusOfChecks(checks)).toBe(status)
  })

  test('is never that of success when one failed, even one that states no status', () => {
    expect(statusOfChecks([ok, { name: 'e', state: 'failed', detail: '' }])).not.toBe(0)
    expect(statusOfChecks([{ name: 'e', state: 'failed', detail: '' }, damaged])).not.toBe(0)
  })
})
