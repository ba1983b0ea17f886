import type { Bytes } from '../ports.ts'

/**
 * Hands `body` to the work, and throws what the body itself threw as it is, whatever the work made of it; `translate`
 * gets only the work's own errors. So a dump that fails is never told as a fault of the disk that it was written to.
 */
export const keepingOwnFaults = async <T>(
  body: Bytes,
  work: (body: Bytes) => Promise<T>,
  translate: (thrown: unknown) => unknown,
): Promise<T> => {
  const own: { fault?: { readonly thrown: unknown } } = {}
  async function* noting(): AsyncGenerator<Uint8Array> {
    try {
      yield* body
    } catch (thrown) {
      own.fault = { thrown }
      throw thrown
    }
  }
  try {
    return await work(noting())
  } catch (thrown) {
    throw own.fault === undefined ? translate(thrown) : own.fault.thrown
  }
}
