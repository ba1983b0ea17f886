import type { KeyObject } from 'node:crypto'
import { catalogOf, type Catalog } from '../domain/catalog.ts'
import { parseKey, type Layout, type ObjectKey } from '../domain/key.ts'
import { decodeManifest, manifestMaxBytes, type DecodedManifest } from '../domain/manifest.ts'
import type { Store, StoredObject } from '../ports.ts'

/** The store, how keys are made in it, and whose signatures count there: what every command has in common. */
export interface Vault {
  readonly store: Store
  readonly layout: Layout
  /** Empty: signatures are not asked for. */
  readonly trusted: readonly KeyObject[]
}

const readsAtOnce = 16

/** Lists the store and reads every manifest, several at a time. */
export const readCatalog = async ({ store, layout, trusted }: Vault): Promise<Catalog> => {
  const objects: StoredObject[] = []
  for await (const object of store.list(layout.prefix)) objects.push(object)

  const waiting = objects.filter((object) => parseKey(layout, object.key)?.kind === 'manifest')
  const manifests = new Map<ObjectKey, DecodedManifest>()
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const decoded = await readManifest(store, next)
      if (decoded !== undefined) manifests.set(next.key, decoded)
    }
  }
  await Promise.all(Array.from({ length: readsAtOnce }, worker))
  return catalogOf(layout, { objects, manifests }, trusted)
}

/** undefined when it was removed since the listing. */
const readManifest = async (store: Store, object: StoredObject): Promise<DecodedManifest | undefined> => {
  if (object.sizeBytes > manifestMaxBytes)
    return { kind: 'unreadable', why: 'its manifest is larger than any manifest' }
  const text = await readText(store, object.key)
  return text === undefined ? undefined : decodeManifest(text)
}

/** A small object as text; undefined when there is none. Never more than a manifest's size is read. */
export const readText = async (store: Store, key: ObjectKey): Promise<string | undefined> => {
  if ((await store.head(key)) === undefined) return undefined
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of store.get(key)) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > manifestMaxBytes) return ''
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
