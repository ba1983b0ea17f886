import type { KeyObject } from 'node:crypto'
import { utcDate } from './calendar.ts'
import {
  makeKey,
  parseKey,
  type DataKey,
  type Layout,
  type ManifestKey,
  type ObjectKey,
  type Sealing,
  type Tier,
} from './key.ts'
import type { DecodedManifest, Manifest, OlderManifest } from './manifest.ts'
import { signatureState } from './signature.ts'

/** What the store holds, as it was found; nothing here has been judged. */
export interface Holdings {
  readonly objects: readonly { readonly key: ObjectKey; readonly sizeBytes: number; readonly lastModified: Date }[]
  readonly manifests: ReadonlyMap<ObjectKey, DecodedManifest>
}

interface Found {
  readonly tier: Tier
  /** Day of a daily, month of a monthly: by the key, never by the time of modification. */
  readonly period: string
  readonly key: ObjectKey
}

/** Manifest and object agree, and where keys are trusted one of them signed it. */
export interface CompleteBackup extends Found {
  readonly state: 'complete'
  readonly manifest: Manifest
  readonly manifestKey: ObjectKey
  readonly signed: boolean
}
/** Made by the previous system: without signature, row digests or version. */
export interface OlderBackup extends Found {
  readonly state: 'unverified-older'
  readonly manifest: OlderManifest
  readonly manifestKey: ObjectKey
  readonly sealing: Sealing
}
export interface DamagedBackup extends Found {
  readonly state: 'damaged'
  readonly manifestKey: ObjectKey
  /** Why, as the end of a sentence: "its object is missing". */
  readonly why: string
  /** What is at fault. Where the object is missing, nothing more can be lost. */
  readonly fault: 'manifest' | 'signature' | 'object' | 'missing-object'
}
/** Data that no manifest speaks for: an interrupted run, a replaced backup, or one that the previous system left so. */
export interface OrphanBackup extends Found {
  readonly state: 'orphan'
  readonly sizeBytes: number
  readonly lastModified: Date
  readonly sealing: Sealing
}
export type Backup = CompleteBackup | OlderBackup | DamagedBackup | OrphanBackup

/** Newest first; of one period, what counts comes before what does not. */
export type Catalog = readonly Backup[]

export const isComplete = (backup: Backup): backup is CompleteBackup => backup.state === 'complete'

/**
 * What exists. The one place that says so: everything else asks the catalog, nobody looks at keys or manifests.
 * `trusted` empty means that signatures are not asked for.
 */
export const catalogOf = (layout: Layout, holdings: Holdings, trusted: readonly KeyObject[]): Catalog => {
  const sizes = new Map(holdings.objects.map((object) => [object.key, object.sizeBytes]))
  const spokenFor = new Set<ObjectKey>()
  const backups: Backup[] = []

  for (const [manifestKey, decoded] of holdings.manifests) {
    const place = parseKey(layout, manifestKey)
    if (place?.kind !== 'manifest') continue
    const backup = judge(layout, manifestKey, place, decoded, sizes, trusted)
    if (backup.key === manifestKey) for (const key of dataOf(layout, place, sizes)) spokenFor.add(key)
    else if (sizes.has(backup.key)) spokenFor.add(backup.key)
    backups.push(backup)
  }
  for (const { key, sizeBytes, lastModified } of holdings.objects) {
    const place = parseKey(layout, key)
    if (place?.kind === 'data' && !spokenFor.has(key))
      backups.push({
        state: 'orphan',
        tier: place.tier,
        period: place.period,
        key,
        sizeBytes,
        lastModified,
        sealing: place.sealing,
      })
  }
  const rank: Record<Backup['state'], number> = { complete: 0, 'unverified-older': 1, damaged: 2, orphan: 3 }
  return backups.toSorted(
    (a, b) =>
      compare(b.period, a.period) || compare(a.tier, b.tier) || rank[a.state] - rank[b.state] || compare(a.key, b.key),
  )
}

