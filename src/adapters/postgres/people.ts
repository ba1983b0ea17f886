import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import type { People } from '../../ports/telling.ts'
import { withClient } from './connect.ts'

/** The application's own tables, whatever schema they are shadowed by. */
const administrators = `
  SELECT u.email FROM public.users u JOIN public.roles r ON u.role_id = r.id
  WHERE r.name = 'super_admin' AND u.status::text NOT IN ('deactivated', 'suspended') AND u.email IS NOT NULL
  ORDER BY u.email`

const needed = [
  ['users', 'email'],
  ['users', 'role_id'],
  ['users', 'status'],
  ['roles', 'id'],
  ['roles', 'name'],
] as const

export const postgresPeople = (target: PostgresTarget, applicationName: string, signal: AbortSignal): People => ({
  superAdmins: (database) =>
    withClient(target, { applicationName, signal, ...(database === undefined ? {} : { database }) }, async (client) => {
      // A name is all that is asked for, and nobody waits for it.
      await client.query(`SET statement_timeout = '10s'; SET lock_timeout = '5s'`)
      if (!(await hasColumns(client))) return undefined
      return (await client.query<{ email: string }>(administrators)).rows.map(({ email }) => email)
    }),
})

const hasColumns = async (client: pg.Client): Promise<boolean> => {
  const { rows } = await client.query<{ table: string; column: string }>(
    `SELECT c.relname AS table, a.attname AS column FROM pg_catalog.pg_class c
     JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.oid IN (pg_catalog.to_regclass('public.users'), pg_catalog.to_regclass('public.roles'))`,
  )
  return needed.every(([table, column]) => rows.some((row) => row.table === table && row.column === column))
}
