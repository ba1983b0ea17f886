import type { Bytes } from '../ports.ts'

/** Reads to the end, for the sake of what is seen on the way; throws what the bytes throw. */
export const drained = async (bytes: Bytes): Promise<void> => {
  for await (const _chunk of bytes) {
    // Metered as it passed.
  }
}
