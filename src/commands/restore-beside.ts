import { beforeName, scratchName } from '../domain/restore-names.ts'
import type { RestorePlan } from '../domain/restore-plan.ts'
import { Fault } from '../errors.ts'
import { restricted } from '../pipeline/restrict.ts'
import type { Access, NewDatabase, TargetState } from '../ports/restore-server.ts'
import { reading, type Archive } from './archive.ts'
import { auditRestore } from './audit-restore.ts'
import type { Chosen } from './choose.ts'
import { compareRows } from './compare-rows.ts'
import type { Done, RestoreContext } from './restore-context.ts'

/**
 * Into a new database beside the target, which gets the target's name only when everything in it is there, compared, and
 * open to those to whom the target was. What had the name before is kept under another.
 */
export const restoreBeside = async (
  ctx: RestoreContext,
  backup: Chosen,
  archive: Archive,
  target: TargetState,
  plan: RestorePlan,
): Promise<Done> => {
  const now = ctx.clock.now()
  const names = { scratch: scratchName(target.database, now), before: beforeName(target.database, now) }
  const { done, isInUse } = await droppingOnFailure(ctx, names.scratch, async () => {
    await ctx.server.createDatabase(newDatabase(names.scratch, backup, plan))
    if (plan.way !== 'replace') {
      const tables = await load(ctx, archive, target, plan, names.scratch)
      const notes = await auditRestore(ctx, backup, archive, names.scratch)
      await ctx.server.rename(names.scratch, target.database)
      return { done: { tables, before: undefined, notes }, isInUse: false }
    }
    // No backup meanwhile of a database whose place is about to be taken. The lock is a session in it, so it ends first.
    const made = await ctx.target.holdingLock({ giveWay: false }, async (lock) => {
      const held = { ...ctx, stop: AbortSignal.any([ctx.stop, lock.signal]) }
      const tables = await load(held, archive, target, plan, names.scratch)
      const notes = [
        ...(await openToTheSame(held, target.database, names.scratch)),
        ...(await auditRestore(held, backup, archive, names.scratch)),
      ]
      return { tables, notes }
    })
    ctx.stop.throwIfAborted()
    const end = await ctx.server.swap(names)
    return { done: { ...made, before: names.before }, isInUse: end === 'in use' }
  })
  if (isInUse) throw stillInUse(target.database, names.scratch)
  return done
}

const newDatabase = (name: string, backup: Chosen, { way, owner }: RestorePlan): NewDatabase =>
  way === 'replace'
    ? { name, like: 'the target' }
    : {
        name,
        like: 'the source',
        // Of older backups it is not known what the database was like.
        properties: backup.state === 'complete' ? backup.manifest.source : undefined,
        owner,
      }

const load = async (
  ctx: RestoreContext,
  archive: Archive,
  { isSuperuser }: TargetState,
  { owner }: RestorePlan,
  database: string,
): Promise<Done['tables']> => {
  await reading(ctx, archive, 'Restoring', (sql, flow) =>
    ctx.server.load(database, restricted(sql, { oneTransaction: false, owner, isSuperuser }), flow),
  )
  return compareRows(ctx.server, database, archive.tables())
}

/** Owners and privileges as they are in the target, and the proof that nobody is locked out of a key table. */
const openToTheSame = async (ctx: RestoreContext, target: string, scratch: string): Promise<readonly string[]> => {
  ctx.stop.throwIfAborted()
  const passedOver = await ctx.server.carryRights(scratch)
  const [had, has] = [
    await ctx.server.accessTo(target, ctx.keyTables),
    await ctx.server.accessTo(scratch, ctx.keyTables),
  ]
  const there = new Set(has.map(textOf))
  // A table that is not in the backup has left together with all rights on it; that is told with what was passed over.
  const restored = new Set(has.map(({ table }) => table))
  const all = had.filter((access) => restored.has(access.table) && !there.has(textOf(access))).map(textOf)
  if (all.length > 0)
    throw new Fault('rights', 'After the restore somebody would be locked out, so it was not done.', {
      all: all.map((access) => `${access} now, and could not afterwards`),
      hint: 'Nothing was changed. Restore beside the database instead, and grant there what is missing: --target-db postgres://…/app_db_restored',
    })
  return passedOver.length === 0
    ? []
    : [
        `Rights that the replaced database gives, on things that are not in the backup, could not be given again: ${passedOver.slice(0, 10).join(' ')}${passedOver.length > 10 ? ` and ${String(passedOver.length - 10)} more` : ''}`,
      ]
}

const textOf = ({ role, privilege, table }: Access): string => `${role} may ${privilege} ${table}`

const droppingOnFailure = async <T>(ctx: RestoreContext, scratch: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (thrown) {
    // Where a swap was made and only its answer was lost, there is no database of this name any more.
    await ctx.server.drop(scratch).catch(() => {
      ctx.journal.warn(`The unfinished database ${scratch} could not be dropped; the next restore does that.`, {
        by_hand: `DROP DATABASE "${scratch}"`,
      })
    })
    throw thrown
  }
}

const stillInUse = (target: string, scratch: string): Fault =>
  new Fault(
    'restore-failed',
    `The database ${target} could not be replaced: sessions in it did not end in time. It is as it was, and what was restored is whole, in ${scratch}.`,
    {
      hint: `See who: SELECT pid, usename, state, query FROM pg_stat_activity WHERE datname = '${target.replaceAll("'", "''")}'; then stop the application and restore once more (which removes ${scratch} first).`,
    },
  )
