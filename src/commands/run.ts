import type { KeyObject } from 'node:crypto'
import { utcDate } from '../domain/calendar.ts'
import { isComplete, type Catalog } from '../domain/catalog.ts'
import { fileNameOf, makeKey, parseKey, type DataKey, type ObjectKey } from '../domain/key.ts'
import { asDocument, encodeManifest, type Manifest } from '../domain/manifest.ts'
import { requireSameRows, tableCountsOf, treeOf, type KeyTableCount } from '../domain/rows.ts'
import { signDocument } from '../domain/signature.ts'
import { requireDumpable, requireSameSource } from '../domain/source.ts'
import { Fault } from '../errors.ts'
import { CopyMeter, metered, type Metered } from '../pipeline/copy-meter.ts'
import { DigestMeter } from '../pipeline/digest-meter.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import { seal } from '../pipeline/seal.ts'
import type {
  AuditChainTail,
  Bytes,
  Clock,
  Database,
  Dumper,
  Flow,
  Gzip,
  Journal,
  Programs,
  PutResult,
  Snapshot,
  SourceDatabase,
  TableName,
} from '../ports.ts'
import { readCatalog, readText, type Vault } from './vault.ts'

export interface RunContext {
  readonly vault: Vault
  readonly database: Database
  readonly programs: Programs
  readonly journal: Journal
  readonly clock: Clock
  /** Aborts on SIGTERM and SIGINT; its reason is the Fault to end with. */
  readonly stop: AbortSignal
  readonly environment: string
  /** Empty only where BACKUP_ENCRYPTION=none was written out. */
  readonly recipients: readonly string[]
  readonly signingKey: KeyObject | undefined
  readonly keyTables: readonly TableName[]
  readonly stallMs: number
  readonly toolVersion: string
  /** Sentences about the configuration that every report repeats. */
  readonly warnings: readonly string[]
}

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
  await ctx.vault.store.check()
  return ctx.database.holdingLock({ giveWay: !asked.lastAttempt }, async (lock) => {
    const stop = AbortSignal.any([ctx.stop, lock.signal])
    const startedAt = ctx.clock.now()
    const since = ctx.clock.monotonicMs()
    const catalog = await readCatalog(ctx.vault)
    requireFreeDay(catalog, utcDate(startedAt), asked)

    const source = await ctx.database.inspect()
    requireDumpable(source)
    requireSameSource(catalog, { systemIdentifier: source.systemIdentifier, environment: ctx.environment }, asked)
    const dumper = await ctx.programs.dumperFor(source)
    const gzip = await ctx.programs.gzip()
    ctx.journal.info(`Backing up the database ${source.database}.`, {
      server: source.serverVersion,
      pg_dump: dumper.version,
      size_bytes: source.sizeBytes,
    })

    const dataKey = freeDataKey(ctx, catalog, startedAt)
    const stored = await ctx.database.inSnapshot(stop, (snapshot) =>
      storeSealed(ctx, {
        source,
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
      }),
      ctx.signingKey,
    )
    const manifestKey = await commit(ctx.vault, manifest, utcDate(startedAt))
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

interface Sealing {
  readonly source: SourceDatabase
  readonly snapshot: Snapshot
  readonly dumper: Dumper
  readonly gzip: Gzip
  readonly key: ObjectKey
  readonly stop: AbortSignal
  readonly expectedBytes: number
  /** For the progress bar: as much as last time, or as the database has. */
  readonly expectedPlainBytes: number
}

interface Stored {
  readonly put: PutResult & { readonly sha256: string }
  readonly plain: Metered
  readonly tableCounts: Manifest['tableCounts']
  readonly auditChain: AuditChainTail | null
}

/** Dump, count, compress, seal, store and prove, in one pass. Publishes nothing unless every part has ended well. */
const storeSealed = async (ctx: RunContext, job: Sealing): Promise<Stored> => {
  const flow = startFlow(job.stop)
  const stall = watchForStall(flow, ctx.stallMs)
  const progress = ctx.journal.progress('Backing up', job.expectedPlainBytes)
  const meter = new CopyMeter()
  const sealedMeter = new DigestMeter()
  const seen = {
    update: (chunk: Uint8Array): void => {
      stall.moved()
      meter.update(chunk)
      progress.at(meter.sizeBytes)
    },
  }
  // Counted while the dump runs, in the same snapshot, so that both speak of the same instant.
  const counting = countKeyTables(ctx.keyTables, job.snapshot)
  counting.catch(flow.fail)
  let plain: Metered | undefined
  async function* wholeDump(): AsyncGenerator<Uint8Array> {
    yield* sections(job, meter, seen, flow)
    plain = meter.end()
    requireSameRows(plain.tables, job.snapshot.tables, (await counting).counts)
  }
  try {
    const sealed = seal(wholeDump(), ctx.programs, job.gzip, ctx.recipients, flow)
    const put = await ctx.vault.store.put(
      job.key,
      metered(sealed, {
        update: (chunk) => {
          stall.moved()
          sealedMeter.update(chunk)
        },
      }),
      {
        contentType: 'application/octet-stream',
        expectedBytes: job.expectedBytes,
        ifAbsent: true,
      },
    )
    const proved = { ...put, sha256: sealedMeter.end().sha256 }
    stall.end()
    await ctx.vault.store.prove(job.key, proved)
    const { auditChain } = await counting
    if (plain === undefined) throw new Fault('dump-failed', 'The dump was stored before its figures were known.')
    return { put: proved, plain, tableCounts: tableCountsOf(plain.tables, job.snapshot.tables), auditChain }
  } catch (thrown) {
    // Whatever the store or a program made of it, the first fault of the flow is the news.
    flow.fail(thrown)
    throw flow.signal.reason
  } finally {
    stall.end()
    progress.end()
    await counting.catch(() => undefined)
  }
}

/**
 * The three sections one after another are one dump that plain psql reads. Apart, they keep the data away from all code
 * that users wrote, and each must end with pg_dump's trailer.
 */
async function* sections(
  job: Sealing,
  meter: CopyMeter,
  seen: { update(chunk: Uint8Array): void },
  flow: Flow,
): AsyncGenerator<Uint8Array> {
  for (const section of ['pre-data', 'data', 'post-data'] as const) {
    const part: Bytes = job.dumper.dump(section, job.snapshot.id, flow)
    yield* metered(part, seen)
    meter.endOfSection(section)
  }
}

const countKeyTables = async (
  keyTables: readonly TableName[],
  snapshot: Snapshot,
): Promise<{ readonly counts: readonly KeyTableCount[]; readonly auditChain: AuditChainTail | null }> => {
  const counts: KeyTableCount[] = []
  for (const name of keyTables) {
    const tree = treeOf(snapshot.tables, name)
    if (tree.length === 0) continue
    const rows = await snapshot.countRows(tree.filter((table) => table.holdsRows))
    counts.push({ ...name, rows: rows.reduce((sum, count) => sum + count, 0) })
  }
  return { counts, auditChain: await snapshot.auditChain() }
}

interface Facts {
  readonly source: SourceDatabase
  readonly stored: Stored
  readonly dataKey: DataKey
  readonly startedAt: Date
  readonly durationMs: number
  readonly dumper: Dumper
  readonly gzip: Gzip
  readonly attempt: number
}

const describe = (
  ctx: RunContext,
  { source, stored, dataKey, startedAt, durationMs, dumper, gzip, attempt }: Facts,
): Manifest => {
  const key = makeKey(ctx.vault.layout, dataKey)
  return {
    filename: fileNameOf(key),
    s3Key: key,
    sizeBytes: stored.put.sizeBytes,
    checksumSha256: stored.put.sha256,
    durationMs,
    timestamp: startedAt.toISOString(),
    databaseUrl: source.host,
    tableCounts: stored.tableCounts,
    retentionTier: 'daily',
    formatVersion: 1,
    environment: ctx.environment,
    source: {
      database: source.database,
      serverVersion: source.serverVersion,
      systemIdentifier: source.systemIdentifier,
      encoding: source.encoding,
      collate: source.collate,
      ctype: source.ctype,
    },
    tool: { version: ctx.toolVersion, pgDump: dumper.version, compressor: gzip.name },
    plain: { sizeBytes: stored.plain.sizeBytes, sha256: stored.plain.sha256 },
    tables: stored.plain.tables,
    largeObjects: stored.plain.largeObjects,
    encryption: { algorithm: ctx.recipients.length > 0 ? 'age' : 'none', recipients: ctx.recipients },
    storage: { ...ctx.vault.store.place, etag: stored.put.etag },
    auditChain: stored.auditChain,
    notContained: source.notContained,
    warnings: [...ctx.warnings, ...source.warnings],
    attempt,
  }
}

const signed = (manifest: Manifest, key: KeyObject | undefined): Manifest =>
  key === undefined ? manifest : { ...manifest, signature: signDocument(asDocument(manifest), key) }

/** The atomic switch: with this the backup exists. It is read back, for a commit record that cannot be read is none. */
const commit = async ({ store, layout }: Vault, manifest: Manifest, date: string): Promise<ObjectKey> => {
  const key = makeKey(layout, { kind: 'manifest', tier: 'daily', period: date })
  const text = encodeManifest(manifest)
  await store.put(key, oneChunk(text), { contentType: 'application/json', expectedBytes: text.length, ifAbsent: false })
  if ((await readText(store, key)) !== text)
    throw new Fault('damaged', 'The manifest, read back, is not what was written.', {
      hint: 'Look at the store; then: oslrs-backup run --replace',
    })
  return key
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield Buffer.from(text)
}
