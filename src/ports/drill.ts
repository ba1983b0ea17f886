import type { Bytes, Database, Dumper, Flow, SourceDatabase, TableName } from '../ports.ts'

/** What a drill needs besides a store and programs: somewhere to restore to, and eyes for what was restored. */

export interface ScratchNeeds {
  /** The server that the backup was made from; null where nobody knows it. */
  readonly serverMajor: number | null
  /** Of the SQL to restore; null where nobody knows it. */
  readonly plainBytes: number | null
}

/** Where a drill restores. */
export interface ScratchPlace {
  readonly kind: 'private-cluster' | 'verify-server' | 'target-db'
  /**
   * Makes the place ready, does the work, and takes all of it away again, whatever happens; what earlier, killed drills
   * left behind is swept first. Throws `configuration`, `program-missing`, `version`, `credentials` or `refused` where
   * the place will not do, `lock-held` while another drill is there, `database-unavailable` when it cannot be reached.
   */
  holding<T>(needs: ScratchNeeds, work: (server: ScratchServer) => Promise<T>): Promise<T>
}

export interface ScratchServer {
  /** For people: "a private PostgreSQL 15.18 on this host". */
  readonly description: string
  readonly serverVersion: string
  readonly serverMajor: number
  /** Throws `version` when the psql here must not be used. */
  psqlVersion(): Promise<string>
  /** Those of these extensions that only a superuser may create there, in order. */
  untrusted(extensions: readonly Extension[]): Promise<readonly Extension[]>
  /**
   * A new, empty database, owned by a role that is no superuser and may run no programs; dropped when the work ends.
   * The one that --target-db names is kept: `kept` says so. Every call makes another one.
   */
  inDatabase<T>(like: Properties, work: (database: ScratchDatabase) => Promise<T>): Promise<T>
}

/** As the backed-up database was; undefined: as the server makes them. */
export type Properties = { readonly encoding: string; readonly collate: string; readonly ctype: string } | undefined

export interface Extension {
  readonly name: string
  readonly schema: string
}

export interface ScratchDatabase {
  readonly name: string
  readonly kept: boolean
  /** As a superuser, and owned by the role that loads. Throws `rights` where we are none. */
  createExtensions(extensions: readonly Extension[]): Promise<void>
  /** One statement, in the same way; undefined where we are no superuser. Throws `restore-failed` when it is refused. */
  readonly asSuperuser: ((statement: string) => Promise<void>) | undefined
  /** See `RestoreServer.load`: as the role that is no superuser. */
  load(script: Bytes, flow: Flow): Promise<void>
  /** To look at what was restored, with row security hiding nothing. */
  readonly database: Database
  dumperFor(source: SourceDatabase): Promise<Dumper>
  /** The rows of this table alone, these columns in this order, as pg_dump would write them. */
  copyOut(table: TableName, columns: readonly string[], flow: Flow): Bytes
  readonly contents: RestoredContents
}

/** The application's own things in a restored database. */
export interface RestoredContents {
  /** How the rows of the audit chain hang together, counted by the server; null where there is no chain. */
  auditLinks(): Promise<AuditLinks | null>
  /** Shows every row of it, in the chain's order. Memory stays flat. */
  forEachAuditRow(visit: (row: AuditRow) => void): Promise<void>
  /** Names in public.roles; null where there is no such table. */
  roleNames(): Promise<readonly string[] | null>
  /** See `People`; never throws, for a drill does not depend on who hears of it. */
  superAdmins(): Promise<readonly string[]>
}

export interface AuditLinks {
  /** Rows that share their predecessor with an earlier one. */
  readonly forks: number
  /** Rows whose predecessor is not there; the chain's first row has none and is no gap. */
  readonly gaps: number
}

/** As stored. `createdAt` is ISO 8601 with milliseconds and Z; `details` is the JSON's text. */
export interface AuditRow {
  readonly id: string
  readonly action: string
  readonly actorId: string | null
  readonly createdAt: string
  readonly details: string | null
  readonly previousHash: string | null
  readonly hash: string | null
}
