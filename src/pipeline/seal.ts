import type { Bytes, Flow, Gzip, MeteredFeed, Programs } from '../ports.ts'
import { metered } from './copy-meter.ts'
import { wholeAge, wholeGzip } from './lengths.ts'

/** To whom the archive is sealed; none: it is stored in plain. */
export type Recipients = readonly string[]

/** SQL → gzip → age: what lies in the store. Ends normally only if each program has passed on all it was given. */
export const seal = (plain: MeteredFeed, programs: Programs, gzip: Gzip, recipients: Recipients, flow: Flow): Bytes => {
  const plainBytes = async (): Promise<number> => (await plain.metered).sizeBytes
  const compressed = wholeGzip(gzip.compress(plain, flow), plainBytes, gzip.name)
  if (recipients.length === 0) return compressed
  const compressedCount = counter()
  return wholeAge(programs.encrypt(metered(compressed, compressedCount), recipients, flow), compressedCount)
}

const counter = (): { sizeBytes: number; update(chunk: Uint8Array): void } => ({
  sizeBytes: 0,
  update(chunk) {
    this.sizeBytes += chunk.byteLength
  },
})
