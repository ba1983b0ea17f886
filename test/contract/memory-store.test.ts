import { describe, expect, test } from 'vitest'
import { dataKey, layout, listed, streamOf } from '../support/builders.ts'
import { memoryStore } from '../support/memory-store.ts'
import { storeContract } from '../support/store-contract.ts'

storeContract(
  'the twin in memory',
  () => {
    const store = memoryStore(layout.prefix, () => new Date())
    return Promise.resolve({
      store,
      plant: (name, bytes) => {
        store.plant(name, bytes)
        return Promise.resolve()
      },
    })
  },
  { isMemory: true },
)

describe('the twin in memory', () => {
  const at = new Date('2031-05-01T01:00:00.000Z')
  const key = dataKey('2031-05-01')

  test('lives in the time that it is given', async () => {
    const store = memoryStore(layout.prefix, () => at)
    await store.put(key, streamOf('x'), { contentType: '', expectedBytes: 1, ifAbsent: true })
    expect(await store.head(key)).toEqual({ key, sizeBytes: 1, lastModified: at })
    expect(await listed(store.list(layout.prefix))).toEqual([{ key, sizeBytes: 1, lastModified: at }])
  })

  test('shows an upload while it is on its way, and what a killed one has left, until that is removed', async () => {
    const store = memoryStore(layout.prefix, () => at)
    async function* watching(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x')
      expect(await listed(store.unfinished(layout.prefix))).toMatchObject([{ key, startedAt: at }])
      expect(await store.head(key)).toBeUndefined()
    }
    await store.put(key, watching(), { contentType: '', expectedBytes: 1, ifAbsent: true })
    expect(await listed(store.unfinished(layout.prefix))).toEqual([])

    store.leaveUnfinished(dataKey('2031-05-02'))
    const [left] = await listed(store.unfinished(layout.prefix))
    if (left === undefined) throw new Error('nothing is left')
    expect(left).toMatchObject({ key: dataKey('2031-05-02'), startedAt: at })
    expect(await listed(store.unfinished(`${layout.prefix}monthly/`))).toEqual([])
    await store.abandon(left)
    await store.abandon(left)
    expect(await listed(store.unfinished(layout.prefix))).toEqual([])
  })
})
