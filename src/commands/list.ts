import type { Catalog } from '../domain/catalog.ts'
import { judgeDailies, type Suspicions } from '../domain/anomaly.ts'
import { standardMaxAgeMs, verdictOf, type RetentionPeriods, type Verdict } from '../domain/freshness.ts'
import { lastDrillOf, type StoredReport } from '../domain/drill-report.ts'
import type { ObjectKey, Tier } from '../domain/key.ts'
import { keptSentence } from '../domain/restore-names.ts'
import type { Status } from '../domain/status.ts'
import type { Clock } from '../ports.ts'
import type { StateFolder } from '../ports/telling.ts'
import { readReports } from './drill-reports.ts'
import { placeWarnings, readInventory, type Vault } from './vault.ts'

export interface ListContext {
  readonly vault: Vault
  readonly clock: Clock
  readonly policy: RetentionPeriods
  readonly state: Pick<StateFolder, 'read'>
  /** Names of databases that restores have replaced and that are still there; none where there is no database to ask. */
  readonly replaced: () => Promise<readonly string[]>
}

export interface ListOptions {
  /** Show only these; the verdict is on all. */
  readonly tier: Tier | undefined
  readonly maxAgeMs: number | undefined
}

export interface ListResult {
  readonly place: string
  readonly backups: Catalog
  /** Which backups look ruined, and why; nothing older than one of them is removed. */
  readonly suspicions: Suspicions
  readonly verdict: Verdict
  /** Of each backup its last drill; of one that was never drilled none. */
  readonly drills: ReadonlyMap<ObjectKey, StoredReport>
  /** A maximal age was asked for, and the newest complete backup is older (or there is none). */
  readonly stale: boolean
  /** Sentences: what the place itself does to backups, and what else should not stay as it is. */
  readonly warnings: readonly string[]
  /** What this machine remembers of its own runs; nothing on a host that makes none. */
  readonly status: Status
  readonly now: Date
}

/** What is there, and whether that is good enough. Needs the store alone. */
export const list = async (ctx: ListContext, asked: ListOptions): Promise<ListResult> => {
  await ctx.vault.store.check('read')
  const [{ catalog, acks, records }, warnings, status, replaced] = await Promise.all([
    readInventory(ctx.vault),
    placeWarnings(ctx.vault, ctx.policy),
    ctx.state.read(),
    ctx.replaced(),
  ])
  const reports = await readReports(ctx.vault, records, ctx.vault.trusted)
  const forged = reports.filter(({ signature }) => signature === 'wrong')
  const now = ctx.clock.now()
  const verdict = verdictOf(catalog, ctx.policy, asked.maxAgeMs ?? standardMaxAgeMs, now)
  return {
    place: ctx.vault.store.description,
    backups: catalog.filter((backup) => asked.tier === undefined || backup.tier === asked.tier),
    suspicions: judgeDailies(catalog, acks).suspicions,
    verdict,
    drills: drillsOf(catalog, reports),
    stale: asked.maxAgeMs !== undefined && !verdict.fresh,
    warnings: [
      ...warnings,
      ...replaced.map(keptSentence),
      ...forged.map(({ key }) => `The drill report ${key} was altered after it was signed, and counts for nothing.`),
    ],
    status,
    now,
  }
}

const drillsOf = (catalog: Catalog, reports: readonly StoredReport[]): ReadonlyMap<ObjectKey, StoredReport> => {
  const whole = reports.filter(({ signature }) => signature !== 'wrong')
  return new Map(
    catalog.flatMap((backup) => {
      const sha256 =
        backup.state === 'complete' || backup.state === 'unverified-older' ? backup.manifest.checksumSha256 : undefined
      const last = lastDrillOf(whole, { key: backup.key, sha256 })
      return last === undefined ? [] : [[backup.key, last] as const]
    }),
  )
}
