import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { wholeAge, wholeGzip } from '../../src/pipeline/lengths.ts'
import { codeOf, collected, streamOf } from '../support/builders.ts'

/** Bytes cut into chunks of a size. */
async function* cut(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

describe('a gzip stream tells how much it holds', () => {
  const plain = Buffer.alloc(100_000, 'registry')
  const compressed = gzipSync(plain)

  test.each([1, 3, 4, 5, 1000, 1_000_000])('and passes when that is all, in chunks of %i', async (size) => {
    const passed = await collected(wholeGzip(cut(compressed, size), () => Promise.resolve(plain.length), 'igzip'))
    expect(passed.equals(compressed)).toBe(true)
  })

  test('also of nothing, and of more than 4 GiB', async () => {
    await collected(wholeGzip(streamOf(gzipSync('')), () => Promise.resolve(0), 'igzip'))
    await collected(wholeGzip(streamOf(compressed), () => Promise.resolve(2 ** 32 + plain.length), 'igzip'))
  })

  test.each([
    ['it holds less', compressed, plain.length + 1],
    ['it holds more', compressed, plain.length - 1],
    ['it is cut off', compressed.subarray(0, -1), plain.length],
    ['it is empty', Buffer.alloc(0), 0],
    ['it is shorter than a length', Buffer.alloc(3), 0],
  ])('and is refused when %s', async (_what, bytes, sizeBytes) => {
    expect(await codeOf(() => collected(wholeGzip(streamOf(bytes), () => Promise.resolve(sizeBytes), 'igzip')))).toBe(
      'program-failed',
    )
  })
})

describe('an age file is as long as what it holds makes it', () => {
  /** Of the right lengths: that is all that is looked at. */
  const sealed = (plainBytes: number, recipients = 2): Buffer => {
    const header = `age-encryption.org/v1\n${'-> X25519 abc\nbody\n'.repeat(recipients)}--- mac\n`
    const chunks = Math.max(1, Math.ceil(plainBytes / 65_536))
    return Buffer.concat([Buffer.from(header), Buffer.alloc(16 + plainBytes + chunks * 16)])
  }

  test.each([0, 1, 65_535, 65_536, 65_537, 131_072, 1_000_000])('%i bytes', async (plainBytes) => {
    const bytes = sealed(plainBytes)
    for (const size of [7, 1000, 10_000_000])
      expect((await collected(wholeAge(cut(bytes, size), { sizeBytes: plainBytes }))).equals(bytes)).toBe(true)
  })

  test.each([
    ['it holds less', sealed(100), 101],
    ['it holds more', sealed(100), 99],
    ['a chunk is missing', sealed(65_536), 65_537],
    ['it is cut off', sealed(100).subarray(0, -1), 100],
    ['it has no header', Buffer.alloc(500), 100],
    ['it is empty', Buffer.alloc(0), 0],
    ['its header never ends', Buffer.from('age-encryption.org/v1\n-> X25519 abc\n--- mac without end'), 0],
  ])('and is refused when %s', async (_what, bytes, sizeBytes) => {
    expect(await codeOf(() => collected(wholeAge(streamOf(bytes), { sizeBytes })))).toBe('program-failed')
  })

  test('and what looks like the end of the header in the sealed bytes is none', async () => {
    const bytes = sealed(100)
    bytes.write('\n--- x\n', bytes.length - 50)
    expect((await collected(wholeAge(cut(bytes, 3), { sizeBytes: 100 }))).equals(bytes)).toBe(true)
  })
})
