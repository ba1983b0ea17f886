import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import type { SourceDatabase } from '../../ports.ts'
import { sqlState } from './connect.ts'

/** Tables that pg_dump would dump the rows of: not the system's, not temporary ones, not an extension's own. */
export const userRelations = `
  pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

interface Line {
  readonly line: string
}

const lines = async (client: pg.Client, sql: string): Promise<string[]> =>
  (await client.query<Line>(sql)).rows.map((row) => row.line)

/** See `Database.inspect`. Everything here is read from the catalogs; no table is touched. */
export const inspect = async (client: pg.Client, target: PostgresTarget): Promise<SourceDatabase> => {
  const { rows } = await client.query<{
    version: string
    number: string
    size: number
    encoding: string
    collate: string
    ctype: string
  }>(`
    SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
           pg_database_size(d.oid) AS size, pg_encoding_to_char(d.encoding) AS encoding,
           d.datcollate AS collate, d.datctype AS ctype
    FROM pg_database d WHERE d.datname = current_database()`)
  const [facts] = rows
  if (facts === undefined) throw new Error('pg_database has no row for the current database')

  return {
    host: target.host,
    database: target.database,
    serverVersion: facts.version.split(' ')[0] ?? facts.version,
    serverMajor: Math.trunc(Number(facts.number) / 10_000),
    systemIdentifier: await systemIdentifier(client),
    sizeBytes: facts.size,
    encoding: facts.encoding,
    collate: facts.collate,
    ctype: facts.ctype,
    blockers: await blockers(client),
    warnings: await warnings(client),
    notContained: await notContained(client),
  }
}

const systemIdentifier = async (client: pg.Client): Promise<string | null> => {
  try {
    const [found] = await lines(client, 'SELECT system_identifier::text AS line FROM pg_control_system()')
    return found ?? null
  } catch (thrown) {
    if (sqlState(thrown) === '42501') return null
    throw thrown
  }
}

/** Why pg_dump would fail in mid-way, said before it starts. */
const blockers = async (client: pg.Client): Promise<string[]> => [
  ...(await lines(
    client,
    `SELECT format('the role %I has no USAGE on the schema %I', current_user, n.nspname) AS line FROM pg_namespace n
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT has_schema_privilege(n.oid, 'USAGE') ORDER BY 1`,
  )),
  ...(await lines(
    client,
    `SELECT format('the role %I may not read %s %I.%I', current_user, CASE c.relkind WHEN 'S' THEN 'the sequence' ELSE 'the table' END, n.nspname, c.relname) AS line
     FROM ${userRelations} AND (c.relkind IN ('r', 'p') AND NOT has_table_privilege(c.oid, 'SELECT')
       OR c.relkind = 'S' AND NOT has_sequence_privilege(c.oid, 'SELECT')) ORDER BY 1`,
  )),
  ...(await lines(
    client,
    `SELECT format('row security hides rows of %I.%I from the role %I', n.nspname, c.relname, current_user) AS line
     FROM ${userRelations} AND c.relkind IN ('r', 'p') AND c.relrowsecurity AND row_security_active(c.oid) ORDER BY 1`,
  )),
  // pg_read_all_data does not reach large objects: without ownership or a grant of its own, pg_dump fails at them.
  ...(await lines(
    client,
    `SELECT format('the role %I may not read %s large objects; they need a role that owns them, or is superuser', current_user, count(*)) AS line
     FROM pg_largeobject_metadata m
     WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AND NOT pg_has_role(m.lomowner, 'USAGE')
       AND NOT EXISTS (SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
                       AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
     HAVING count(*) > 0`,
  )),
]

const warnings = async (client: pg.Client): Promise<string[]> => [
  ...(await lines(
    client,
    `SELECT format('%s subscriptions are in the dump only when a superuser makes it', count(*)) AS line FROM pg_stat_subscription HAVING count(*) > 0`,
  )),
  ...(await lines(
    client,
    `SELECT format('%s tables or indexes lie in a tablespace of their own; a restore puts them into the default one', count(*)) AS line
     FROM ${userRelations} AND c.reltablespace <> 0 HAVING count(*) > 0`,
  )),
]

const notContained = async (client: pg.Client): Promise<string[]> => [
  'roles and their passwords, and grants on objects',
  ...(await lines(
    client,
    `SELECT CASE c.relkind WHEN 'm' THEN format('the data of the materialized view %I.%I, which a restore computes again', n.nspname, c.relname)
                           ELSE format('the rows of the foreign table %I.%I', n.nspname, c.relname) END AS line
     FROM ${userRelations} AND c.relkind IN ('m', 'f') ORDER BY 1`,
  )),
]
