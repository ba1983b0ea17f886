import type { ComparedTable } from '../domain/rows.ts'
import type { Clock, Database, TableName } from '../ports.ts'
import type { RestoreServer } from '../ports/restore-server.ts'
import type { AuditTrail } from '../ports/telling.ts'
import type { ReadContext } from './verify.ts'

/** What a restore works with; its ways share it. */
export interface RestoreContext extends ReadContext {
  readonly clock: Clock
  readonly server: RestoreServer
  /** The target, for its lock; only asked where it exists. */
  readonly target: Database
  /** Those whose readers must still be able to read them. */
  readonly keyTables: readonly TableName[]
  /** undefined: BACKUP_AUDIT=off. */
  readonly audit: AuditTrail | undefined
  /** Asks the person at the terminal, and returns the line typed; undefined: there is none. */
  readonly ask: ((question: string) => Promise<string>) | undefined
}

/** What a way of restoring has to say. */
export interface Done {
  readonly tables: readonly ComparedTable[]
  readonly before: string | undefined
  readonly notes: readonly string[]
}
