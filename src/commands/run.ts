import { utcDate } from '../domain/calendar.ts'
import { isComplete, type Catalog } from '../domain/catalog.ts'
import { makeKey, parseKey, type DataKey, type ObjectKey } from '../domain/key.ts'
import type { Manifest } from '../domain/manifest.ts'
import { requireDumpable, requireSameSource, sourceWarnings } from '../domain/source.ts'
import { Fault } from '../errors.ts'
import type { SourceDatabase } from '../ports.ts'
import { commit, describe, signed } from './commit.ts'
import type { RunContext } from './run-context.ts'
import { storeSealed } from './store-sealed.ts'
import { readCatalog } from './vault.ts'

export interface RunOptions {
  /** A complete backup of the same day may be replaced. */
  readonly replace: boolean
  /** The newest backup may come from another database cluster or environment. */
  readonly adopt: boolean
  /** 1 for the first of the night. */
  readonly attempt: number
  readonly lastAttempt: boolean
}

export interface RunResult {
  readonly manifest: Manifest
  readonly manifestKey: ObjectKey
  readonly startedAt: Date
}

/** Take tonight's backup. When this returns, the manifest in the store is the proof; when it throws, nothing is listed. */
export const run = async (ctx: RunContext, asked: RunOptions): Promise<RunResult> => {
  await ctx.vault.store.check('write')
  return ctx.database.holdingLock({ giveWay: !asked.lastAttempt }, async (lock) => {
    const stop = AbortSignal.any([ctx.stop, lock.signal])
    const startedAt = ctx.clock.now()
    const since = ctx.clock.monotonicMs()
    const catalog = await readCatalog(ctx.vault)
    requireFreeDay(catalog, utcDate(startedAt), asked)

    const source = await ctx.database.inspect()
    requireDumpable(source)
    requireSameSource(catalog, { systemIdentifier: source.systemIdentifier, environment: ctx.environment }, asked)
    const moved = sourceWarnings(catalog, { systemIdentifier: source.systemIdentifier, machine: ctx.machine })
    const dumper = await ctx.programs.dumperFor(source)
    if (ctx.recipients.length > 0) await ctx.programs.ageVersion()
    const gzip = await ctx.programs.gzip()
    ctx.journal.info(`Backing up the database ${source.database}.`, {
      server: source.serverVersion,
      pg_dump: dumper.version,
      size_bytes: source.sizeBytes,
    })

    const dataKey = freeDataKey(ctx, catalog, startedAt)
    const stored = await ctx.database.inSnapshot(stop, (snapshot) =>
      storeSealed(ctx, {
        snapshot,
        dumper,
        gzip,
        key: makeKey(ctx.vault.layout, dataKey),
        stop,
        expectedBytes: expectedSealedBytes(catalog, source),
        expectedPlainBytes: catalog.find(isComplete)?.manifest.plain.sizeBytes ?? source.sizeBytes,
      }),
    )
    stop.throwIfAborted()
    const manifest = signed(
      describe(ctx, {
        source,
        stored,
        dataKey,
        startedAt,
        durationMs: Math.round(ctx.clock.monotonicMs() - since),
        dumper,
        gzip,
        attempt: asked.attempt,
        warnings: [...ctx.warnings, ...moved, ...source.warnings],
      }),
      ctx.signingKey,
    )
    const manifestKey = await commit(ctx.vault, manifest)
    ctx.journal.info(`The backup ${manifest.s3Key} is complete.`, {
      size_bytes: manifest.sizeBytes,
      duration_ms: manifest.durationMs,
      sha256: manifest.checksumSha256,
    })
    return { manifest, manifestKey, startedAt }
  })
}

const requireFreeDay = (catalog: Catalog, date: string, asked: RunOptions): void => {
  const existing = catalog.find((backup) => backup.tier === 'daily' && backup.period === date && isComplete(backup))
  if (existing !== undefined && !asked.replace)
    throw new Fault('refused', `There is already a complete backup of today, ${date}: ${existing.key}.`, {
      hint: 'If it should be replaced: oslrs-backup run --replace',
    })
}

/** A key that no object has: what an interrupted run left, and what a manifest points to, is never written over. */
const freeDataKey = (ctx: RunContext, catalog: Catalog, startedAt: Date): DataKey => {
  const { layout } = ctx.vault
  const date = utcDate(startedAt)
  const taken = catalog.flatMap((backup) => {
    const parts = parseKey(layout, backup.key)
    return parts?.kind === 'data' && parts.tier === 'daily' && parts.period === date ? [parts.revision] : []
  })
  return {
    kind: 'data',
    tier: 'daily',
    period: date,
    name: layout.name,
    revision: Math.max(0, ...taken) + 1,
    sealing: ctx.recipients.length > 0 ? 'age' : 'none',
  }
}

const expectedSealedBytes = (catalog: Catalog, source: SourceDatabase): number =>
  Math.max(catalog.find(isComplete)?.manifest.sizeBytes ?? 0, source.sizeBytes)
