import type { Catalog, CompleteBackup } from '../domain/catalog.ts'
import type { Manifest } from '../domain/manifest.ts'
import { rowCheckSql, type ComparedTable } from '../domain/rows.ts'
import { select, type Selector } from '../domain/selection.ts'
import { parseTableName } from '../domain/table-name.ts'
import { parsePgVersion } from '../domain/version.ts'
import { Fault } from '../errors.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import { restricted } from '../pipeline/restrict.ts'
import { noIdentity, unseal, whyUnopened } from '../pipeline/unseal.ts'
import type { Bytes, Clock, Database, Flow, RestoreServer, TargetState } from '../ports.ts'
import { readCatalog } from './vault.ts'
import type { ReadContext } from './verify.ts'

export interface RestoreContext extends ReadContext {
  readonly clock: Clock
  readonly server: RestoreServer
  /** The target, for its lock; only asked where it exists. */
  readonly target: Database
}

export interface RestoreResult {
  readonly key: string
  readonly backupStartedAt: Date
  readonly host: string
  readonly database: string
  readonly created: boolean
  readonly durationMs: number
  readonly tables: readonly ComparedTable[]
  readonly largeObjects: number
  readonly notContained: readonly string[]
  readonly warnings: readonly string[]
  readonly now: Date
}

/**
 * Restores a backup into a database that does not exist yet, or is empty. Either the whole backup is there when this
 * returns, every table's rows compared, or nothing is.
 */
export const restore = async (ctx: RestoreContext, asked: Selector): Promise<RestoreResult> => {
  const since = ctx.clock.monotonicMs()
  await ctx.vault.store.check('read')
  const catalog = await readCatalog(ctx.vault)
  const backup = select(catalog, asked)
  if (backup.state !== 'complete')
    throw new Fault(
      'not-in-this-version',
      `${backup.key} was made by the previous system; this version does not restore those.`,
      {
        hint: 'Nothing was changed.',
      },
    )
  const { manifest } = backup
  if (manifest.encryption.algorithm !== 'none' && ctx.identityFile === undefined) throw noIdentity()
  await ctx.server.psqlVersion()
  const target = await ctx.server.inspect()
  requireFree(target, manifest)

  const tables = target.exists
    ? await ctx.target.holdingLock({ giveWay: false }, (lock) =>
        fill({ ...ctx, stop: AbortSignal.any([ctx.stop, lock.signal]) }, backup, target),
      )
    : await create(ctx, backup, target)
  return {
    key: backup.key,
    backupStartedAt: new Date(manifest.timestamp),
    host: target.host,
    database: target.database,
    created: !target.exists,
    durationMs: Math.round(ctx.clock.monotonicMs() - since),
    tables,
    largeObjects: manifest.largeObjects,
    notContained: manifest.notContained,
    warnings: [...signatureWarning(ctx, manifest), ...passedOver(catalog, backup)],
    now: ctx.clock.now(),
  }
}

/** All blockers at once, before the first write. */
const requireFree = (target: TargetState, manifest: Manifest): void => {
  if (target.userObjects > 0)
    throw new Fault(
      'refused',
      `The database ${target.database} on ${target.host} is not empty, and this version restores only into a new or an empty one.`,
      {
        hint: 'Name a database that does not exist: --target-db postgres://…/app_db_restored',
      },
    )
  const majorOf = (version: string): number => parsePgVersion(version)?.major ?? 0
  // What pg_dump writes (`SET transaction_timeout`, say) an older server does not know.
  const needed =
    [manifest.source.serverVersion, manifest.tool.pgDump].toSorted((a, b) => majorOf(b) - majorOf(a))[0] ?? ''
  const isOlder = majorOf(needed) > target.serverMajor
  const mayNotCreate = !target.exists && !target.mayCreateDatabases
  const all = [
    ...(mayNotCreate
      ? [`the database ${target.database} does not exist, and the role ${target.user} may not create databases`]
      : []),
    ...(isOlder
      ? [
          `the backup needs PostgreSQL ${String(majorOf(needed))} or later, and the server there is ${target.serverVersion}`,
        ]
      : []),
  ]
  if (all.length > 0)
    throw new Fault(isOlder ? 'version' : 'rights', 'The backup cannot be restored there.', {
      all,
      hint: 'Nothing was changed.',
    })
}

/** Beside the target's name first: the name appears only when everything behind it is there. */
const create = async (
  ctx: RestoreContext,
  backup: CompleteBackup,
  target: TargetState,
): Promise<readonly ComparedTable[]> => {
  const { key, manifest } = backup
  const scratch = scratchName(target.database, ctx.clock.now())
  const { encoding, collate, ctype } = manifest.source
  await ctx.server.createDatabase({ name: scratch, encoding, collate, ctype })
  try {
    await load(ctx, scratch, backup, (flow) => restricted(archive(ctx, key, manifest, flow), { oneTransaction: false }))
    const compared = await compare(ctx, scratch, manifest)
    await ctx.server.rename(scratch, target.database)
    return compared
  } catch (thrown) {
    await ctx.server.drop(scratch).catch(() => {
      ctx.journal.warn(`The unfinished database ${scratch} could not be dropped.`, {
        next: `DROP DATABASE "${scratch}"`,
      })
    })
    throw thrown
  }
}

