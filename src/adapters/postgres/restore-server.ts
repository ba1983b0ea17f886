import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { quoteTableName } from '../../domain/table-name.ts'
import { Fault } from '../../errors.ts'
import type { RestoreServer, TargetState } from '../../ports.ts'
import type { PgTools } from '../pg-tools.ts'
import { sqlState, withClient } from './connect.ts'

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** Everything that a user may have made, apart from the empty schema `public` and what template0 brings. */
const countUserObjects = `
  SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
       + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
       + (SELECT count(*) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
       + (SELECT count(*) FROM pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public'))
       + (SELECT count(*) FROM pg_extension WHERE extname <> 'plpgsql')
       + (SELECT count(*) FROM pg_largeobject_metadata) AS count`

export const restoreServer = (
  target: PostgresTarget,
  tools: PgTools,
  applicationName: string,
  signal: AbortSignal,
): RestoreServer => {
  // Databases are made and renamed from another one: the target may not exist, and cannot rename itself.
  const maintenance = { applicationName, database: target.database === 'postgres' ? 'template1' : 'postgres' }

  const databases = <T>(work: (client: pg.Client) => Promise<T>): Promise<T> =>
    withClient(target, { ...maintenance, signal }, work)

  const inspect = async (): Promise<TargetState> => {
    const facts = await databases(async (client) => {
      const { rows } = await client.query<{ version: string; number: string; exists: boolean; creates: boolean }>(
        `SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
                EXISTS (SELECT FROM pg_database WHERE datname = $1) AS exists,
                (SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user) AS creates`,
        [target.database],
      )
      return rows[0]
    })
    const userObjects =
      facts?.exists === true
        ? await withClient(
            target,
            { applicationName, signal },
            async (client) => (await client.query<{ count: number }>(countUserObjects)).rows[0]?.count ?? 0,
          )
        : 0
    return {
      host: target.host,
      database: target.database,
      user: target.user,
      serverVersion: facts?.version.split(' ')[0] ?? '',
      serverMajor: Math.trunc(Number(facts?.number ?? '0') / 10_000),
      exists: facts?.exists === true,
      userObjects,
      mayCreateDatabases: facts?.creates === true,
    }
  }

  return {
    psqlVersion: async () => (await tools.psql()).version.text,
    inspect,
    createDatabase: (database) =>
      databases(async (client) => {
        const text = (value: string): string => client.escapeLiteral(value)
        await client
          .query(
            `CREATE DATABASE ${quoted(database.name)} TEMPLATE template0 ENCODING ${text(database.encoding)} LC_COLLATE ${text(database.collate)} LC_CTYPE ${text(database.ctype)}`,
          )
          .catch((thrown: unknown) => {
            // 22023 or 42809, by version: the operating system has no such locale.
            if (['22023', '42809'].includes(sqlState(thrown) ?? ''))
              throw new Fault(
                'version',
                `The server does not know the locale ${database.collate} (or ${database.ctype}) that the backed-up database had.`,
                {
                  hint: `On the server: sudo locale-gen ${database.collate}, and restart PostgreSQL; or make an empty database yourself and name it with --target-db.`,
                  cause: thrown,
                },
              )
            throw thrown
          })
      }),
    load: async (database, script, flow) => {
      await tools.run(await tools.psql(), target, database, script, flow)
    },
    countRows: (database, tables) =>
      withClient(target, { applicationName, database, signal }, async (client) => {
        await client.query('SET statement_timeout = 0')
        const counts: (number | null)[] = []
        for (const table of tables) {
          const name = quoteTableName(table)
          const { rows: kinds } = await client.query<{ kind: string }>(
            'SELECT relkind AS kind FROM pg_class WHERE oid = to_regclass($1)',
            [name],
          )
          const only = kinds[0]?.kind === 'p' ? '' : 'ONLY '
          const counted =
            kinds.length === 0
              ? undefined
              : await client.query<{ count: number }>(`SELECT count(*) AS count FROM ${only}${name}`)
          counts.push(counted?.rows[0]?.count ?? null)
        }
        return counts
      }),
    rename: (from, to) =>
      databases(async (client) => {
        await client.query(`ALTER DATABASE ${quoted(from)} RENAME TO ${quoted(to)}`)
      }),
    // Cleaning up goes on when all else was stopped.
    drop: (database) =>
      withClient(target, maintenance, async (client) => {
        // A psql that was just ended may still have its session there; FORCE is known from PostgreSQL 13 on.
        const force =
          Number(
            (await client.query<{ number: string }>(`SELECT current_setting('server_version_num') AS number`)).rows[0]
              ?.number,
          ) >= 130_000
        await client.query(`DROP DATABASE IF EXISTS ${quoted(database)}${force ? ' WITH (FORCE)' : ''}`)
      }),
  }
}
