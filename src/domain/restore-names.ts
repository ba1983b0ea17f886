import { createHash } from 'node:crypto'

/**
 * Names of the databases that a restore makes beside its target: `app_db_restore_20260302t031500z` while it is at work, and
 * `app_db_before_20260302t031500z` for what it has replaced. PostgreSQL cuts names at 63 bytes, so a long name is shortened,
 * with six digits of its digest, for two long names may begin alike.
 */

const longest = 63 - '_restore_20260302t031500z'.length

const stemOf = (database: string): string => {
  if (Buffer.byteLength(database) <= longest) return database
  const digest = createHash('sha256').update(database).digest('hex').slice(0, 6)
  const cut = Buffer.from(database)
    .subarray(0, longest - digest.length - 1)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  return `${cut}_${digest}`
}

const stampOf = (now: Date): string => `${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()}z`

export const scratchName = (database: string, now: Date): string => `${stemOf(database)}_restore_${stampOf(now)}`
export const beforeName = (database: string, now: Date): string => `${stemOf(database)}_before_${stampOf(now)}`

const isNamed = (database: string, what: string, name: string): boolean =>
  name.startsWith(`${stemOf(database)}_${what}_`) &&
  /^\d{8}t\d{6}z$/.test(name.slice(stemOf(database).length + what.length + 2))

/** Left by a restore into this database that did not end. */
export const isScratchOf = (database: string, name: string): boolean => isNamed(database, 'restore', name)
/** What a restore has replaced, kept until somebody drops it. */
export const isBeforeOf = (database: string, name: string): boolean => isNamed(database, 'before', name)

/** For every report until it is gone. */
export const keptSentence = (before: string): string =>
  `The database ${before}, which a restore has replaced, is still there and holds personal data. When nobody needs it: DROP DATABASE "${before.replaceAll('"', '""')}"`
