/**
 * Small objects are read so many at a time: each answer takes a round trip (44 ms from radosgw, measured), and a client
 * keeps at most 50 connections.
 */
const readsAtOnce = 48

/** Does `work` for every item, several at a time. Throws what the first of them throws. */
export const atOnce = async <T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> => {
  const left = items.values()
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(readsAtOnce, items.length) }, worker))
}
