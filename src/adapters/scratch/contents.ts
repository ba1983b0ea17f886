import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { genesisHash } from '../../domain/audit-chain.ts'
import type { AuditLinks, AuditRow, RestoredContents } from '../../ports/drill.ts'
import { withClient } from '../postgres/connect.ts'
import { postgresPeople } from '../postgres/people.ts'

const chainColumns = ['id', 'actor_id', 'action', 'details', 'hash', 'previous_hash', 'created_at']

/** How many rows are in memory at once; a row's details may be long. */
const rowsAtOnce = 500

/** See `RestoredContents`. Nothing here is read but public.audit_logs and public.roles. */
export const restoredContents = (
  target: PostgresTarget,
  database: string,
  applicationName: string,
  signal: AbortSignal,
): RestoredContents => {
  const asking = <T>(work: (client: pg.Client) => Promise<T>): Promise<T> =>
    withClient(target, { applicationName, database, signal }, async (client) => {
      await client.query(`SET statement_timeout = 0; SET row_security = off; SET search_path = ''`)
      return work(client)
    })
  const hasColumns = async (client: pg.Client, table: string, wanted: readonly string[]): Promise<boolean> => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT attname AS name FROM pg_catalog.pg_attribute
       WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
      [table],
    )
    return wanted.every((column) => rows.some(({ name }) => name === column))
  }
  return {
    auditLinks: () =>
      asking(async (client) =>
        (await hasColumns(client, 'public.audit_logs', chainColumns)) ? await auditLinks(client) : null,
      ),
    forEachAuditRow: (visit) => asking((client) => visitRows(client, visit)),
    superAdmins: async () =>
      (await postgresPeople(target, applicationName, signal)
        .superAdmins(database)
        .catch(() => undefined)) ?? [],
    roleNames: () =>
      asking(async (client) => {
        if (!(await hasColumns(client, 'public.roles', ['name']))) return null
        const { rows } = await client.query<{ name: string }>(
          'SELECT name::text AS name FROM public.roles WHERE name IS NOT NULL ORDER BY 1 LIMIT 10000',
        )
        return rows.map(({ name }) => name)
      }),
  }
}

/** Sets of a million hashes are the server's work: it has a disk for what does not fit its memory. */
const auditLinks = async (client: pg.Client): Promise<AuditLinks> => {
  const { rows } = await client.query<AuditLinks>(
    `SELECT (SELECT count(previous_hash) - count(DISTINCT previous_hash) FROM public.audit_logs) AS forks,
            (SELECT count(*) FROM public.audit_logs a WHERE a.previous_hash IS DISTINCT FROM $1
               AND NOT EXISTS (SELECT FROM public.audit_logs b WHERE b.hash = a.previous_hash)) AS gaps`,
    [genesisHash],
  )
  return rows[0] ?? { forks: 0, gaps: 0 }
}

const visitRows = async (client: pg.Client, visit: (row: AuditRow) => void): Promise<void> => {
  await client.query('BEGIN READ ONLY')
  await client.query(
    `DECLARE chain NO SCROLL CURSOR FOR
     SELECT id::text, action::text, actor_id::text AS "actorId", details::text AS details,
            pg_catalog.to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "createdAt",
            previous_hash::text AS "previousHash", hash::text AS hash
     FROM public.audit_logs ORDER BY created_at, id`,
  )
  for (;;) {
    const { rows } = await client.query<AuditRow>(`FETCH ${String(rowsAtOnce)} FROM chain`)
    if (rows.length === 0) return
    rows.forEach(visit)
  }
}
