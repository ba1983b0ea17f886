import { statfs } from 'node:fs/promises'
import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import type { ExistingTarget, ExtensionState, TargetState } from '../../ports/restore-server.ts'
import { sqlState, withClient, type SessionOptions } from './connect.ts'
import { notOfExtension, ofUsers } from './sql.ts'

/**
 * Everything that a user may have made, apart from the empty schema `public`, what template0 brings, and what extensions
 * brought: an empty database may have some.
 */
const userObjects = `
  (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${ofUsers('n.nspname')} AND ${notOfExtension('pg_class', 'c')})
  + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${ofUsers('n.nspname')} AND ${notOfExtension('pg_proc', 'p')})
  + (SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${ofUsers('n.nspname')} AND ${notOfExtension('pg_type', 't')}
       AND t.typrelid = 0 AND t.typcategory <> 'A')
  + (SELECT count(*) FROM pg_namespace n WHERE ${ofUsers('n.nspname')} AND n.nspname <> 'public' AND ${notOfExtension('pg_namespace', 'n')})
  + (SELECT count(*) FROM pg_largeobject_metadata)`
const tables = `(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f')
  AND ${ofUsers('n.nspname')} AND ${notOfExtension('pg_class', 'c')})`

/** From PostgreSQL 16 on, being a member of a role is not the right to act as it. */
export const mayBecome = (serverMajor: number, role: string): string =>
  `pg_has_role(current_user, ${role}, '${serverMajor >= 16 ? 'SET' : 'MEMBER'}')`

const isSuperuser = '(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)'

/** Sessions, owners and settings that stand in the way of a replacement by this role. */
const hindrancesSql = (serverMajor: number): string => `
  SELECT DISTINCT format('the role %I may not end a session of %I in it', current_user, a.usename) AS line FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.usename IS NOT NULL AND a.pid <> pg_backend_pid() AND NOT ${isSuperuser}
      AND NOT (pg_has_role(a.usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE') AND NOT (SELECT rolsuper FROM pg_roles r WHERE r.oid = a.usesysid))
  UNION ALL SELECT format('a prepared transaction, %L, is open in it: COMMIT PREPARED or ROLLBACK PREPARED ends it', gid)
    FROM pg_prepared_xacts WHERE database = current_database()
  UNION ALL SELECT DISTINCT format('the role %I may not give things to %I, who owns some in it', current_user, o.rolname)
    FROM (SELECT relowner AS owner, relnamespace AS namespace FROM pg_class c WHERE ${notOfExtension('pg_class', 'c')}
          UNION SELECT proowner, pronamespace FROM pg_proc p WHERE ${notOfExtension('pg_proc', 'p')}) AS owned
    JOIN pg_namespace n ON n.oid = owned.namespace JOIN pg_roles o ON o.oid = owned.owner
    WHERE ${ofUsers('n.nspname')} AND NOT ${mayBecome(serverMajor, 'o.oid')}
  UNION ALL SELECT DISTINCT format('only a superuser may carry over the settings that %I has in it', r.rolname)
    FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase JOIN pg_roles r ON r.oid = s.setrole
    WHERE d.datname = current_database() AND r.rolname <> current_user AND NOT ${isSuperuser}
  ORDER BY 1`

const existingTarget = async (client: pg.Client, serverMajor: number): Promise<ExistingTarget> => {
  const { rows } = await client.query<Omit<ExistingTarget, 'hindrances'>>(`
    SELECT o.rolname AS owner, pg_database_size(d.oid) AS "sizeBytes",
           ${mayBecome(serverMajor, 'd.datdba')} AND pg_has_role(d.datdba, 'USAGE') AS "mayBecomeOwner",
           coalesce((SELECT has_schema_privilege(CASE WHEN ${mayBecome(serverMajor, 'd.datdba')} THEN d.datdba ELSE u.oid END, n.oid, 'CREATE')
                     FROM pg_namespace n, pg_roles u WHERE n.nspname = 'public' AND u.rolname = current_user), true) AS "mayCreateInPublic",
           has_database_privilege(d.oid, 'CREATE') AS "mayCreateInDatabase",
           ${tables} AS tables, ${userObjects} AS "userObjects"
    FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba WHERE d.datname = current_database()`)
  const [found] = rows
  if (found === undefined) throw new Error('pg_database has no row for the current database')
  const hindrances = await client.query<{ line: string }>(hindrancesSql(serverMajor))
  return { ...found, hindrances: hindrances.rows.map(({ line }) => line) }
}

