import type { Archive } from './archive.ts'
import { startOf, type Chosen } from './choose.ts'
import type { RestoreContext } from './restore-context.ts'

/** A row `system.restore` in the restored database's own chain. Returns why there is none, as a note; never a fault. */
export const auditRestore = async (
  ctx: RestoreContext,
  backup: Chosen,
  archive: Archive,
  database: string,
): Promise<readonly string[]> => {
  const note = await ctx.audit?.append(
    {
      action: 'system.restore',
      details: {
        key: backup.key,
        stateOf: startOf(backup).toISOString(),
        tables: archive.tables().length,
        rows: archive.tables().reduce((sum, table) => sum + table.rows, 0),
      },
    },
    database,
  )
  return note === undefined ? [] : [note]
}
