import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { Fault } from '../../errors.ts'
import type { ScratchPlace } from '../../ports/drill.ts'
import { withClient } from '../postgres/connect.ts'
import { quoted } from '../postgres/sql.ts'
import { onServer, openScratchServer, type KeptDatabase, type ScratchRoles, type ScratchTools } from './server.ts'
import { alone } from './verify-server.ts'

/**
 * --target-db: the database of that name, which must not exist or be empty. It is kept, to be looked at; it belongs to the
 * role of the URL in the end.
 */
export const targetDatabase = (target: PostgresTarget, parts: ScratchTools): ScratchPlace => ({
  kind: 'target-db',
  holding: async (_needs, work) => {
    const { applicationName, stop } = parts
    const server = onServer(target, parts)
    const { existing, mayCreateDatabases } = await server.inspect({ owner: undefined, extensions: [] })
    if ((existing?.userObjects ?? 0) > 0)
      throw new Fault(
        'refused',
        `The database ${target.database} on ${target.host} is not empty: a drill restores into no database that holds anything.`,
        {
          hint: 'Name one that does not exist, or leave --target-db away: then a scratch database is made, and dropped.',
        },
      )
    if (existing === undefined && !mayCreateDatabases)
      throw new Fault(
        'rights',
        `The database ${target.database} does not exist, and the role ${target.user} may not create databases.`,
        { hint: 'Make an empty one for it, or name another role.' },
      )
    // Sessions of ours that need no particular database use one that is there.
    const owner =
      existing !== undefined
        ? target
        : { ...target, database: target.database === 'postgres' ? 'template1' : 'postgres' }
    const kept = (roles: ScratchRoles): KeptDatabase => ({
      name: target.database,
      prepare: async (like) => {
        const asOwner = (work: (client: pg.Client) => Promise<unknown>, signal?: AbortSignal): Promise<unknown> =>
          withClient(
            owner,
            { applicationName, database: target.database, ...(signal === undefined ? {} : { signal }) },
            work,
          )
        if (existing === undefined)
          await server.createDatabase({
            name: target.database,
            like: 'the source',
            properties: like,
            owner: undefined,
          })
        if (roles.loader === roles.owner) return () => Promise.resolve()
        await asOwner(
          (client) => client.query(`ALTER DATABASE ${quoted(target.database)} OWNER TO ${quoted(roles.loader.user)}`),
          stop,
        )
        return async () => {
          await asOwner((client) =>
            client.query(`REASSIGN OWNED BY ${quoted(roles.loader.user)} TO ${quoted(target.user)}`),
          )
        }
      },
    })
    return alone(owner, parts, `the database ${target.database} on ${target.host}`, async (roles, held) =>
      work(await openScratchServer(roles, held, kept(roles))),
    )
  },
})
