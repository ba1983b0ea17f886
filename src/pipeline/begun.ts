import type { Bytes } from '../ports.ts'

/** Bytes whose maker is at work before they are wanted. `end` lets go of them, read or not, and waits for the maker's end. */
export interface Begun {
  readonly bytes: Bytes
  readonly end: () => Promise<void>
}

/** Asks for the first of the bytes now. What goes wrong meanwhile is thrown when they are read. */
export const begun = (bytes: Bytes): Begun => {
  const rest = bytes[Symbol.asyncIterator]()
  const first = rest.next()
  first.catch(() => undefined)
  const end = async (): Promise<void> => {
    await rest.return?.()
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      for (let step = await first; step.done !== true; step = await rest.next()) yield step.value
    } finally {
      await end()
    }
  }
  return { bytes: all(), end }
}
