import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { findGzip } from '../../src/adapters/gzip.ts'
import { startFlow } from '../../src/pipeline/flow.ts'
import { codeOf, collected, streamOf } from '../support/builders.ts'

/** Node's own zlib, which serves where igzip is not installed. */
const zlib = findGzip({ PATH: '/nonexistent' }, '1.3.1')
const text = Array.from({ length: 5000 }, (_, line) => `${String((line * 7919) % 10_007)}\n`).join('')
const whole = gzipSync(text)

test('a whole gzip opens', async () => {
  const gzip = await zlib
  expect(String(await collected(gzip.decompress(streamOf(whole), startFlow())))).toBe(text)
})

test.each([0, 1, 5, 10, 11, 100, whole.length >> 1, whole.length - 9, whole.length - 8, whole.length - 1])(
  'one that ends after %i bytes is damaged, and no fault of this program',
  async (length) => {
    const gzip = await zlib
    expect(await codeOf(() => collected(gzip.decompress(streamOf(whole.subarray(0, length)), startFlow())))).toBe(
      'damaged',
    )
  },
)
