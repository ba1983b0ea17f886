import type { Bytes, Flow, TableName } from '../ports.ts'

/** The PostgreSQL server to restore into, through the eyes of the role that restores. See ../ports.ts for the rest. */

export interface TargetState {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly serverVersion: string
  readonly serverMajor: number
  /** pg_control's; null where the role may not see it. */
  readonly systemIdentifier: string | null
  readonly isSuperuser: boolean
  readonly mayCreateDatabases: boolean
  /** undefined: there is no such database. */
  readonly existing: ExistingTarget | undefined
  /** The role that was asked for as owner; undefined: none was. */
  readonly askedOwner: { readonly name: string; readonly exists: boolean; readonly mayBecome: boolean } | undefined
  /** Of those that were asked about, in their order. */
  readonly extensions: readonly ExtensionState[]
  /** Free on the disk of the server's data, where it is this machine's; undefined: not known. */
  readonly freeBytes: number | undefined
}

export interface ExistingTarget {
  readonly owner: string
  /** Whether the role may act as the owner, and so rename the database and own what it loads in its name. */
  readonly mayBecomeOwner: boolean
  /** Whether a load could begin: CREATE on the schema `public`, for the owner or, where that cannot be, the role itself. */
  readonly mayCreateInPublic: boolean
  /** CREATE on the database itself, which extensions need. */
  readonly mayCreateInDatabase: boolean
  readonly tables: number
  /** Tables, views, functions, types and the like of users, apart from what extensions brought. */
  readonly userObjects: number
  readonly sizeBytes: number
  /** Ends of "it cannot be replaced: …": sessions that the role may not end, owners that it may not set, and the like. */
  readonly hindrances: readonly string[]
}

export interface ExtensionState {
  readonly name: string
  /** Installed on the server's machine. */
  readonly isAvailable: boolean
  /** In a database of its own. */
  readonly mayCreate: boolean
  /** In the target already. */
  readonly isThere: boolean
}

/** What a new database should be like. */
export type NewDatabase =
  /** As the target is: owner, encoding, locale, tablespace, privileges. */
  | { readonly name: string; readonly like: 'the target' }
  /** `properties` undefined: as the server makes them. `owner` undefined: the role itself. */
  | {
      readonly name: string
      readonly like: 'the source'
      readonly properties: { readonly encoding: string; readonly collate: string; readonly ctype: string } | undefined
      readonly owner: string | undefined
    }

/** A right that a role has on a table: `app may SELECT public.users`. */
export interface Access {
  readonly role: string
  readonly table: string
  readonly privilege: string
}

/**
 * Names of databases are given as they are; the adapter quotes them. Every method may throw `database-unavailable` or
 * `rights`.
 */
export interface RestoreServer {
  /** Throws `version` when the psql here must not be used. */
  psqlVersion(): Promise<string>
  inspect(asked: { readonly owner: string | undefined; readonly extensions: readonly string[] }): Promise<TargetState>
  /**
   * Nobody else restores into a database of the target's name meanwhile. Throws `lock-held` at once if somebody does. The
   * signal aborts when the lock is lost.
   */
  holdingLock<T>(work: (lock: { readonly signal: AbortSignal }) => Promise<T>): Promise<T>
  /** From template0. Throws `version` when the server does not know the encoding or locale. */
  createDatabase(database: NewDatabase): Promise<void>
  /** Runs the script to its end, stopping at the first error; then it throws `restore-failed`, `rights` or `mismatch`. */
  load(database: string, script: Bytes, flow: Flow): Promise<void>
  /** Rows now in each table (of partitioned ones: with their partitions), in order; null where the table does not exist. */
  countRows(database: string, tables: readonly TableName[]): Promise<readonly (number | null)[]>
  /** Which of these do not exist. */
  missing(database: string, tables: readonly TableName[]): Promise<readonly TableName[]>
  /**
   * Gives what is in `database` the owners and privileges that the target's things of the same names have, default
   * privileges included, and the database itself the target's settings, connection limit and comment. Returns the
   * statements that spoke of things which are not in `database`.
   */
  carryRights(database: string): Promise<readonly string[]>
  /** Who may do what with these tables, superusers left out. Tables that are not there have no rights. */
  accessTo(database: string, tables: readonly TableName[]): Promise<readonly Access[]>
  /** Databases of ours that restores into this target have left: unfinished ones, and replaced ones that are kept. */
  leftBehind(): Promise<{ readonly scratch: readonly string[]; readonly before: readonly string[] }>
  rename(from: string, to: string): Promise<void>
  /**
   * The target becomes `before` and `scratch` becomes the target, in one transaction; sessions in the target are ended, and
   * new ones wait. `in use`: they did not end within the time allowed, and nothing has changed.
   */
  swap(names: { readonly scratch: string; readonly before: string }): Promise<'swapped' | 'in use'>
  drop(database: string): Promise<void>
}