/** In one transaction that commits only after the archive has proved whole and the rows agree. */
const fill = async (
  ctx: RestoreContext,
  backup: CompleteBackup,
  target: TargetState,
): Promise<readonly ComparedTable[]> => {
  const { key, manifest } = backup
  await load(ctx, target.database, backup, (flow) =>
    inOneTransaction(restricted(archive(ctx, key, manifest, flow), { oneTransaction: true }), manifest),
  )
  return compare(ctx, target.database, manifest)
}

/**
 * BEGIN and COMMIT are ours, not psql's --single-transaction: that one would commit at the end of its input, and a stream
 * that breaks off has an end as well.
 */
async function* inOneTransaction(script: AsyncGenerator<Uint8Array>, manifest: Manifest): AsyncGenerator<Uint8Array> {
  yield Buffer.from('BEGIN;\n')
  yield* script
  yield Buffer.from(`${rowCheckSql(manifest.tables)}\nCOMMIT;\n`)
}

async function* archive(
  ctx: RestoreContext,
  key: CompleteBackup['key'],
  manifest: Manifest,
  flow: Flow,
): AsyncGenerator<Uint8Array> {
  const tools = { programs: ctx.programs, gzip: await ctx.programs.gzip(), identityFile: ctx.identityFile }
  yield* unseal(ctx.vault.store.get(key), manifest, tools, flow)
}

const load = async (
  ctx: RestoreContext,
  database: string,
  { key, manifest }: CompleteBackup,
  scriptOf: (flow: Flow) => Bytes,
): Promise<void> => {
  const flow = startFlow(ctx.stop)
  // Building indexes moves no bytes, and takes as long as it takes: only the reading of the archive is watched.
  const stall = watchForStall(flow, ctx.stallMs)
  const progress = ctx.journal.progress('Restoring', manifest.plain.sizeBytes)
  let loadedBytes = 0
  async function* watched(script: Bytes): AsyncGenerator<Uint8Array> {
    for await (const chunk of script) {
      stall.pause()
      loadedBytes += chunk.byteLength
      progress.at(loadedBytes)
      yield chunk
      stall.moved()
    }
    stall.pause()
  }
  try {
    await ctx.server.load(database, watched(scriptOf(flow)), flow)
  } catch (thrown) {
    flow.fail(thrown)
    throw await whyUnopened(flow.rootCause(thrown), () => ctx.vault.store.get(key), manifest)
  } finally {
    stall.end()
    progress.end()
  }
}

const compare = async (
  ctx: RestoreContext,
  database: string,
  manifest: Manifest,
): Promise<readonly ComparedTable[]> => {
  const named = manifest.tables.flatMap((table) => {
    const parsed = parseTableName(table.name)
    return parsed === undefined ? [] : [{ ...table, parsed }]
  })
  const counts = await ctx.server.countRows(
    database,
    named.map((table) => table.parsed),
  )
  const compared = named.map(({ name, rows }, index) => ({ name, expected: rows, found: counts[index] ?? null }))
  const all = compared
    .filter((table) => table.expected !== table.found)
    .map(
      (table) =>
        `${table.name}: ${table.found === null ? 'missing' : `${String(table.found)} rows`}, the manifest says ${String(table.expected)}`,
    )
  if (all.length > 0)
    throw new Fault('mismatch', 'What was restored is not what the manifest states.', {
      all,
      hint: 'The target is as it was.',
    })
  return compared
}

/** A newer backup that could not be used is not passed over without a word. */
const passedOver = (catalog: Catalog, backup: CompleteBackup): string[] =>
  catalog.flatMap((other) =>
    other.state === 'damaged' && other.tier === 'daily' && backup.tier === 'daily' && other.period > backup.period
      ? [`There is a newer backup, of ${other.period}, that cannot be used: ${other.why}.`]
      : [],
  )

const signatureWarning = (ctx: RestoreContext, manifest: Manifest): string[] => {
  if (ctx.vault.trusted.length > 0) return []
  return [
    manifest.signature === undefined
      ? 'The manifest is not signed: nothing shows that this backup is the one that was made.'
      : "The manifest's signature was not checked, for BACKUP_TRUSTED_KEYS is not set.",
  ]
}

/** `app_db_restore_20260302t031500z`; PostgreSQL cuts names at 63 bytes. */
const scratchName = (database: string, now: Date): string =>
  `${Buffer.from(database)
    .subarray(0, 38)
    .toString('utf8')
    .replace(/\uFFFD$/, '')}_restore_${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()}z`
