import { createHash, randomBytes } from 'node:crypto'
import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { quoteTableName } from '../../domain/table-name.ts'
import { Fault } from '../../errors.ts'
import type { Clock, Database, Journal } from '../../ports.ts'
import type { Extension, Properties, ScratchDatabase, ScratchServer } from '../../ports/drill.ts'
import type { RestoreServer } from '../../ports/restore-server.ts'
import type { PgTools } from '../pg-tools.ts'
import { sqlState, withClient } from '../postgres/connect.ts'
import { postgresDatabase } from '../postgres/database.ts'
import { quoted } from '../postgres/sql.ts'
import { restoreServer } from '../postgres/restore-server.ts'
import { restoredContents } from './contents.ts'

/** What every place has in common: a server, and the roles with which a drill works there. */
export interface ScratchRoles {
  readonly description: string
  /** Looks at things, and makes databases. */
  readonly owner: PostgresTarget
  /** Restores. The same as `owner` where that is no superuser. */
  readonly loader: PostgresTarget
  /** Of everything that is made there. */
  readonly prefix: string
}

export interface ScratchTools {
  readonly tools: PgTools
  readonly applicationName: string
  readonly stop: AbortSignal
  readonly clock: Clock
  readonly journal: Journal
}

/**
 * Drills that know each other share a maintenance database, and the lock in it; only what bears its mark is swept, for a
 * drill that works from another database of the same server may be under way.
 */
export const prefixFor = (maintenanceDatabase: string): string =>
  `oslrs_verify_${createHash('sha256').update(maintenanceDatabase).digest('hex').slice(0, 4)}_`

/** `oslrs_verify_1a2b_20260302t031500z_1f2e3d`: when, and no other one's. */
export const scratchName = (prefix: string, now: Date): string =>
  `${prefix}${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()}z_${randomBytes(3).toString('hex')}`

/** A database that is there already and is kept, for the first call of `inDatabase`. */
export interface KeptDatabase {
  readonly name: string
  /** Makes it, or makes sure that it is empty; returns what is to be done when the work has ended. */
  prepare(like: Properties): Promise<() => Promise<void>>
}

export const onServer = (target: PostgresTarget, { tools, applicationName, stop }: ScratchTools): RestoreServer =>
  restoreServer(target, tools, { applicationName, stop, swapSeconds: 0 })

