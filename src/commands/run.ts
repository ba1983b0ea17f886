import { anomaliesBetween, judgeDailies } from '../domain/anomaly.ts'
import { utcDate } from '../domain/calendar.ts'
import { isComplete, type Catalog } from '../domain/catalog.ts'
import { makeKey, parseKey, type DataKey, type ObjectKey } from '../domain/key.ts'
import type { Manifest } from '../domain/manifest.ts'
import { requireDumpable, requireSameSource, sourceWarnings } from '../domain/source.ts'
import { Fault } from '../errors.ts'
import type { SourceDatabase } from '../ports.ts'
import { commit, describe, signed } from './commit.ts'
import { newCourse } from './course.ts'
import type { RunContext } from './run-context.ts'
import { requireSigner } from './signer.ts'
import { storeSealed } from './store-sealed.ts'
import { tidyUp, type Aftermath } from './tidy-up.ts'
import { isUnchanged, readInventory, type Inventory } from './vault.ts'

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
  /** What keeping order did afterwards. */
  readonly after: Aftermath
  /** Of the newest monthly there is now; null: there is none. */
  readonly monthlySizeBytes: number | null
}

/**
 * Take tonight's backup. When this returns, the manifest in the store is the proof; when it throws, nothing is listed.
 * From the manifest on the night is a success, whatever becomes of promoting and pruning: those are told in `after`.
 * `whenBegun` is called when no other run can be at work, and today wants a backup.
 */
export const run = async (
  ctx: RunContext,
  asked: RunOptions,
  course = newCourse(ctx),
  whenBegun: () => Promise<void> = () => Promise.resolve(),
): Promise<RunResult> => {
  requireSigner(ctx.vault, ctx.signingKey, 'A backup')
  course.enter('store')
  await ctx.vault.store.check('write')
  course.enter('lock')
  return ctx.database.holdingLock({ giveWay: !asked.lastAttempt }, async (lock) => {
    course.enter('inspect')
    const stop = AbortSignal.any([ctx.stop, lock.signal])
    const startedAt = ctx.clock.now()
    const since = ctx.clock.monotonicMs()
    const inventory = await readInventory(ctx.vault)
    const { catalog, acks } = inventory
    requireFreeDay(catalog, utcDate(startedAt), asked)
    await requireWholeListing(ctx, inventory, utcDate(startedAt))
    await whenBegun()

    const source = await ctx.database.inspect()
    requireDumpable(source)
    requireSameSource(catalog, { systemIdentifier: source.systemIdentifier, environment: ctx.environment }, asked)
    const moved = sourceWarnings(catalog, { systemIdentifier: source.systemIdentifier, machine: ctx.machine })
    const [dumper, gzip] = await Promise.all([
      ctx.programs.dumperFor(source),
      ctx.programs.gzip(),
      ctx.recipients.length > 0 ? ctx.programs.ageVersion() : undefined,
    ])
    ctx.journal.info(`Backing up the database ${source.database}.`, {
      server: source.serverVersion,
      pg_dump: dumper.version,
      size_bytes: source.sizeBytes,
    })

    const dataKey = freeDataKey(ctx, inventory, startedAt)
    course.enter('snapshot')
    const stored = await ctx.database.inSnapshot(stop, (snapshot) =>
      storeSealed(ctx, {
        course,
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
    course.enter('commit')
    const { suspicions, baseline } = judgeDailies(catalog, acks)
    const anomalies =
      baseline === undefined
        ? []
        : anomaliesBetween({ ...stored, tables: stored.plain.tables }, baseline.manifest, baseline.period)
    for (const anomaly of anomalies) ctx.journal.warn(`ANOMALY: ${anomaly}`)
    const before = dailiesOf(catalog, utcDate(startedAt)).find(isComplete)
    if (anomalies.length > 0 && before !== undefined && !suspicions.has(before.key)) {
      // Nothing points to it; where it may not be removed here, a later prune does it.
      await ctx.vault.store.delete(makeKey(ctx.vault.layout, dataKey)).catch(() => undefined)
      throw new Fault('refused', `The new backup would replace a better one, ${before.key}, which was kept.`, {
        all: anomalies,
        hint: "If the loss is meant: the next day's backup stands beside this one, marked, and can be accepted.",
      })
    }
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
        anomalies,
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
    const after = await tidyUp({ ...ctx, stop }, course)
    const newestMonthly = catalog.filter(isComplete).find(({ tier }) => tier === 'monthly')
    return {
      manifest,
      manifestKey,
      startedAt,
      after,
      monthlySizeBytes: after.promotedBytes.at(-1) ?? newestMonthly?.manifest.sizeBytes ?? null,
    }
  })
}

const dailiesOf = (catalog: Catalog, date: string): Catalog =>
  catalog.filter(({ tier, period }) => tier === 'daily' && period === date)

const requireFreeDay = (catalog: Catalog, date: string, asked: RunOptions): void => {
  if (asked.replace) return
  const ofToday = dailiesOf(catalog, date)
  const existing = ofToday.find(isComplete)
  if (existing !== undefined)
    throw new Fault('day-taken', `There is already a complete backup of today, ${date}: ${existing.key}.`, {
      hint: 'If it should be replaced: oslrs-backup run --replace',
    })
  const older = ofToday.find((backup) => backup.state === 'unverified-older')
  if (older !== undefined)
    throw new Fault('day-taken', `The previous system has made a backup of today, ${date}: ${older.key}.`, {
      hint: `Tomorrow's will be beside it. With --replace its manifest is written over, and without that an encrypted one never opens again: copy ${older.manifestKey} away before.`,
    })
}

/** A manifest that a listing has left out would be written over, and what it speaks for would count no more. */
const requireWholeListing = async ({ vault }: RunContext, inventory: Inventory, date: string): Promise<void> => {
  const key = makeKey(vault.layout, { kind: 'manifest', tier: 'daily', period: date })
  if (inventory.manifests.has(key) || (await isUnchanged(vault.store, inventory, key))) return
  throw new Fault('storage-failed', `There is already a manifest ${key}, though the store does not list it.`, {
    hint: 'What the store lists may lag behind. It is worth trying again; if it stays, the storage is at fault.',
  })
}

/** A key that no object has: what an interrupted run left, and what a manifest points to, is never written over. */
const freeDataKey = (ctx: RunContext, { archiveBytes }: Inventory, startedAt: Date): DataKey => {
  const { layout } = ctx.vault
  const date = utcDate(startedAt)
  const taken = [...archiveBytes.keys()].flatMap((key) => {
    const parts = parseKey(layout, key)
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
