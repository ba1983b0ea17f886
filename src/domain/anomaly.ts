import { isComplete, type Catalog, type CompleteBackup } from './catalog.ts'
import type { Ack } from './ack.ts'
import type { Manifest } from './manifest.ts'
import type { ObjectKey, Tier } from './key.ts'
import { formatBytes, formatCount } from './units.ts'

/**
 * The tripwire: a backup of a ruined database is a good backup of ruins. It is kept, marked, and while nobody has said
 * that the loss is meant, nothing older is removed on its account.
 */

/** A key table that keeps less than this share of its rows, and a dump of less than this share of its size. */
const leastRows = 0.8
const leastBytes = 0.5
const mostSentences = 20

export type Figures = Pick<Manifest, 'keyTables' | 'tables' | 'plain'>

/** Sentences: what is lost, compared with the baseline. Empty: nothing unusual. */
export const anomaliesBetween = (now: Figures, baseline: Figures, baselineOf: string): string[] => {
  // What is no key table any more, by the configuration, may still be in the dump.
  const rowsNow = new Map([...now.tables, ...now.keyTables].map(({ name, rows }) => [name, rows]))
  const shrunk = baseline.keyTables.flatMap(({ name, rows: before }) => {
    const after = rowsNow.get(name)
    if (after === undefined) return [`The key table ${name} has vanished.`]
    return after < before * leastRows
      ? [
          `${name} has ${formatCount(after)} rows; the backup of ${baselineOf} has ${formatCount(before)} (${lossText(after, before)}).`,
        ]
      : []
  })
  const tablesNow = new Set(now.tables.map(({ name }) => name))
  const keyNames = new Set(baseline.keyTables.map(({ name }) => name))
  const vanished = baseline.tables
    .filter(({ name }) => !tablesNow.has(name) && !keyNames.has(name))
    .map(({ name }) => `The table ${name} has vanished since ${baselineOf}.`)
  const smaller =
    now.plain.sizeBytes < baseline.plain.sizeBytes * leastBytes
      ? [
          `The dump has ${formatBytes(now.plain.sizeBytes)}; the backup of ${baselineOf} has ${formatBytes(baseline.plain.sizeBytes)}.`,
        ]
      : []
  const all = [...shrunk, ...smaller, ...vanished]
  return all.length > mostSentences
    ? [...all.slice(0, mostSentences), `And ${String(all.length - mostSentences)} more.`]
    : all
}

const lossText = (after: number, before: number): string => {
  const percent = (100 * (before - after)) / before
  if (after === 0) return 'all lost'
  if (percent >= 99.5) return 'more than 99 % lost'
  return percent < 20.05 ? 'more than 20 % lost' : `${percent.toFixed(percent < 30 ? 1 : 0)} % lost`
}

/** What a person, or time, has not yet made good: for each such daily why it is suspicious, by its key. */
export type Suspicions = ReadonlyMap<ObjectKey, readonly string[]>

interface Judgement {
  readonly suspicions: Suspicions
  /**
   * The newest daily that nothing speaks against: what the next one is compared with. Where no daily is left, the newest
   * monthly.
   */
  readonly baseline: CompleteBackup | undefined
}

/**
 * Judges every complete daily against the one before it that nothing speaks against, never simply against the previous
 * night's: else the second ruined night would look normal. An accepted backup is good, and the baseline of those after
 * it. Only what looked ruined on its own night can be suspicious: what was found good then stays good, whatever has left
 * the store since and makes another one its neighbour.
 */
export const judgeDailies = (catalog: Catalog, acks: readonly Ack[]): Judgement => {
  const accepted = new Set(acks.flatMap(({ backups }) => backups.map(identity)))
  const suspicions = new Map<ObjectKey, readonly string[]>()
  let baseline: CompleteBackup | undefined
  for (const daily of completeOf(catalog, 'daily')) {
    const told = daily.manifest.anomalies
    // When nothing is left to compare it with, a ruin has not become good.
    const found =
      told.length === 0 || baseline === undefined
        ? told
        : anomaliesBetween(daily.manifest, baseline.manifest, baseline.period)
    if (
      found.length > 0 &&
      !accepted.has(identity({ s3Key: daily.key, checksumSha256: daily.manifest.checksumSha256 }))
    )
      suspicions.set(daily.key, found)
    else baseline = daily
  }
  return { suspicions, baseline: baseline ?? completeOf(catalog, 'monthly').at(-1) }
}

/**
 * What is meant as well when the loss of this daily is: the suspicious ones right before and after it that have lost no
 * more than it has. A good night between them ends the row, for what was repaired then was another loss.
 */
export const acceptedWith = (
  { catalog, suspicions }: { readonly catalog: Catalog; readonly suspicions: Suspicions },
  accepted: CompleteBackup,
): readonly CompleteBackup[] => {
  const dailies = completeOf(catalog, 'daily')
  const at = dailies.findIndex(({ key }) => key === accepted.key)
  const isMeantToo = (one: CompleteBackup): boolean =>
    suspicions.has(one.key) && anomaliesBetween(one.manifest, accepted.manifest, accepted.period).length === 0
  return [
    ...leadingThat(isMeantToo, dailies.slice(0, at).toReversed()),
    ...leadingThat(isMeantToo, dailies.slice(at + 1)),
  ]
}

const leadingThat = <T>(holds: (item: T) => boolean, items: readonly T[]): readonly T[] => {
  const end = items.findIndex((item) => !holds(item))
  return end < 0 ? items : items.slice(0, end)
}

/** Another backup of the same day is not the one that was accepted. */
const identity = ({ s3Key, checksumSha256 }: Ack['backups'][number]): string => `${checksumSha256} ${s3Key}`

/** The first period first. */
const completeOf = (catalog: Catalog, tier: Tier): readonly CompleteBackup[] =>
  catalog
    .filter(isComplete)
    .filter((backup) => backup.tier === tier)
    .toSorted((a, b) => (a.period < b.period ? -1 : 1))