export const openScratchServer = async (
  roles: ScratchRoles,
  parts: ScratchTools,
  kept: KeptDatabase | undefined,
): Promise<ScratchServer> => {
  const { owner, loader, description } = roles
  const { tools, applicationName, stop, clock, journal } = parts
  const asOwner = <T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> =>
    withClient(owner, { applicationName, database, signal: stop }, work)
  const { version, number } = await asOwner(owner.database, async (client) => {
    const { rows } = await client.query<{ version: string; number: string }>(
      `SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number`,
    )
    return { version: rows[0]?.version ?? '', number: Number(rows[0]?.number ?? '0') }
  })
  const isSuperuser = owner !== loader
  let keptIsFree = kept !== undefined

  const databaseIn = (name: string, isKept: boolean): ScratchDatabase => {
    const target = { ...owner, database: name }
    const database: Database = postgresDatabase(
      target,
      { lockSeconds: 10, giveWaySeconds: 3600, stop },
      applicationName,
      clock,
    )
    return {
      name,
      kept: isKept,
      createExtensions: (extensions) => createExtensions(name, extensions),
      asSuperuser: isSuperuser ? (statement) => runStatement(name, statement) : undefined,
      load: (script, flow) => onServer({ ...loader, database: name }, parts).load(name, script, flow),
      database,
      dumperFor: (source) => tools.dumperFor(target, source),
      copyOut: async function* (table, columns, flow) {
        const query = `COPY ${quoteTableName(table)} (${columns.join(', ')}) TO STDOUT`
        yield* tools.copyOut(await tools.psql(), target, name, query, flow)
      },
      contents: restoredContents(target, name, applicationName, stop),
    }
  }

  /** The role that loads becomes a superuser for a moment: things belong for ever to whoever created them. */
  const asSuperuser = async (database: string, work: (client: pg.Client) => Promise<void>): Promise<void> => {
    const role = quoted(loader.user)
    await asOwner(database, async (client) => {
      try {
        await client.query(`ALTER ROLE ${role} SUPERUSER`)
        await client.query(`SET ROLE ${role}`)
        await work(client)
      } finally {
        await client.query('RESET ROLE')
        await client.query(`ALTER ROLE ${role} NOSUPERUSER`)
      }
    })
  }

  const createExtensions = async (database: string, extensions: readonly Extension[]): Promise<void> => {
    if (extensions.length === 0) return
    if (!isSuperuser)
      throw new Fault('rights', `Only a superuser may create ${names(extensions)} there.`, {
        hint: 'Let the drill restore into a private cluster (no VERIFY_DATABASE_URL), or as a superuser, who makes a role without rights for it.',
      })
    await asSuperuser(database, async (client) => {
      for (const { name, schema } of extensions) {
        if (schema !== 'pg_catalog') await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)}`)
        await client.query(`CREATE EXTENSION ${quoted(name)} WITH SCHEMA ${quoted(schema)}`)
      }
    })
  }

  const runStatement = (database: string, statement: string): Promise<void> =>
    asSuperuser(database, async (client) => {
      await client.query("SET search_path = ''")
      // Prepared, so that it can be one statement alone.
      await client.query({ text: statement, values: [], name: 'one statement' }).catch((thrown: unknown) => {
        throw new Fault(
          'restore-failed',
          `The server refused a statement that only a superuser may make (SQLSTATE ${sqlState(thrown) ?? '?'}): ${statement.slice(0, 60)}…`,
          { cause: thrown },
        )
      })
    })

  return {
    description,
    serverVersion: version.split(' ')[0] ?? version,
    serverMajor: Math.trunc(number / 10_000),
    psqlVersion: async () => (await tools.psql()).version.text,
    untrusted: (extensions) =>
      asOwner(owner.database, async (client) => {
        const { rows } = await client.query<{ name: string }>(
          'SELECT name FROM pg_available_extension_versions WHERE name = ANY ($1) GROUP BY name HAVING NOT bool_or(trusted)',
          [extensions.map(({ name }) => name)],
        )
        return extensions.filter(({ name }) => rows.some((row) => row.name === name))
      }),
    inDatabase: async (like, work) => {
      if (kept !== undefined && keptIsFree) {
        keptIsFree = false
        const giveBack = await kept.prepare(like)
        try {
          return await work(databaseIn(kept.name, true))
        } finally {
          await giveBack()
        }
      }
      const name = scratchName(roles.prefix, clock.now())
      const maker = onServer({ ...owner, database: name }, parts)
      await maker.createDatabase({
        name,
        like: 'the source',
        properties: like,
        owner: isSuperuser ? loader.user : undefined,
      })
      try {
        return await work(databaseIn(name, false))
      } finally {
        await dropped(maker, name, journal)
      }
    },
  }
}

/** It holds personal data: that it stays is told loudly, and is a fault of the drill. */
const dropped = async (
  server: { drop(name: string): Promise<void> },
  name: string,
  journal: Journal,
): Promise<void> => {
  try {
    await server.drop(name)
  } catch (thrown) {
    journal.warn(`The scratch database ${name} could not be dropped, and it holds personal data.`, {
      next: `DROP DATABASE ${name};`,
    })
    throw thrown
  }
}

const names = (extensions: readonly Extension[]): string =>
  extensions.length === 1
    ? `the extension ${extensions[0]?.name ?? ''}`
    : `the extensions ${extensions.map(({ name }) => name).join(', ')}`
