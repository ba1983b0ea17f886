import { systemClock } from '../adapters/clock.ts'
import { openJournal } from '../adapters/journal.ts'
import type { Config } from '../config/load.ts'
import type { RetentionPolicy } from '../domain/retention.ts'
import type { Edge } from '../edge.ts'
import type { Journal } from '../ports.ts'
import { redact, type Secret } from '../secret.ts'
import type { NamedVault } from './vault.ts'

/** The composition root is this folder: which adapters each command gets. Here is what all of them have in common. */

/** Flags that every command has. */
export interface CommonOptions {
  readonly json: boolean
  readonly verbose: boolean
  readonly envFile: string | undefined
}

/** What the process leaves behind when it is done: the secrets to keep out of an error's text. */
export interface Opened<T> {
  readonly context: T
  readonly secrets: readonly Secret[]
}

export const journalOf = (edge: Edge, options: CommonOptions, secrets: readonly Secret[]): Journal =>
  openJournal(
    {
      write: edge.stderr.write,
      terminal: edge.stderr.isTerminal,
      journald: (edge.environment['JOURNAL_STREAM'] ?? '') !== '',
      verbose: options.verbose,
      redact: (text) => redact(text, secrets),
    },
    systemClock,
  )

export const opened = <T>(value: T | undefined): T => {
  // loadConfig has thrown before, when anything needed was missing.
  if (value === undefined) throw new TypeError('the configuration was taken for complete and is not')
  return value
}

export const policyOf = ({ values }: Config, vault: NamedVault): RetentionPolicy => ({
  dailyDays: values.BACKUP_DAILY_DAYS ?? 7,
  monthlyMonths: values.BACKUP_MONTHLY_MONTHS ?? 84,
  keepAtLeast: values.BACKUP_KEEP_AT_LEAST ?? 3,
  olderCount: vault.trusted.length === 0,
})
