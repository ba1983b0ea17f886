import { Fault } from '../errors.ts'
import type { Bytes } from '../ports.ts'
import type { DigestMeter } from './digest-meter.ts'

/**
 * A program that exits 0 has said that all is well, and may yet have read too little: what is in the pipe when it stops
 * is lost without a word. Both formats tell how much they hold, so the lengths are compared.
 */

const tooLittle = (program: string): Fault =>
  new Fault('program-failed', `${program} ended well and has not passed on all that it was given.`, {
    hint: 'It is worth trying again.',
  })

/**
 * gzip's last four bytes are the length of what was compressed, modulo 2^32 (RFC 1952, ISIZE). `plainBytes` is asked at the
 * end: what it was given in all.
 */
export async function* wholeGzip(
  compressed: Bytes,
  plainBytes: () => Promise<number>,
  program: string,
): AsyncGenerator<Uint8Array> {
  let tail = Buffer.alloc(0)
  for await (const chunk of compressed) {
    tail = Buffer.concat([tail, chunk.subarray(-4)]).subarray(-4)
    yield chunk
  }
  if (tail.length < 4 || tail.readUInt32LE() !== (await plainBytes()) % 2 ** 32) throw tooLittle(program)
}

const ageChunkBytes = 64 * 1024
const ageTagBytes = 16
const ageNonceBytes = 16
const maxHeaderBytes = 1024 * 1024

/** age: a header that ends with the line `--- MAC`, a nonce, and the input in chunks of 64 KiB with a tag each (age-encryption.org/v1). */
export async function* wholeAge(sealed: Bytes, input: Pick<DigestMeter, 'sizeBytes'>): AsyncGenerator<Uint8Array> {
  let head = Buffer.alloc(0)
  let headerBytes: number | undefined
  let sizeBytes = 0
  for await (const chunk of sealed) {
    sizeBytes += chunk.byteLength
    if (headerBytes === undefined && head.length < maxHeaderBytes) {
      head = Buffer.concat([head, chunk])
      const macLine = head.indexOf('\n--- ')
      const end = macLine < 0 ? -1 : head.indexOf('\n', macLine + 1)
      if (end >= 0) headerBytes = end + 1
    }
    yield chunk
  }
  const chunks = Math.max(1, Math.ceil(input.sizeBytes / ageChunkBytes))
  if (headerBytes === undefined || sizeBytes !== headerBytes + ageNonceBytes + input.sizeBytes + chunks * ageTagBytes)
    throw tooLittle('age')
}
