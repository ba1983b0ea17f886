import { createHash } from 'node:crypto'
import { asObjectKey, type ObjectKey } from '../../src/domain/key.ts'
import { Fault } from '../../src/errors.ts'
import type { Bytes, PutOptions, PutResult, Store, StoredObject, UnfinishedUpload } from '../../src/ports.ts'

interface Held {
  readonly bytes: Buffer
  readonly lastModified: Date
}

/** A store that is a Map, and ways behind its back. */
export interface MemoryStore extends Store {
  /** Writes bytes under any name, as somebody else would. */
  plant(name: string, bytes: Uint8Array): void
  /** Removes any name, as somebody else would. */
  remove(name: string): void
  /** Everything that lies here, foreign names too. */
  all(): ReadonlyMap<string, Buffer>
  /** What a process that was killed while it stored this object leaves behind. */
  leaveUnfinished(key: ObjectKey): void
}

/**
 * The twin of the real stores for simulations: it keeps the same contract (test/contract/memory-store.test.ts), and its
 * times come from `now`, so that simulated years pass in it. Tags mean nothing here: every proof reads the bytes back.
 */
export const memoryStore = (prefix: string, now: () => Date): MemoryStore => {
  const objects = new Map<string, Held>()
  const uploads = new Map<string, UnfinishedUpload>()
  let begun = 0

  const begin = (key: ObjectKey): string => {
    const id = String(++begun)
    uploads.set(id, { id, key, startedAt: now() })
    return id
  }
  const describe = (key: ObjectKey): StoredObject | undefined => {
    const held = objects.get(key)
    return held === undefined ? undefined : { key, sizeBytes: held.bytes.length, lastModified: held.lastModified }
  }
  const bytesOf = (key: ObjectKey): Buffer => {
    const held = objects.get(key)
    if (held === undefined) throw new Fault('no-such-backup', `There is no object ${key}.`)
    return held.bytes
  }
  const put = async (key: ObjectKey, body: Bytes, { ifAbsent }: Pick<PutOptions, 'ifAbsent'>): Promise<PutResult> => {
    if (ifAbsent && objects.has(key)) throw alreadyThere(key)
    const upload = begin(key)
    try {
      const chunks: Uint8Array[] = []
      for await (const chunk of body) chunks.push(Buffer.from(chunk))
      // Looked at again: another may have come first while the body was on its way.
      if (ifAbsent && objects.has(key)) throw alreadyThere(key)
      const bytes = Buffer.concat(chunks)
      objects.set(key, { bytes, lastModified: now() })
      return { sizeBytes: bytes.length, etag: null }
    } finally {
      uploads.delete(upload)
    }
  }
  async function* get(key: ObjectKey, start: number): AsyncGenerator<Uint8Array> {
    await Promise.resolve()
    const bytes = bytesOf(key)
    if (start < bytes.length) yield bytes.subarray(start)
  }

  return {
    place: { endpoint: 'memory:', region: null, bucket: null },
    description: 'the memory of this process',
    check: () => Promise.resolve(),
    list: async function* (listPrefix) {
      await Promise.resolve()
      for (const name of [...objects.keys()]) {
        const key = name.startsWith(listPrefix) ? asObjectKey({ prefix }, name) : undefined
        const object = key === undefined ? undefined : describe(key)
        if (object !== undefined) yield object
      }
    },
    head: (key) => Promise.resolve(describe(key)),
    get: (key, from) => get(key, from?.start ?? 0),
    put,
    prove: async (key, sent) => {
      await Promise.resolve()
      const bytes = bytesOf(key)
      if (bytes.length !== sent.sizeBytes || createHash('sha256').update(bytes).digest('hex') !== sent.sha256)
        throw new Fault('damaged', `Read back, ${key} is not what was written.`)
    },
    copy: (from, to, options) => put(to, get(from, 0), options),
    delete: (key) => {
      objects.delete(key)
      return Promise.resolve()
    },
    unfinished: async function* (listPrefix) {
      await Promise.resolve()
      for (const upload of [...uploads.values()]) if (upload.key.startsWith(listPrefix)) yield upload
    },
    abandon: ({ id }) => {
      uploads.delete(id)
      return Promise.resolve()
    },
    habits: () => Promise.resolve({ versioning: 'off', objectLock: 'off', expiryRules: [] }),
    isPublic: () => Promise.resolve(false),

    plant: (name, bytes) => void objects.set(name, { bytes: Buffer.from(bytes), lastModified: now() }),
    remove: (name) => void objects.delete(name),
    all: () => new Map([...objects].map(([name, { bytes }]) => [name, bytes])),
    leaveUnfinished: (key) => void begin(key),
  }
}

const alreadyThere = (key: ObjectKey): Fault =>
  new Fault('refused', `There is already an object ${key}, and it is not written over.`)
