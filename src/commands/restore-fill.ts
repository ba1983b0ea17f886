import type { RestorePlan } from '../domain/restore-plan.ts'
import { rowCheckSql } from '../domain/rows.ts'
import { restricted } from '../pipeline/restrict.ts'
import type { TargetState } from '../ports/restore-server.ts'
import { reading, type Archive } from './archive.ts'
import { auditRestore } from './audit-restore.ts'
import type { Chosen } from './choose.ts'
import { compareRows } from './compare-rows.ts'
import type { Done, RestoreContext } from './restore-context.ts'

/** Into a database that is there and empty, in one transaction, which commits only what is whole and compared. */
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
    const tables = await compareRows(ctx.server, database, archive.tables())
    return { tables, before: undefined, notes: await auditRestore(held, backup, archive, database) }
  })

/**
 * BEGIN and COMMIT are ours, not psql's --single-transaction: that one would commit at the end of its input, and a stream
 * that breaks off has an end as well.
 */
async function* inOneTransaction(script: AsyncGenerator<Uint8Array>, archive: Archive): AsyncGenerator<Uint8Array> {
  yield Buffer.from('BEGIN;\n')
  yield* script
  yield Buffer.from(`${rowCheckSql(archive.tables())}\nCOMMIT;\n`)
}
