import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { chainHash, chainLockKey, genesisHash } from '../../domain/audit-chain.ts'
import { uuidV7 } from '../../domain/uuid.ts'
import { asFault } from '../../errors.ts'
import type { Clock } from '../../ports.ts'
import type { AuditEntry, AuditTrail } from '../../ports/telling.ts'
import { sqlState, withClient } from './connect.ts'

const columns = [
  'id',
  'actor_id',
  'consumer_id',
  'action',
  'target_resource',
  'target_id',
  'details',
  'ip_address',
  'user_agent',
  'hash',
  'previous_hash',
  'created_at',
] as const

/**
 * Adds rows to the application's audit chain, by the rules of domain/audit-chain.ts: by the function of backup-role.sql
 * where there is one and we are the role that it serves, else by INSERT. See `AuditTrail`.
 */
export const auditTrail = (
  target: PostgresTarget,
  applicationName: string,
  clock: Clock,
  signal: AbortSignal,
): AuditTrail => {
  const trying = async (
    database: string | undefined,
    work: (client: pg.Client) => Promise<string | undefined>,
  ): Promise<string | undefined> => {
    try {
      return await withClient(
        target,
        { applicationName, signal, ...(database === undefined ? {} : { database }) },
        async (client) => {
          // Others hold the chain's lock for moments. What stands still does not hold us up.
          await client.query(`SET lock_timeout = '10s'; SET statement_timeout = '30s'`)
          return await work(client)
        },
      )
    } catch (thrown) {
      const state = sqlState(thrown)
      return `There is no audit row: ${state === undefined ? asFault(thrown).message : `the server refused it (SQLSTATE ${state}).`}`
    }
  }
  return {
    append: (entry, database) => trying(database, (client) => append(client, entry, clock)),
    hindrance: (database) => trying(database, async (client) => hindranceOf(await findWay(client))),
  }
}

interface Way {
  readonly missing: readonly string[] | null
  readonly byFunction: boolean
  readonly byInsert: boolean
  readonly role: string
}

const hindranceOf = ({ missing, byFunction, byInsert, role }: Way): string | undefined => {
  if (missing === null) return 'There is no audit row: there is no table public.audit_logs.'
  if (missing.length > 0) return `There is no audit row: public.audit_logs has no column ${missing.join(', ')}.`
  return byFunction || byInsert
    ? undefined
    : `There is no audit row: the role ${role} may not write public.audit_logs, and the function of backup-role.sql is not there for it.`
}

const append = async (client: pg.Client, entry: AuditEntry, clock: Clock): Promise<string | undefined> => {
  const way = await findWay(client)
  const hindrance = hindranceOf(way)
  if (hindrance !== undefined) return hindrance
  if (way.byFunction) {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
    await client.query('SELECT public.oslrs_backup_audit($1, $2)', [entry.action, JSON.stringify(entry.details)])
    await client.query('COMMIT')
    return undefined
  }
  await insert(client, entry, clock)
  return undefined
}

const findWay = async (client: pg.Client): Promise<Way> => {
  const { rows } = await client.query<Way>(
    `SELECT CASE WHEN pg_catalog.to_regclass('public.audit_logs') IS NULL THEN NULL ELSE
              ARRAY(SELECT wanted FROM pg_catalog.unnest($1::text[]) AS wanted WHERE NOT EXISTS
                (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass('public.audit_logs')
                   AND attname = wanted AND NOT attisdropped)) END AS missing,
            session_user = 'oslrs_backup'
              AND coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('public.oslrs_backup_audit(text, jsonb)'), 'EXECUTE'), false) AS "byFunction",
            coalesce(pg_catalog.has_table_privilege(pg_catalog.to_regclass('public.audit_logs'), 'INSERT')
              AND pg_catalog.has_table_privilege(pg_catalog.to_regclass('public.audit_logs'), 'SELECT'), false) AS "byInsert",
            session_user AS role`,
    [columns],
  )
  return rows[0] ?? { missing: null, byFunction: false, byInsert: false, role: '' }
}

const insert = async (client: pg.Client, { action, details }: AuditEntry, clock: Clock): Promise<void> => {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
  await client.query('SELECT pg_catalog.pg_advisory_xact_lock($1)', [chainLockKey])
  // Only now, so that it is the tail that nobody else can follow any more.
  const { rows } = await client.query<{ hash: string; ms: number }>(
    `SELECT hash, pg_catalog.floor(pg_catalog.date_part('epoch', created_at) * 1000)::int8 AS ms
     FROM public.audit_logs ORDER BY created_at DESC, id DESC LIMIT 1`,
  )
  const [tail] = rows
  const createdAt = new Date(Math.max(clock.now().getTime(), (tail?.ms ?? 0) + 1))
  const row = {
    id: uuidV7(createdAt),
    action,
    actorId: null,
    createdAt,
    details,
    previousHash: tail?.hash ?? genesisHash,
  }
  await client.query(
    `INSERT INTO public.audit_logs (id, actor_id, consumer_id, action, target_resource, target_id, details, ip_address, user_agent, hash, previous_hash, created_at)
     VALUES ($1, NULL, NULL, $2, 'database', NULL, $3, NULL, 'oslrs-backup', $4, $5, $6)`,
    [row.id, action, JSON.stringify(details), chainHash(row), row.previousHash, createdAt.toISOString()],
  )
  await client.query('COMMIT')
}
