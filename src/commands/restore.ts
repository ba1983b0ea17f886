import { contentsOf, planRestore, type Needs, type RestorePlan } from '../domain/restore-plan.ts'
import { beforeName } from '../domain/restore-names.ts'
import type { ComparedTable } from '../domain/rows.ts'
import { asFault, Fault } from '../errors.ts'
import { drained } from '../pipeline/drained.ts'
import type { TargetState } from '../ports/restore-server.ts'
import { reading, type Archive } from './archive.ts'
import { choose, startOf, type Choice, type Chosen } from './choose.ts'
import { countWarnings } from './compare-rows.ts'
import { restoreBeside } from './restore-beside.ts'
import { fill } from './restore-fill.ts'
import type { Done, RestoreContext } from './restore-context.ts'

export interface RestoreOptions extends Choice {
  readonly dryRun: boolean
  /** A database that holds anything may be replaced. */
  readonly confirm: boolean
  /** Whose a database that does not exist yet shall be. */
  readonly owner: string | undefined
}

export interface RestoreResult {
  readonly key: string
  readonly backupStartedAt: Date
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly way: RestorePlan['way']
  /** What had the target's name before, and is kept under this one. */
  readonly before: string | undefined
  /** Nothing was written, and nothing was found in a database. */
  readonly dryRun: boolean
  readonly durationMs: number
  readonly tables: readonly ComparedTable[]
  readonly largeObjects: number
  readonly notContained: readonly string[]
  /** The next backup of what was restored must be told that it comes from another cluster, or that may be. */
  readonly needsAdoption: boolean
  readonly warnings: readonly string[]
  readonly now: Date
}

/**
 * Restores a backup into a database that does not exist yet, or is empty, or in the place of one that holds anything. When
 * this returns, the whole backup is there, every table's rows compared; when it throws, or the process dies at any instant,
 * the target is what it was. With `dryRun` all of it but writing: the archive is really fetched, opened and read to its end.
 *
 * @throws `refused` where the target holds anything and nobody has confirmed; `rights`, `version` with every blocker.
 */
export const restore = async (ctx: RestoreContext, asked: RestoreOptions): Promise<RestoreResult> => {
  const since = ctx.clock.monotonicMs()
  const { backup, archive, warnings, target } = await prepared(ctx, asked)
  const plan = planRestore(target, needsOf(backup))
  if (!asked.dryRun) await requireConfirmed(ctx, target, plan, asked)
  const done = asked.dryRun
    ? await readOnly(ctx, archive)
    : await ctx.server.holdingLock(async (lock) => {
        const held = { ...ctx, stop: AbortSignal.any([ctx.stop, lock.signal]) }
        await sweep(held)
        return plan.way === 'fill'
          ? fill(held, backup, archive, target, plan)
          : restoreBeside(held, backup, archive, target, plan)
      })
  return {
    key: backup.key,
    backupStartedAt: startOf(backup),
    host: target.host,
    port: target.port,
    user: target.user,
    database: target.database,
    way: plan.way,
    before: done.before,
    dryRun: asked.dryRun,
    durationMs: Math.round(ctx.clock.monotonicMs() - since),
    tables: done.tables,
    largeObjects: archive.largeObjects(),
    notContained: backup.state === 'complete' ? backup.manifest.notContained : [],
    needsAdoption: backup.state !== 'complete' || backup.manifest.source.systemIdentifier !== target.systemIdentifier,
    warnings: [...warnings, ...done.notes, ...countWarnings(backup, done.tables)],
    now: ctx.clock.now(),
  }
}

/** What can be wrong with the backup, with the psql here and with the place, is told together. */
const prepared = async (ctx: RestoreContext, asked: RestoreOptions) => {
  const faults: Fault[] = []
  const gathering = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work()
    } catch (thrown) {
      ctx.stop.throwIfAborted()
      faults.push(asFault(thrown))
      return undefined
    }
  }
  const chosen = await gathering(() => choose(ctx, asked))
  await gathering(() => ctx.server.psqlVersion())
  const extensions = chosen?.backup.state === 'complete' ? (chosen.backup.manifest.requires?.extensions ?? []) : []
  const target = await gathering(() => ctx.server.inspect({ owner: asked.owner, extensions }))
  const [first] = faults
  if (first === undefined && chosen !== undefined && target !== undefined) return { ...chosen, target }
  if (first === undefined) throw new TypeError('nothing failed, and something is missing')
  if (faults.length === 1) throw first
  throw new Fault(first.code, 'The restore cannot begin.', {
    all: faults.flatMap(({ message, all }) => [message, ...all]),
    hint: faults.flatMap(({ hint }) => (hint === undefined ? [] : [hint])).join('\n'),
    cause: first,
  })
}

const needsOf = (backup: Chosen): Needs =>
  backup.state === 'complete'
    ? {
        versions: [backup.manifest.source.serverVersion, backup.manifest.tool.pgDump],
        superuser: backup.manifest.requires?.superuser ?? [],
        plainBytes: backup.manifest.plain.sizeBytes,
      }
    : { versions: [], superuser: [], plainBytes: undefined }

/** By what the target holds, whatever its host is called. */
const requireConfirmed = async (
  ctx: RestoreContext,
  { existing, database, host }: TargetState,
  { way }: RestorePlan,
  asked: RestoreOptions,
): Promise<void> => {
  if (existing === undefined || way !== 'replace' || asked.confirm) return
  const what = `The database ${database} on ${host} is not empty: it holds ${contentsOf(existing)}.`
  const kept = `It would be replaced, and kept as ${beforeName(database, ctx.clock.now())}.`
  if (ctx.ask === undefined)
    throw new Fault('refused', what, {
      all: [kept],
      hint: 'If that is meant, add --confirm. Or restore beside it: --target-db postgres://…/app_db_restored',
    })
  const typed = await ctx.ask(`${what}\n${kept}\nTo go on, type the name of the database: `)
  if (typed.trim() !== database)
    throw new Fault('refused', `That is not the name of the database, so ${database} was left alone.`, {
      hint: 'Nothing was changed.',
    })
}

/** Only what a restore into this target has left, and nobody else is at work on it: we hold the lock. */
const sweep = async (ctx: RestoreContext): Promise<void> => {
  const { scratch } = await ctx.server.leftBehind()
  for (const database of scratch) {
    await ctx.server.drop(database)
    ctx.journal.info(`Removed the database ${database}, which an unfinished restore had left.`)
  }
}

const readOnly = async (ctx: RestoreContext, archive: Archive): Promise<Done> => {
  await reading(ctx, archive, 'Reading', drained)
  return {
    tables: archive.tables().map(({ name, rows }) => ({ name, expected: rows, found: null })),
    before: undefined,
    notes: [],
  }
}
