import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { sqlState, withClient, type SessionOptions } from './connect.ts'
import { quoted } from './sql.ts'

export interface SwapNames {
  readonly target: string
  readonly scratch: string
  readonly before: string
}

/** 55006: somebody is in it. 55P03: somebody is on the way in. */
const isInUse = (thrown: unknown): boolean => ['55006', '55P03'].includes(sqlState(thrown) ?? '')

/**
 * See `RestoreServer.swap`. Renaming a database takes a lock that keeps new sessions waiting at its door, and gives those
 * inside five seconds to leave; meanwhile a second session of ours ends them. So however eagerly an application connects
 * again, it cannot win.
 */
export const swap = async (
  target: PostgresTarget,
  session: SessionOptions,
  names: SwapNames,
  waitSeconds: number,
): Promise<'swapped' | 'in use'> => {
  const until = performance.now() + waitSeconds * 1000
  for (;;) {
    try {
      await attempt(target, session, names)
      return 'swapped'
    } catch (thrown) {
      session.signal?.throwIfAborted()
      // An answer that was lost on its way says nothing: what has the name now is what counts.
      if (await isSwapped(target, session, names).catch(() => false)) return 'swapped'
      if (!isInUse(thrown)) throw thrown
      if (performance.now() >= until) return 'in use'
    }
  }
}

const attempt = (target: PostgresTarget, session: SessionOptions, names: SwapNames): Promise<void> =>
  withClient(target, session, (doorkeeper) =>
    withClient(target, session, async (client) => {
      const done = new AbortController()
      const ending = endSessions(doorkeeper, names.target, done.signal)
      try {
        await client.query(`BEGIN; SET LOCAL lock_timeout = '5s'`)
        await client.query(`ALTER DATABASE ${quoted(names.target)} RENAME TO ${quoted(names.before)}`)
        await client.query(`ALTER DATABASE ${quoted(names.scratch)} RENAME TO ${quoted(names.target)}`)
        await client.query('COMMIT')
      } finally {
        done.abort()
        await ending
      }
    }),
  )

/** Again and again, until `done`: those that wait at the door have not been counted, and those inside may be slow. */
const endSessions = async (client: pg.Client, database: string, done: AbortSignal): Promise<void> => {
  while (!done.aborted) {
    const { rows } = await client
      .query<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE datname = $1', [database])
      .catch(() => ({ rows: [] }))
    // One at a time: a session that we may not end must not keep us from the others.
    for (const { pid } of rows) await client.query('SELECT pg_terminate_backend($1)', [pid]).catch(() => undefined)
    await pause(50, undefined, { signal: done }).catch(() => undefined)
  }
}

const isSwapped = (target: PostgresTarget, session: SessionOptions, names: SwapNames): Promise<boolean> =>
  withClient(target, session, async (client) => {
    const { rows } = await client.query<{ datname: string }>(
      'SELECT datname FROM pg_database WHERE datname = ANY ($1)',
      [[names.target, names.scratch, names.before]],
    )
    const there = new Set(rows.map(({ datname }) => datname))
    return there.has(names.target) && there.has(names.before) && !there.has(names.scratch)
  })
