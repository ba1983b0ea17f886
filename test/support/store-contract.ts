import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { makeKey, type ObjectKey } from '../../src/domain/key.ts'
import type { Bytes, PutResult, Store } from '../../src/ports.ts'

/** A store to try, and a way behind its back. */
export interface StoreUnderTest {
  readonly store: Store
  /** Writes bytes under any name, as somebody else would. */
  readonly plant: (name: string, bytes: Uint8Array) => Promise<void>
}

const layout = { prefix: 'backups/', name: 'app_db' }
const dataKey = (day: number): ObjectKey =>
  makeKey(layout, {
    kind: 'data',
    tier: 'daily',
    period: `2026-01-${String(day).padStart(2, '0')}`,
    name: 'app_db',
    revision: 1,
    sealing: 'age',
  })
const monthlyKey = makeKey(layout, {
  kind: 'data',
  tier: 'monthly',
  period: '2026-01',
  name: 'app_db',
  revision: 1,
  sealing: 'age',
})
const options = { contentType: 'application/octet-stream', expectedBytes: 1000, ifAbsent: false }

async function* inChunks(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}
const contentOf = async (bytes: Bytes): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const keysOf = async (store: Store, prefix: string): Promise<string[]> => {
  const keys: string[] = []
  for await (const object of store.list(prefix)) keys.push(object.key)
  return keys.toSorted()
}
const unfinishedOf = async (store: Store): Promise<string[]> => {
  const keys: string[] = []
  for await (const upload of store.unfinished(layout.prefix)) keys.push(upload.key)
  return keys
}

/**
 * One suite for every store: what src/ports.ts promises. `isMemory` leaves out the one promise that a store which is this
 * process's memory cannot keep: that memory stays flat.
 */
