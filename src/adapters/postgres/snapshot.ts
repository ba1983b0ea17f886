import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { treeOf } from '../../domain/rows.ts'
import { quoteTableName } from '../../domain/table-name.ts'
import { Fault } from '../../errors.ts'
import type { AuditChainTail, Snapshot, SourceTable } from '../../ports.ts'
import { sqlState, translate, withClient } from './connect.ts'
import { userRelations } from './inspect.ts'

const attempts = 5

interface ListedTable extends SourceTable {
  readonly oid: number
}

const listTables = async (client: pg.Client): Promise<ListedTable[]> =>
  (
    await client.query<ListedTable>(`
      SELECT c.oid::int8 AS oid, n.nspname AS schema, c.relname AS table, c.relkind = 'r' AS "holdsRows",
        coalesce((SELECT json_agg(json_build_object('schema', pn.nspname, 'table', p.relname))
                  FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
                  WHERE i.inhrelid = c.oid), '[]') AS parents
      FROM ${userRelations} AND c.relkind IN ('r', 'p') ORDER BY c.oid`)
  ).rows

/** See `Database.inSnapshot`. */
export const inSnapshot = async <T>(
  target: PostgresTarget,
  settings: { readonly applicationName: string; readonly lockSeconds: number },
  signal: AbortSignal,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> =>
  withClient(target, { applicationName: settings.applicationName, signal }, async (client) => {
    await prepareSession(client, settings.lockSeconds)
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      signal.throwIfAborted()
      const tables = await lockAndFreeze(client)
      if (tables === 'changed meanwhile') continue
      const [exported] = (await client.query<{ id: string }>('SELECT pg_export_snapshot() AS id')).rows
      const countRows = rowCounter(client, tables)
      const translated = <R>(answer: Promise<R>): Promise<R> =>
        answer.catch((thrown: unknown) => {
          throw translate(thrown, target)
        })
      const result = await work({
        id: exported?.id ?? '',
        tables,
        countRows: (table) => translated(countRows(table)),
        auditChain: () => translated(auditChain(client, countRows)),
      })
      // The transaction ends with its session.
      return result
    }
    throw new Fault(
      'lock-timeout',
      `Tables are created and dropped so fast that no quiet instant was found in ${String(attempts)} attempts.`,
      {
        hint: 'Probably a migration is running. The backup is worth trying again afterwards.',
      },
    )
  })

const prepareSession = async (client: pg.Client, lockSeconds: number): Promise<void> => {
  await client.query(`SET lock_timeout = '${String(lockSeconds)}s'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
    SET row_security = off; SET search_path = ''; SET max_parallel_workers_per_gather = 0`)
  // Each from some version on: 14, 17.
  for (const name of ['idle_session_timeout', 'transaction_timeout'])
    await client.query(`SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = $1`, [name])
}

/**
 * Locks first, and takes the snapshot after: LOCK TABLE takes none itself, so what a session that we had to wait for has
 * committed (a TRUNCATE, say) is in the snapshot, and from here on no table in it can be dropped, altered or truncated.
 */
const lockAndFreeze = async (client: pg.Client): Promise<readonly ListedTable[] | 'changed meanwhile'> => {
  const wanted = await listTables(client)
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY')
  try {
    if (wanted.length > 0)
      await client.query(
        `LOCK TABLE ${wanted.map((table) => `ONLY ${quoteTableName(table)}`).join(', ')} IN ACCESS SHARE MODE`,
      )
  } catch (thrown) {
    // 42P01, 3F000: a table or schema of the list was dropped before its turn came.
    if (sqlState(thrown) !== '42P01' && sqlState(thrown) !== '3F000') throw thrown
    await client.query('ROLLBACK')
    return 'changed meanwhile'
  }
  const seen = await listTables(client)
  const locked = new Set(wanted.map((table) => table.oid))
  if (seen.length === locked.size && seen.every((table) => locked.has(table.oid))) return seen
  await client.query('ROLLBACK')
  return 'changed meanwhile'
}

const rowCounter = (client: pg.Client, tables: readonly SourceTable[]): Snapshot['countRows'] => {
  const known = new Map<SourceTable, number>()
  const countAlone = async (table: SourceTable): Promise<number> => {
    const { rows } = await client.query<{ count: number }>(
      `SELECT count(*) AS count FROM ONLY ${quoteTableName(table)}`,
    )
    return rows[0]?.count ?? 0
  }
  return async (root) => {
    const tree = treeOf(tables, root)
    if (tree.length === 0) return undefined
    let sum = 0
    for (const table of tree.filter(({ holdsRows }) => holdsRows)) {
      const count = known.get(table) ?? (await countAlone(table))
      known.set(table, count)
      sum += count
    }
    return sum
  }
}

const auditChain = async (client: pg.Client, countRows: Snapshot['countRows']): Promise<AuditChainTail | null> => {
  const { rows: columns } = await client.query(
    `SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.audit_logs')
       AND attname IN ('id', 'hash', 'created_at') AND NOT attisdropped`,
  )
  if (columns.length < 3) return null
  const rows = await countRows({ schema: 'public', table: 'audit_logs' })
  if (rows === undefined) return null
  const [tail] = (
    await client.query<{ hash: string }>('SELECT hash FROM public.audit_logs ORDER BY created_at DESC, id DESC LIMIT 1')
  ).rows
  return { rows, tailHash: tail?.hash ?? null }
}
