import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { keptSentence } from '../../domain/restore-names.ts'
import type { SourceDatabase } from '../../ports.ts'
import { sqlState } from './connect.ts'
import { replacedDatabases } from './replaced.ts'
import { notOfExtension, ofUsers } from './sql.ts'

/** Tables that pg_dump would dump the rows of: not the system's, not temporary ones, not an extension's own. */
export const userRelations = `
  pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${ofUsers('n.nspname')} AND ${notOfExtension('pg_class', 'c')}`

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
    requires: { extensions: await extensions(client), superuser: await superuserOnly(client) },
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

const extensions = (client: pg.Client): Promise<string[]> =>
  lines(client, `SELECT extname AS line FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1`)

/** What only a superuser can make, so that a restore by another role is refused before it begins. */
const superuserOnly = (client: pg.Client): Promise<string[]> =>
  lines(
    client,
    `SELECT format('the event trigger %I', evtname) AS line FROM pg_event_trigger t WHERE ${notOfExtension('pg_event_trigger', 't')}
     UNION ALL SELECT format('the publication %I, of all tables', pubname) FROM pg_publication WHERE puballtables
     UNION ALL SELECT format('the foreign data wrapper %I', fdwname) FROM pg_foreign_data_wrapper w WHERE ${notOfExtension('pg_foreign_data_wrapper', 'w')}
     UNION ALL SELECT format('the function %I.%I, in the language %s', n.nspname, p.proname, l.lanname)
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
       WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT l.lanpltrusted AND p.prokind <> 'a'
         -- The constructors of a range type come with it.
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
     ORDER BY 1`,
  )

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
  ...(await replacedDatabases(client)).map(keptSentence),
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