export const storeContract = (
  name: string,
  open: () => Promise<StoreUnderTest>,
  { isMemory = false }: { readonly isMemory?: boolean } = {},
): void => {
  describe(`${name} keeps the contract`, () => {
    test.each([0, 1, 65_536, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20_000_000])(
      'an object of %d bytes comes back, whole and from any place',
      async (size) => {
        const { store } = await open()
        const bytes = randomBytes(size)
        const put = await store.put(dataKey(1), inChunks(bytes), { ...options, expectedBytes: size })
        expect(put.sizeBytes).toBe(size)
        await store.prove(dataKey(1), { ...put, sha256: sha256(bytes) })
        expect(await store.head(dataKey(1))).toMatchObject({ key: dataKey(1), sizeBytes: size })
        expect(sha256(await contentOf(store.get(dataKey(1))))).toBe(sha256(bytes))
        for (const start of [0, Math.floor(size / 2), Math.max(0, size - 1), size])
          expect(sha256(await contentOf(store.get(dataKey(1), { start })))).toBe(sha256(bytes.subarray(start)))
        expect(await unfinishedOf(store)).toEqual([])
      },
    )

    test('what is not there is undefined, or a Fault that says so; removing it is no error', async () => {
      const { store } = await open()
      expect(await store.head(dataKey(1))).toBeUndefined()
      await expect(contentOf(store.get(dataKey(1)))).rejects.toMatchObject({ code: 'no-such-backup' })
      await expect(store.copy(dataKey(1), monthlyKey, { ifAbsent: true })).rejects.toMatchObject({
        code: 'no-such-backup',
      })
      await expect(store.delete(dataKey(1))).resolves.toBeUndefined()
      await expect(
        store.prove(dataKey(1), { sizeBytes: 0, etag: null, sha256: sha256(Buffer.alloc(0)) }),
      ).rejects.toMatchObject({ name: 'Fault' })
    })

    test.each([100, 20_000_000])(
      'a body that breaks off after %d bytes leaves nothing, and its own error is thrown',
      async (size) => {
        const { store } = await open()
        const own = new Error('the root cause')
        async function* broken(): AsyncGenerator<Uint8Array> {
          yield* inChunks(randomBytes(size))
          throw own
        }
        await expect(store.put(dataKey(1), broken(), options)).rejects.toBe(own)
        expect(await keysOf(store, layout.prefix)).toEqual([])
        expect(await unfinishedOf(store)).toEqual([])

        await store.put(dataKey(1), inChunks(Buffer.from('good')), options)
        await expect(store.put(dataKey(1), broken(), options)).rejects.toBe(own)
        expect(String(await contentOf(store.get(dataKey(1))))).toBe('good')
      },
    )

    test.each([10, 9_000_000])('an object of %d bytes is written over only when that is meant', async (size) => {
      const { store } = await open()
      await store.put(dataKey(1), inChunks(Buffer.from('first')), { ...options, ifAbsent: true })
      await expect(
        store.put(dataKey(1), inChunks(randomBytes(size)), { ...options, ifAbsent: true }),
      ).rejects.toMatchObject({ code: 'refused' })
      expect(String(await contentOf(store.get(dataKey(1))))).toBe('first')
      await store.put(dataKey(1), inChunks(Buffer.from('second')), options)
      expect(String(await contentOf(store.get(dataKey(1))))).toBe('second')
    })

    test('of several that come at once and do not write over each other, one wins, whole', async () => {
      const { store } = await open()
      const tries = await Promise.allSettled(
        Array.from({ length: 5 }, (_, n) =>
          store.put(dataKey(1), inChunks(Buffer.alloc(1000, n)), { ...options, ifAbsent: true }),
        ),
      )
      expect(tries.filter((one) => one.status === 'fulfilled')).toHaveLength(1)
      const winner = tries.findIndex((one) => one.status === 'fulfilled')
      expect(await contentOf(store.get(dataKey(1)))).toEqual(Buffer.alloc(1000, winner))
    })

    test('a proof fails on other bytes of the same length, and on another length', async () => {
      const { store, plant } = await open()
      const bytes = randomBytes(1000)
      const put = await store.put(dataKey(1), inChunks(bytes), options)
      const sent = (result: PutResult) => ({ ...result, sha256: sha256(bytes) })
      await store.prove(dataKey(1), sent(put))
      await plant(dataKey(1), randomBytes(1000))
      await expect(store.prove(dataKey(1), sent(put))).rejects.toMatchObject({ code: 'damaged' })
      await plant(dataKey(1), bytes.subarray(1))
      await expect(store.prove(dataKey(1), sent(put))).rejects.toMatchObject({ code: 'damaged' })
    })

    test('a copy is the same bytes, and is written over only when that is meant', async () => {
      const { store } = await open()
      const bytes = randomBytes(100_000)
      await store.put(dataKey(1), inChunks(bytes), options)
      await store.copy(dataKey(1), monthlyKey, { ifAbsent: true })
      expect(await contentOf(store.get(monthlyKey))).toEqual(bytes)
      await expect(store.copy(dataKey(1), monthlyKey, { ifAbsent: true })).rejects.toMatchObject({ code: 'refused' })
      expect(await contentOf(store.get(dataKey(1)))).toEqual(bytes)
    })

    test('a list has all of ours under the prefix, over many pages, and nothing else', async () => {
      const { store, plant } = await open()
      const keys = Array.from({ length: 1100 }, (_, n) =>
        makeKey(layout, { kind: 'canary', id: `object-${String(n)}` }),
      )
      const waiting = [...keys]
      await Promise.all(
        Array.from({ length: 16 }, async () => {
          for (let key = waiting.pop(); key !== undefined; key = waiting.pop()) await plant(key, Buffer.from('x'))
        }),
      )
      await plant('photos/cat.jpg', Buffer.from('x'))
      await plant('backups/notes.txt', Buffer.from('x'))
      await store.put(dataKey(1), inChunks(Buffer.from('x')), options)
      expect(await keysOf(store, layout.prefix)).toEqual([...keys, dataKey(1)].toSorted())
      expect(await keysOf(store, 'backups/daily/')).toEqual([dataKey(1)])
      await store.delete(dataKey(1))
      expect(await keysOf(store, 'backups/daily/')).toEqual([])
    })

    test('what it does by itself can be asked, and a stranger reads nothing', async () => {
      const { store } = await open()
      await store.check('write')
      expect(await store.habits()).toEqual({ versioning: 'off', objectLock: 'off', expiryRules: [] })
      await store.put(dataKey(1), inChunks(Buffer.from('x')), options)
      expect(await store.isPublic(dataKey(1))).toBe(false)
    })

    if (isMemory) return
    test('memory stays flat, however large the object', async () => {
      const { store } = await open()
      const chunk = randomBytes(1024 * 1024)
      async function* large(): AsyncGenerator<Uint8Array> {
        for (let n = 0; n < 200; n += 1) {
          yield chunk
          await Promise.resolve()
        }
      }
      const before = process.memoryUsage().rss
      let peak = before
      const watching = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage().rss)
      }, 10)
      const put = await store.put(dataKey(1), large(), { ...options, expectedBytes: 200 * 1024 * 1024 })
      clearInterval(watching)
      expect(put.sizeBytes).toBe(200 * 1024 * 1024)
      expect(peak - before).toBeLessThan(120 * 1024 * 1024)
    })
  })
}
