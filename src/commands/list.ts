import type { Catalog } from '../domain/catalog.ts'
import { standardMaxAgeMs, verdictOf, type RetentionPeriods, type Verdict } from '../domain/freshness.ts'
import type { Tier } from '../domain/key.ts'
import { earlyExpiries } from '../domain/lifecycle.ts'
import type { Clock } from '../ports.ts'
import { readCatalog, type Vault } from './vault.ts'

export interface ListContext {
  readonly vault: Vault
  readonly clock: Clock
  readonly periods: RetentionPeriods
}

export interface ListOptions {
  /** Show only these; the verdict is on all. */
  readonly tier: Tier | undefined
  readonly maxAgeMs: number | undefined
}

export interface ListResult {
  readonly place: string
  readonly backups: Catalog
  readonly verdict: Verdict
  /** A maximal age was asked for, and the newest complete backup is older (or there is none). */
  readonly stale: boolean
  /** Sentences about what the place itself does to backups. */
  readonly warnings: readonly string[]
  readonly now: Date
}

/** What is there, and whether that is good enough. Reads the store alone. */
export const list = async (ctx: ListContext, asked: ListOptions): Promise<ListResult> => {
  await ctx.vault.store.check('read')
  const [catalog, { expiryRules }] = await Promise.all([readCatalog(ctx.vault), ctx.vault.store.habits()])
  const now = ctx.clock.now()
  const verdict = verdictOf(catalog, ctx.periods, asked.maxAgeMs ?? standardMaxAgeMs, now)
  return {
    place: ctx.vault.store.description,
    backups: catalog.filter((backup) => asked.tier === undefined || backup.tier === asked.tier),
    verdict,
    stale: asked.maxAgeMs !== undefined && !verdict.fresh,
    warnings: expiryRules === 'unknown' ? [] : earlyExpiries(expiryRules, ctx.vault.layout, ctx.periods),
    now,
  }
}
