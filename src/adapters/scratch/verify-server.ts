import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { Fault } from '../../errors.ts'
import { Secret } from '../../secret.ts'
import type { ScratchPlace } from '../../ports/drill.ts'
import { withClient } from '../postgres/connect.ts'
import { postgresDatabase } from '../postgres/database.ts'
import { quoted } from '../postgres/sql.ts'
import { dropPatience } from '../postgres/restore-server.ts'
import { openScratchServer, prefixFor, scratchName, type ScratchRoles, type ScratchTools } from './server.ts'

/**
 * VERIFY_DATABASE_URL: a server that is there for drills, named by its maintenance database. Each drill has databases of
 * its own there, and drops them; the lock in the maintenance database keeps a second drill away meanwhile, so that
 * whatever else bears such a name was left by one that was killed.
 */
export const verifyServer = (target: PostgresTarget, parts: ScratchTools): ScratchPlace => ({
  kind: 'verify-server',
  holding: (_needs, work) =>
    alone(target, parts, `a scratch database on ${target.host}`, async (roles, held) =>
      work(await openScratchServer(roles, held, undefined)),
    ),
})

/** With the lock of that maintenance database, after what killed drills have left is gone. */
export const alone = async <T>(
  target: PostgresTarget,
  parts: ScratchTools,
  description: string,
  work: (roles: ScratchRoles, held: ScratchTools) => Promise<T>,
): Promise<T> => {
  const { stop, applicationName, clock } = parts
  const database = postgresDatabase(target, { lockSeconds: 10, giveWaySeconds: 3600, stop }, applicationName, clock)
  return database.holdingLock({ giveWay: false }, async (lock) => {
    const held = { ...parts, stop: AbortSignal.any([stop, lock.signal]) }
    const prefix = prefixFor(target.database)
    await sweep(target, prefix, held)
    return withRoles(target, held, (both) => work({ ...both, description, prefix }, held))
  })
}

const sweep = async (
  target: PostgresTarget,
  prefix: string,
  { applicationName, stop, journal }: ScratchTools,
): Promise<void> => {
  await withClient(target, { applicationName, signal: stop }, async (client) => {
    await client.query(dropPatience)
    const found = async (sql: string): Promise<string[]> =>
      (await client.query<{ name: string }>(sql, [prefix])).rows.map(({ name }) => name)
    const remove = async (what: string, name: string, sql: string): Promise<void> => {
      try {
        await client.query(sql)
        journal.info(`Removed ${what} ${name}, which a killed drill had left.`)
      } catch {
        journal.warn(`${what} ${name} was left by a killed drill, and cannot be removed by this role.`)
      }
    }
    for (const name of await found('SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)'))
      await remove('The scratch database', name, `DROP DATABASE ${quoted(name)} WITH (FORCE)`)
    for (const name of await found('SELECT rolname AS name FROM pg_roles WHERE starts_with(rolname, $1)'))
      await remove('The role', name, `DROP ROLE ${quoted(name)}`)
  })
}

/**
 * A superuser makes a role that is none for the restore, with a password that nobody knows, and drops it afterwards. Any
 * other role restores itself, unless it may run programs on the server: a forged dump could do so, too.
 */
const withRoles = async <T>(
  target: PostgresTarget,
  parts: ScratchTools,
  work: (roles: Pick<ScratchRoles, 'owner' | 'loader'>) => Promise<T>,
): Promise<T> => {
  const { applicationName, stop, clock } = parts
  const ask = <R>(ask: (client: pg.Client) => Promise<R>): Promise<R> =>
    withClient(target, { applicationName, signal: stop }, ask)
  const rights = await ask(async (client) => {
    const { rows } = await client.query<{ superuser: boolean; creates: boolean; programs: boolean }>(
      `SELECT rolsuper AS superuser, rolcreatedb AS creates,
              NOT rolsuper AND (pg_has_role('pg_execute_server_program', 'MEMBER') OR pg_has_role('pg_write_server_files', 'MEMBER')) AS programs
       FROM pg_roles WHERE rolname = current_user`,
    )
    return rows[0]
  })
  if (rights?.programs === true)
    throw new Fault(
      'rights',
      `The role ${target.user} may run programs on the server, and a forged dump could use that.`,
      {
        hint: 'Give the drill a role of its own: CREATE ROLE oslrs_drill LOGIN CREATEDB;',
      },
    )
  if (rights?.superuser !== true) return work({ owner: target, loader: target })
  const role = scratchName(prefixFor(target.database), clock.now())
  const password = new Secret(randomBytes(24).toString('hex'))
  await ask((client) =>
    client.query(
      `CREATE ROLE ${quoted(role)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '${password.reveal()}'`,
    ),
  )
  try {
    return await work({ owner: target, loader: { ...target, user: role, password } })
  } finally {
    // Cleaning up goes on when all else was stopped.
    await withClient(target, { applicationName }, (client) => client.query(`DROP ROLE IF EXISTS ${quoted(role)}`))
  }
}
