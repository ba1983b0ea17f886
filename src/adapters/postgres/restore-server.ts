import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { isBeforeOf, isScratchOf } from '../../domain/restore-names.ts'
import { quoteTableName } from '../../domain/table-name.ts'
import { Fault } from '../../errors.ts'
import { startFlow } from '../../pipeline/flow.ts'
import { rightsIn } from '../../pipeline/rights.ts'
import type { TableName } from '../../ports.ts'
import type { RestoreServer } from '../../ports/restore-server.ts'
import type { PgTools } from '../pg-tools.ts'
import { sqlState, withClient } from './connect.ts'
import { holdingAdvisoryLock } from './lock.ts'
import { quoted } from './sql.ts'
import { carrySettings, createDatabase } from './new-database.ts'
import { accessTo, applyRights, largeObjectRights } from './rights.ts'
import { swap } from './swap.ts'
import { targetState } from './target-state.ts'

export interface RestoreServerSettings {
  readonly applicationName: string
  readonly stop: AbortSignal
  /** How long a swap waits for the sessions in the target to end. */
  readonly swapSeconds: number
}

/** First of the two keys of the advisory lock of restores; the second is the hash of the target's name. */
const restoreLockClass = 815_164_202

export const restoreServer = (
  target: PostgresTarget,
  tools: PgTools,
  { applicationName, stop, swapSeconds }: RestoreServerSettings,
): RestoreServer => {
  // Databases are made and renamed from another one: the target may not exist, and cannot rename itself.
  const maintenance = { applicationName, database: target.database === 'postgres' ? 'template1' : 'postgres' }

  const inMaintenance = <T>(work: (client: pg.Client) => Promise<T>): Promise<T> =>
    forRestoring(() => withClient(target, { ...maintenance, signal: stop }, work))
  const inDatabase = <T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> =>
    forRestoring(() =>
      withClient(target, { applicationName, database, signal: stop }, async (client) => {
        // Whatever limits the role or the database has.
        await client.query('SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0')
        return work(client)
      }),
    )

  return {
    psqlVersion: async () => (await tools.psql()).version.text,
    inspect: (asked) =>
      targetState(
        target,
        { maintenance: { ...maintenance, signal: stop }, own: { applicationName, signal: stop } },
        asked,
      ),
    holdingLock: (work) =>
      holdingAdvisoryLock(
        target,
        { applicationName, stop },
        {
          database: maintenance.database,
          sql: `pg_try_advisory_lock(${String(restoreLockClass)}, hashtext($1))`,
          values: [target.database],
          held: () =>
            Promise.resolve(
              new Fault('lock-held', `Another restore into ${target.database} is at work.`, {
                hint: "Wait for it, or see: SELECT pid, query FROM pg_stat_activity WHERE application_name LIKE 'oslrs-backup%';",
              }),
            ),
          of: 'this restore',
        },
        (_client, lost) => work({ signal: lost.signal }),
      ),
    createDatabase: (wanted) => inMaintenance((client) => createDatabase(client, target.database, wanted)),
    load: async (database, script, flow) => {
      await tools.run(await tools.psql(), target, database, script, flow)
    },
    countRows: (database, tables) => inDatabase(database, (client) => countRows(client, tables)),
    missing: (database, tables) => inDatabase(database, (client) => missing(client, tables)),
    carryRights: async (database) => {
      const rights = await inDatabase(target.database, async (client) => [
        ...(await rightsIn(await tools.schemaWithRights(target, await majorOf(client), startFlow(stop)))),
        ...(await largeObjectRights(client)),
      ])
      const passedOver = await inDatabase(database, (client) => applyRights(client, rights))
      await inMaintenance((client) => carrySettings(client, target.database, database))
      return passedOver
    },
    accessTo: (database, tables) => inDatabase(database, (client) => accessTo(client, tables)),
    leftBehind: () =>
      inMaintenance(async (client) => {
        const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database ORDER BY 1')
        const names = rows.map(({ datname }) => datname)
        return {
          scratch: names.filter((name) => isScratchOf(target.database, name)),
          before: names.filter((name) => isBeforeOf(target.database, name)),
        }
      }),
    rename: (from, to) =>
      inMaintenance(async (client) => {
        await client.query(`ALTER DATABASE ${quoted(from)} RENAME TO ${quoted(to)}`)
      }),
    swap: (names) => swap(target, { ...maintenance, signal: stop }, { ...names, target: target.database }, swapSeconds),
    // Cleaning up goes on when all else was stopped.
    drop: (database) =>
      withClient(target, maintenance, async (client) => {
        await client.query(dropPatience)
        // A psql that was just ended may still have its session there.
        await client.query(`DROP DATABASE IF EXISTS ${quoted(database)} WITH (FORCE)`)
      }),
  }
}

/**
 * To drop a database the server waits until each of its sessions, of whatever database, has taken note; one in the
 * middle of a COPY whose client is silent never does (seen with PostgreSQL 15). What is then left is removed by the next one.
 */
export const dropPatience = `SET statement_timeout = '30s'`

/** What a backup lacks is the right to read; a restore lacks others. */
const forRestoring = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (thrown) {
    if (!(thrown instanceof Fault) || sqlState(thrown) !== '42501') throw thrown
    throw new Fault('rights', thrown.message, {
      hint: 'The target is as it was. Restore as a superuser, or as the owner of the database with the right to create databases.',
      cause: thrown.cause,
    })
  }
}

const majorOf = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query<{ number: string }>(`SELECT current_setting('server_version_num') AS number`)
  return Math.trunc(Number(rows[0]?.number ?? '0') / 10_000)
}

const missing = async (client: pg.Client, tables: readonly TableName[]): Promise<readonly TableName[]> => {
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest($1::text[]) AS t (name) WHERE to_regclass(name) IS NULL',
    [tables.map(quoteTableName)],
  )
  const names = new Set(rows.map(({ name }) => name))
  return tables.filter((table) => names.has(quoteTableName(table)))
}

const countRows = async (client: pg.Client, tables: readonly TableName[]): Promise<(number | null)[]> => {
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
}