const extensionStates = async (client: pg.Client, names: readonly string[]): Promise<readonly ExtensionState[]> => {
  const { rows } = await client.query<ExtensionState>(
    `SELECT asked.name, EXISTS (SELECT FROM pg_available_extensions a WHERE a.name = asked.name) AS "isAvailable",
            ${isSuperuser} OR EXISTS (SELECT FROM pg_available_extension_versions v WHERE v.name = asked.name AND (v.trusted OR NOT v.superuser)) AS "mayCreate",
            EXISTS (SELECT FROM pg_extension e WHERE e.extname = asked.name) AS "isThere"
     FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, place) ORDER BY place`,
    [names],
  )
  return rows
}

/** What may not be seen is not known, and no fault. */
const whereAllowed = async (client: pg.Client, sql: string): Promise<string | null> => {
  try {
    return (await client.query<{ value: string }>(sql)).rows[0]?.value ?? null
  } catch (thrown) {
    if (sqlState(thrown) === '42501') return null
    throw thrown
  }
}

/** A server on this machine has its data where it says; one in a container, or elsewhere, has no such folder here. */
const freeBytesAt = async (host: string, folder: string | null): Promise<number | undefined> => {
  if (folder === null || !/^(\/|localhost$|127\.|::1$)/.test(host)) return undefined
  try {
    const { bavail, bsize } = await statfs(folder)
    return bavail * bsize
  } catch {
    return undefined
  }
}

/** See `RestoreServer.inspect`. Everything is read from the catalogs; no table is touched. */
export const targetState = async (
  target: PostgresTarget,
  { maintenance, own }: { readonly maintenance: SessionOptions; readonly own: SessionOptions },
  asked: { readonly owner: string | undefined; readonly extensions: readonly string[] },
): Promise<TargetState> => {
  const server = await withClient(target, maintenance, async (client) => {
    const { rows } = await client.query<{
      version: string
      number: string
      exists: boolean
      creates: boolean
      superuser: boolean
    }>(
      `SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
              EXISTS (SELECT FROM pg_database WHERE datname = $1) AS exists,
              rolcreatedb OR rolsuper AS creates, rolsuper AS superuser
       FROM pg_roles WHERE rolname = current_user`,
      [target.database],
    )
    const [facts] = rows
    if (facts === undefined) throw new Error('pg_roles has no row for the current user')
    const serverMajor = Math.trunc(Number(facts.number) / 10_000)
    const owner =
      asked.owner === undefined
        ? undefined
        : (
            await client.query<{ may: boolean }>(
              `SELECT ${mayBecome(serverMajor, 'oid')} AS may FROM pg_roles WHERE rolname = $1`,
              [asked.owner],
            )
          ).rows
    return {
      facts,
      serverMajor,
      askedOwner:
        owner === undefined || asked.owner === undefined
          ? undefined
          : { name: asked.owner, exists: owner.length > 0, mayBecome: owner[0]?.may === true },
      systemIdentifier: await whereAllowed(client, 'SELECT system_identifier::text AS value FROM pg_control_system()'),
      folder: await whereAllowed(client, `SELECT current_setting('data_directory') AS value`),
      extensions: facts.exists ? [] : await extensionStates(client, asked.extensions),
    }
  })
  const there = server.facts.exists
    ? await withClient(target, own, async (client) => ({
        existing: await existingTarget(client, server.serverMajor),
        extensions: await extensionStates(client, asked.extensions),
      }))
    : undefined
  return {
    host: target.host,
    port: target.port,
    database: target.database,
    user: target.user,
    serverVersion: server.facts.version.split(' ')[0] ?? '',
    serverMajor: server.serverMajor,
    systemIdentifier: server.systemIdentifier,
    isSuperuser: server.facts.superuser,
    mayCreateDatabases: server.facts.creates,
    existing: there?.existing,
    askedOwner: server.askedOwner,
    extensions: there?.extensions ?? server.extensions,
    freeBytes: await freeBytesAt(target.host, server.folder),
  }
}
