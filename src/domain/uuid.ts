import { randomBytes } from 'node:crypto'

/** A UUID of version 7 (RFC 9562): the milliseconds since 1970 first, so that they sort by time; the rest is random. */
export const uuidV7 = (instant: Date, random: Uint8Array = randomBytes(10)): string => {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(instant.getTime(), 0, 6)
  bytes.set(random.subarray(0, 10), 6)
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f)
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f)
  const hex = bytes.toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
