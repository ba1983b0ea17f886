import type { RestorePlan } from '../domain/restore-plan.ts'
import { passedRowCheck, rowCheckSql, type ComparedTable } from '../domain/rows.ts'
import { parseTableName, tableNameText } from '../domain/table-name.ts'
import { Fault } from '../errors.ts'
import { restricted } from '../pipeline/restrict.ts'
import type { TargetState } from '../ports/restore-server.ts'
import { reading, type Archive } from './archive.ts'
import { auditRestore } from './audit-restore.ts'
import type { Chosen } from './choose.ts'
import type { Done, RestoreContext } from './restore-context.ts'

/**
 * Into a database that is there and empty, in one transaction, which commits only what is whole and compared. Nothing is
 * counted after that: an application that has waited at the door writes as soon as its tables are there.
 */
export const fill = (
  ctx: RestoreContext,
  backup: Chosen,
  archive: Archive,
  { database, isSuperuser }: TargetState,
  { owner }: RestorePlan,
): Promise<Done> =>
  ctx.target.holdingLock({ giveWay: false }, async (lock) => {
    const held = { ...ctx, stop: AbortSignal.any([ctx.stop, lock.signal]) }
    await reading(held, archive, 'Restoring', (sql, flow) => {
      const script = restricted(sql, { oneTransaction: true, owner, isSuperuser })
      return ctx.server.load(database, inOneTransaction(script, archive), flow)
    })
    const tables = passedRowCheck(archive.tables())
    await requireCommitted(ctx, database, tables)
    return { tables, before: undefined, notes: await auditRestore(held, backup, archive, database) }
  })

/**
 * Not on psql's word alone: it may have been another server's. All or nothing was committed, for a COMMIT after a failed check
 * rolls back: where the tables are, their rows were right.
 */
const requireCommitted = async (
  { server }: RestoreContext,
  database: string,
  tables: readonly ComparedTable[],
): Promise<void> => {
  const missing = await server.missing(
    database,
    tables.flatMap(({ name }) => parseTableName(name) ?? []),
  )
  if (missing.length === 0) return
  throw new Fault('mismatch', 'psql ended well, and what it was to load is not there.', {
    all: missing.map((table) => `${tableNameText(table)}: missing`),
    hint: 'Does psql reach the same server? With BACKUP_PG_COMMAND, 127.0.0.1 may be a container of its own. Look there for what was loaded, then try again.',
  })
}

/**
 * BEGIN and COMMIT are ours, not psql's --single-transaction: that one would commit at the end of its input, and a stream
 * that breaks off has an end as well.
 */
async function* inOneTransaction(script: AsyncGenerator<Uint8Array>, archive: Archive): AsyncGenerator<Uint8Array> {
  yield Buffer.from('BEGIN;\n')
  yield* script
  yield Buffer.from(`${rowCheckSql(archive.tables())}\nCOMMIT;\n`)
}
