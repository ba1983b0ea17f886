import type { ManifestTable } from '../domain/manifest.ts'
import type { ComparedTable } from '../domain/rows.ts'
import { parseTableName } from '../domain/table-name.ts'
import { Fault } from '../errors.ts'
import type { RestoreServer } from '../ports/restore-server.ts'
import type { Chosen } from './choose.ts'

/** Every table's rows, as the archive held them and as they are now. Throws `mismatch`, naming each that differs. */
export const compareRows = async (
  server: Pick<RestoreServer, 'countRows'>,
  database: string,
  tables: readonly ManifestTable[],
): Promise<readonly ComparedTable[]> => {
  const named = tables.flatMap((table) => {
    const parsed = parseTableName(table.name)
    return parsed === undefined ? [] : [{ ...table, parsed }]
  })
  const counts = await server.countRows(
    database,
    named.map((table) => table.parsed),
  )
  const compared = named.map(({ name, rows }, index) => ({ name, expected: rows, found: counts[index] ?? null }))
  const all = compared
    .filter((table) => table.expected !== table.found)
    .map(
      (table) =>
        `${table.name}: ${table.found === null ? 'missing' : `${String(table.found)} rows`}, and ${String(table.expected)} in the backup`,
    )
  if (all.length > 0)
    throw new Fault('mismatch', 'What was restored is not what the backup holds.', {
      all,
      hint: 'The target is as it was.',
    })
  return compared
}

/** The previous system counted in the live database, after the dump: a difference says little, and is told. */
export const countWarnings = (backup: Chosen, tables: readonly ComparedTable[]): string[] => {
  if (backup.state !== 'unverified-older') return []
  const { users, respondents, auditLogs, submissions } = backup.manifest.tableCounts
  const stated = { users, respondents, audit_logs: auditLogs, submissions }
  return Object.entries(stated).flatMap(([table, rows]) => {
    const restored = tables.find(({ name }) => name === `public.${table}`)
    if (rows === null || restored?.expected === rows) return []
    const held = restored === undefined ? 'no such table' : `${String(restored.expected)} rows`
    return [`Its manifest says ${String(rows)} rows of ${table}, counted after the dump; the archive holds ${held}.`]
  })
}