/** Where a manifest cannot be read, it may speak for any archive of its period; none of them is an orphan then. */
const dataOf = (layout: Layout, place: ManifestKey, sizes: ReadonlyMap<ObjectKey, number>): ObjectKey[] =>
  [...sizes.keys()].filter((key) => {
    const data = parseKey(layout, key)
    return data?.kind === 'data' && data.tier === place.tier && data.period === place.period
  })

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const judge = (
  layout: Layout,
  manifestKey: ObjectKey,
  place: ManifestKey,
  decoded: DecodedManifest,
  sizes: ReadonlyMap<ObjectKey, number>,
  trusted: readonly KeyObject[],
): Backup => {
  const { tier, period } = place
  const damaged = (fault: DamagedBackup['fault'], why: string, key: ObjectKey = manifestKey): DamagedBackup => ({
    state: 'damaged',
    tier,
    period,
    key,
    manifestKey,
    why,
    fault,
  })
  if (decoded.kind === 'unreadable') return damaged('manifest', decoded.why)

  const data = ownDataKey(layout, place, decoded)
  if (data === undefined) return damaged('manifest', 'its manifest speaks of another backup')
  const key = makeKey(layout, data)
  const misfit = decoded.kind === 'current' ? misfitOf(place, decoded.manifest) : olderMisfitOf(data, decoded.manifest)
  if (misfit !== undefined) return damaged('manifest', misfit, key)
  if (decoded.kind === 'current' && trusted.length > 0) {
    const state = signatureState(decoded.document, trusted)
    if (state === 'unsigned') return damaged('signature', 'its manifest is not signed', key)
    if (state === 'unknown-key')
      return damaged('signature', 'its manifest is signed with a key that is not trusted here', key)
    if (state === 'wrong') return damaged('signature', 'its manifest was altered after it was signed', key)
  }
  const size = sizes.get(key)
  if (size === undefined) return damaged('missing-object', 'its object is missing', key)
  const stated = decoded.manifest.sizeBytes
  if (size !== stated)
    return damaged('object', `its object has ${String(size)} bytes, and should have ${String(stated)}`, key)
  if (size < leastArchiveBytes)
    return damaged('object', `its object, of ${String(size)} bytes, is too small to hold any dump`, key)
  return decoded.kind === 'older'
    ? { state: 'unverified-older', tier, period, key, manifestKey, manifest: decoded.manifest, sealing: data.sealing }
    : {
        state: 'complete',
        tier,
        period,
        key,
        manifestKey,
        manifest: decoded.manifest,
        signed: decoded.manifest.signature !== undefined,
      }
}

/** A gzip of nothing has 20 bytes, and that of the dump of an empty database several hundred. */
const leastArchiveBytes = 100

const misfitOf = ({ tier, period }: ManifestKey, manifest: Manifest): string | undefined => {
  if (manifest.retentionTier !== tier) return `its manifest says that it is a ${manifest.retentionTier}`
  return utcDate(new Date(manifest.timestamp)).startsWith(period)
    ? undefined
    : 'its manifest states the time of another backup'
}

/** What the previous system wrote is encrypted exactly where the object's name says so. */
const olderMisfitOf = (data: DataKey, manifest: OlderManifest): string | undefined =>
  data.sealing === (manifest.encryption?.algorithm ?? 'none')
    ? undefined
    : 'its manifest does not say how its object is encrypted'

/**
 * The data key that a manifest speaks for: only ever one of its own period. A monthly of the previous system carries a
 * byte copy of the daily's manifest, which names the daily; its own object has the same ending.
 */
const ownDataKey = (
  layout: Layout,
  place: ManifestKey,
  decoded: Exclude<DecodedManifest, { kind: 'unreadable' }>,
): DataKey | undefined => {
  const named = parseKey(layout, decoded.manifest.s3Key)
  if (named?.kind !== 'data') return undefined
  if (named.tier === place.tier && named.period === place.period) return named
  const isOlderCopy =
    decoded.kind === 'older' && place.tier === 'monthly' && named.period.startsWith(`${place.period}-`)
  return isOlderCopy ? { ...named, tier: 'monthly', period: place.period, revision: 1 } : undefined
}
