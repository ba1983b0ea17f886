import type { Bytes, Flow, Gzip, Programs } from '../ports.ts'

/** To whom the archive is sealed; none: it is stored in plain. */
export type Recipients = readonly string[]

/** SQL → gzip → age: what lies in the store. */
export const seal = (plain: Bytes, programs: Programs, gzip: Gzip, recipients: Recipients, flow: Flow): Bytes => {
  const compressed = gzip.compress(plain, flow)
  return recipients.length === 0 ? compressed : programs.encrypt(compressed, recipients, flow)
}
