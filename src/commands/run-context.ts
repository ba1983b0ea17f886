import type { Database, Programs, TableName } from '../ports.ts'
import type { OrderContext } from './order-context.ts'

/** What a run works with; `run` and its parts share it. */
export interface RunContext extends OrderContext {
  readonly database: Database
  readonly programs: Programs
  readonly environment: string
  /** Empty only where BACKUP_ENCRYPTION=none was written out. */
  readonly recipients: readonly string[]
  readonly keyTables: readonly TableName[]
  readonly stallMs: number
  readonly toolVersion: string
  /** Tells machines apart without telling which: derived from machine-id(5). null where there is none. */
  readonly machine: string | null
  /** Sentences about the configuration that every report repeats. */
  readonly warnings: readonly string[]
}
