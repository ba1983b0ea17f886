import type { KeyObject } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { decodeAck, type Ack } from '../domain/ack.ts'
import { catalogOf, type Catalog } from '../domain/catalog.ts'
import type { RetentionPeriods } from '../domain/freshness.ts'
import { parseKey, type Layout, type ObjectKey } from '../domain/key.ts'
import { earlyExpiries } from '../domain/lifecycle.ts'
import { decodeManifest, manifestMaxBytes, type DecodedManifest } from '../domain/manifest.ts'
import { asFault, Fault } from '../errors.ts'
import type { Store, StoredObject } from '../ports.ts'
import { atOnce } from './at-once.ts'

/** The store, how keys are made in it, and whose signatures count there: what every command has in common. */
export interface Vault {
  readonly store: Store
  readonly layout: Layout
  /** Empty: signatures are not asked for. */
  readonly trusted: readonly KeyObject[]
}

/** All that is ours in the store. */
export interface Inventory {
  readonly catalog: Catalog
  /** Every archive, spoken for or not, with its size as it was listed. */
  readonly archiveBytes: ReadonlyMap<ObjectKey, number>
  /** As they were read, for whoever must know later that nothing has changed. */
  readonly manifests: ReadonlyMap<ObjectKey, DecodedManifest>
  /** Those that count. */
  readonly acks: readonly Ack[]
  /** Everything that is no backup: reports, acceptances, canaries. */
  readonly records: readonly StoredObject[]
}

/** Lists the store once and reads every manifest and acceptance, several at a time. */
export const readInventory = async ({ store, layout, trusted }: Vault): Promise<Inventory> => {
  // By key: a listing that names an object twice makes no two of it.
  const found = new Map<ObjectKey, StoredObject>()
  for await (const object of store.list(layout.prefix)) found.set(object.key, object)
  const objects = [...found.values()]

  const manifests = new Map<ObjectKey, DecodedManifest>()
  const acks: Ack[] = []
  const records: StoredObject[] = []
  const archiveBytes = new Map<ObjectKey, number>()
  const reads: (() => Promise<void>)[] = []
  for (const object of objects) {
    const parts = parseKey(layout, object.key)
    if (parts?.kind === 'manifest')
      reads.push(async () => {
        const decoded = await readManifest(store, object)
        if (decoded !== undefined) manifests.set(object.key, decoded)
      })
    else if (parts?.kind === 'data') archiveBytes.set(object.key, object.sizeBytes)
    else records.push(object)
    if (parts?.kind === 'ack')
      reads.push(async () => {
        const ack = decodeAck((await readText(store, object.key)) ?? '', parts.date, trusted)
        if (ack !== undefined) acks.push(ack)
      })
  }
  await atOnce(reads, (read) => read())
  return { catalog: catalogOf(layout, { objects, manifests }, trusted), archiveBytes, manifests, acks, records }
}

export const readCatalog = async (vault: Vault): Promise<Catalog> => (await readInventory(vault)).catalog

/** undefined when it was removed since the listing. */
export const readManifest = async (
  store: Store,
  object: { readonly key: ObjectKey; readonly sizeBytes?: number },
): Promise<DecodedManifest | undefined> => {
  const text = (object.sizeBytes ?? 0) > manifestMaxBytes ? tooLarge : await readBounded(store, object.key)
  if (text === tooLarge) return { kind: 'unreadable', why: 'its manifest is larger than any manifest' }
  return text === undefined ? undefined : decodeManifest(text)
}

/** Whether a manifest is still as it was when the inventory was read; one that was not there must still not be. */
export const isUnchanged = async (store: Store, { manifests }: Inventory, key: ObjectKey): Promise<boolean> =>
  isDeepStrictEqual(await readManifest(store, { key }), manifests.get(key))

/** A small object as text; undefined when there is none, and empty when it is larger than any manifest: no more is read. */
export const readText = async (store: Store, key: ObjectKey): Promise<string | undefined> => {
  const text = await readBounded(store, key)
  return text === tooLarge ? '' : text
}

const tooLarge = Symbol('larger than any manifest')

const readBounded = async (store: Store, key: ObjectKey): Promise<string | typeof tooLarge | undefined> => {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  try {
    for await (const chunk of store.get(key)) {
      sizeBytes += chunk.byteLength
      if (sizeBytes > manifestMaxBytes) return tooLarge
      chunks.push(chunk)
    }
  } catch (thrown) {
    if (asFault(thrown).code === 'no-such-backup') return undefined
    throw thrown
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** Stores a JSON document and reads it back: a record that cannot be read is none. */
export const writeText = async (
  store: Store,
  key: ObjectKey,
  text: string,
  options: { readonly ifAbsent: boolean },
): Promise<void> => {
  const bytes = Buffer.from(text)
  async function* body(): AsyncGenerator<Uint8Array> {
    await Promise.resolve()
    yield bytes
  }
  await store.put(key, body(), { contentType: 'application/json', expectedBytes: bytes.length, ...options })
  if ((await readText(store, key)) !== text)
    throw new Fault('storage-failed', `${key}, read back, is not what was written.`, {
      hint: 'The store is at fault: look at it, then try again.',
    })
}

/** Sentences: what the place itself does to backups before the policy would. */
export const placeWarnings = async ({ store, layout }: Vault, periods: RetentionPeriods): Promise<string[]> => {
  const { expiryRules } = await store.habits()
  return expiryRules === 'unknown' ? [] : earlyExpiries(expiryRules, layout, periods)
}
