import type { KeyObject } from 'node:crypto'
import type { RetentionPeriods } from '../domain/freshness.ts'
import type { Clock, Database, Journal, Programs, TableName } from '../ports.ts'
import type { Vault } from './vault.ts'

/** What a run works with; `run` and its parts share it. */
export interface RunContext {
  readonly vault: Vault
  readonly database: Database
  readonly programs: Programs
  readonly journal: Journal
  readonly clock: Clock
  /** Aborts on SIGTERM and SIGINT; its reason is the Fault to end with. */
  readonly stop: AbortSignal
  readonly environment: string
  /** Empty only where BACKUP_ENCRYPTION=none was written out. */
  readonly recipients: readonly string[]
  readonly signingKey: KeyObject | undefined
  readonly keyTables: readonly TableName[]
  readonly stallMs: number
  readonly toolVersion: string
  /** False where another host prunes: the key here need not be able to remove anything. */
  readonly mayRemove: boolean
  readonly periods: RetentionPeriods
  /** Tells machines apart without telling which: derived from machine-id(5). null where there is none. */
  readonly machine: string | null
  /** Sentences about the configuration that every report repeats. */
  readonly warnings: readonly string[]
}
