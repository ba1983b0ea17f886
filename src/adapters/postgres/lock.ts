import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { Fault } from '../../errors.ts'
import type { Clock, LockOptions, RunLock } from '../../ports.ts'
import { withClient } from './connect.ts'

/** The advisory lock of all backup work on a database. README.md names it, for operators who look into pg_locks. */
export const lockKey = 8_151_642_025

export interface LockSettings {
  readonly giveWaySeconds: number
  readonly applicationName: string
  readonly stop: AbortSignal
}

const watchEveryMs = 3000

/** An advisory lock, how it is asked for, and what to say when another session has it. */
export interface AdvisoryLock {
  readonly database?: string
  readonly sql: string
  readonly values: readonly unknown[]
  readonly held: (client: pg.Client) => Promise<Fault>
  /** What is lost with it, for the sentence: "this run". */
  readonly of: string
}

/** Holds the lock in a session of its own while the work goes on; `lost` aborts when that session is cut. */
export const holdingAdvisoryLock = async <T>(
  target: PostgresTarget,
  settings: Pick<LockSettings, 'applicationName' | 'stop'>,
  lock: AdvisoryLock,
  work: (client: pg.Client, lost: AbortController) => Promise<T>,
): Promise<T> => {
  // Stopped at once until the lock is had; afterwards the work ends first, and the lock is held to its end.
  const acquiring = new AbortController()
  const giveUp = (): void => {
    acquiring.abort(settings.stop.reason)
  }
  if (settings.stop.aborted) giveUp()
  settings.stop.addEventListener('abort', giveUp, { once: true })
  const session = {
    applicationName: `${settings.applicationName} lock`,
    signal: acquiring.signal,
    ...(lock.database === undefined ? {} : { database: lock.database }),
  }
  return withClient(target, session, async (client) => {
    await client.query('SET idle_session_timeout = 0').catch(() => undefined) // unknown before PostgreSQL 14
    const { rows } = await client.query<{ locked: boolean }>(`SELECT ${lock.sql} AS locked`, [...lock.values])
    if (rows[0]?.locked !== true) throw await lock.held(client)
    settings.stop.removeEventListener('abort', giveUp)

    const lost = new AbortController()
    const lose = (): void => {
      lost.abort(
        new Fault('lock-lost', `The database session that holds the lock of ${lock.of} was cut.`, {
          hint: 'The server was restarted, or the session was ended by somebody. The next attempt starts afresh.',
        }),
      )
    }
    client.on('end', lose)
    client.on('error', lose)
    try {
      return await work(client, lost)
    } finally {
      client.off('end', lose)
      client.off('error', lose)
    }
  })
}

/** See `Database.holdingLock`. */
export const holdingLock = <T>(
  target: PostgresTarget,
  settings: LockSettings,
  clock: Clock,
  options: LockOptions,
  work: (lock: RunLock) => Promise<T>,
): Promise<T> =>
  holdingAdvisoryLock(
    target,
    settings,
    { sql: 'pg_try_advisory_lock($1)', values: [lockKey], held: lockHeld, of: 'this run' },
    async (client, lost) => {
      const watch = watchWaiters(client, settings, clock, options, lost)
      try {
        return await work({ signal: lost.signal })
      } finally {
        watch.end()
      }
    },
  )

const lockHeld = async (client: pg.Client): Promise<Fault> => {
  const { rows } = await client.query<{ since: string | null }>(
    `SELECT to_char(a.backend_start AT TIME ZONE 'UTC', 'HH24:MI') AS since FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32 | l.objid::bigint) = $1 AND l.objsubid = 1
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [lockKey],
  )
  const since = rows[0]?.since
  return new Fault('lock-held', `Another run holds the lock${since == null ? '' : ` since ${since} UTC`}.`, {
    hint: 'Wait for it, or see: systemctl status oslrs-backup',
  })
}

/**
 * A dump holds its locks to its end, so a deploy's ALTER TABLE waits for us, and the application's reads queue up behind
 * that. So we look every few seconds whether anybody waits on us, and abort when somebody has for too long.
 */
const watchWaiters = (
  client: pg.Client,
  settings: LockSettings,
  clock: Clock,
  options: LockOptions,
  lost: AbortController,
): { end(): void } => {
  let waitingSince: number | undefined
  const state = { stopped: false }
  let wake = (): void => undefined
  const look = async (): Promise<void> => {
    const { rows } = await client.query(
      `WITH ours AS (SELECT array_agg(pid) AS pids FROM pg_stat_activity WHERE application_name = $1)
       SELECT DISTINCT l.pid FROM pg_locks l, ours
       WHERE NOT l.granted AND pg_blocking_pids(l.pid) && ours.pids AND NOT l.pid = ANY (ours.pids)`,
      [settings.applicationName],
    )
    if (rows.length === 0) waitingSince = undefined
    else waitingSince ??= clock.monotonicMs()
    const waitedMs = waitingSince === undefined ? 0 : clock.monotonicMs() - waitingSince
    if (options.giveWay && waitedMs >= settings.giveWaySeconds * 1000)
      lost.abort(
        new Fault(
          'gave-way',
          `Another session has waited ${String(settings.giveWaySeconds)} s for a table that the dump holds, so the backup gave way.`,
          {
            hint: 'Probably a migration is being deployed. The backup is worth trying again afterwards.',
          },
        ),
      )
  }
  void (async () => {
    const everyMs = Math.min(watchEveryMs, (settings.giveWaySeconds * 1000) / 4)
    while (!state.stopped && !lost.signal.aborted) {
      // A failing query here means a broken session, which its own events report.
      await look().catch(() => undefined)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, everyMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
        if (state.stopped) wake()
      })
    }
  })()
  return {
    end: () => {
      // A question that is still open ends with the session.
      state.stopped = true
      wake()
    },
  }
}
