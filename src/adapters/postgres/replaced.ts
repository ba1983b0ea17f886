import type pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { isBeforeOf } from '../../domain/restore-names.ts'
import { withClient } from './connect.ts'

/** Databases that restores have replaced, and that are kept until somebody drops them: names, sorted. */
export const replacedDatabases = async (client: pg.Client): Promise<readonly string[]> => {
  const { rows } = await client.query<{ name: string; current: string }>(
    'SELECT datname AS name, current_database() AS current FROM pg_database ORDER BY 1',
  )
  return rows.flatMap(({ name, current }) => (isBeforeOf(current, name) ? [name] : []))
}

const patienceMs = 3000

/** The same for whoever can do without the answer: none where the server gives none within seconds. */
export const askForReplaced = async (
  target: PostgresTarget,
  applicationName: string,
  stop: AbortSignal,
): Promise<readonly string[]> => {
  try {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(patienceMs)])
    return await withClient(target, { applicationName, signal }, replacedDatabases)
  } catch {
    stop.throwIfAborted()
    return []
  }
}
