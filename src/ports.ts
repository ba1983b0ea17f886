import type { Writable } from 'node:stream'
import type { ObjectKey } from './domain/key.ts'
import type { ExpiryRule } from './domain/lifecycle.ts'

/**
 * What the commands need of the outside world. The comments are the contract: an adapter keeps them, the contract
 * tests in test/contract show it, and the commands rely on nothing else.
 */

/** Bytes on their way. Ends normally only when everything before it ended well; otherwise it throws the root cause. */
export type Bytes = AsyncIterable<Uint8Array>

// ---------------------------------------------------------------------------------------------------------------
// Store

export interface StoredObject {
  readonly key: ObjectKey
  readonly sizeBytes: number
  readonly lastModified: Date
}

/** Written into the manifest: where the bytes went. */
export interface StorePlace {
  /** URL of the service, or `file:///folder`. */
  readonly endpoint: string
  readonly region: string | null
  readonly bucket: string | null
}

export interface PutOptions {
  readonly contentType: string
  /** About how large it will be, for a choice of part size; may be wrong, must not be too small by more than 10 times. */
  readonly expectedBytes: number
  /** False: an existing object of that key is replaced. True: it is left alone and `refused` is thrown. */
  readonly ifAbsent: boolean
}

export interface PutResult {
  readonly sizeBytes: number
  /** The entity tag, without quotes, that the store must show for these bytes; null where it has no such thing. */
  readonly etag: string | null
}

/**
 * A place for objects: flat keys, whole objects, no appending.
 *
 * Every method may throw Fault `storage-failed` (worth retrying), `credentials` or `configuration` (not).
 */
export interface Store {
  readonly place: StorePlace
  /** For people: "folder /srv/backups" or "bucket oslrs at https://…". */
  readonly description: string
  /** Checks that the store is there and may be used so; throws otherwise. Writes nothing. */
  check(use: 'read' | 'write'): Promise<void>
  /** All objects whose key begins with `prefix`, in no particular order, fetched page by page. Never anything else. */
  list(prefix: string): AsyncIterable<StoredObject>
  /** undefined when there is no such object. */
  head(key: ObjectKey): Promise<StoredObject | undefined>
  /** The object's bytes from `start` to its end. Throws `no-such-backup` when there is no such object. */
  get(key: ObjectKey, from?: { readonly start: number }): Bytes
  /**
   * Stores a whole object, all or nothing: when `body` throws, or the process dies, no object of that key appears and an
   * existing one is unchanged; `body`'s own error is rethrown. When it returns, the bytes are durable. Memory stays flat.
   */
  put(key: ObjectKey, body: Bytes, options: PutOptions): Promise<PutResult>
  /**
   * Proves that the stored object is the bytes that were sent: by the store's own entity tag where that says it, else (and
   * where `etag` is null) by reading it back. Throws `damaged` when it is not.
   */
  prove(key: ObjectKey, sent: PutResult & { readonly sha256: string }): Promise<void>
  /**
   * A second object with the same bytes, made without sending them again where the store can. Like `put` otherwise: what
   * it returns is what the store then shows, and no proof.
   */
  copy(from: ObjectKey, to: ObjectKey, options: { readonly ifAbsent: boolean }): Promise<PutResult>
  /** Removes an object; no error when there is none. */
  delete(key: ObjectKey): Promise<void>
  /** Uploads that were begun under the prefix and never ended. */
  unfinished(prefix: string): AsyncIterable<UnfinishedUpload>
  /** Removes what an unfinished upload left behind. */
  abandon(upload: UnfinishedUpload): Promise<void>
  /** What the place does to objects by itself. Unknown where we may not ask. */
  habits(): Promise<PlaceHabits>
  /** Whether somebody without credentials can read this object. */
  isPublic(key: ObjectKey): Promise<boolean>
}

export interface PlaceHabits {
  readonly versioning: 'on' | 'off' | 'unknown'
  readonly objectLock: 'on' | 'off' | 'unknown'
  /** Rules by which it removes objects on its own. */
  readonly expiryRules: readonly ExpiryRule[] | 'unknown'
}

export interface UnfinishedUpload {
  readonly id: string
  readonly key: ObjectKey
  readonly startedAt: Date
}

// ---------------------------------------------------------------------------------------------------------------
// Database

/** What is known of the database before anything is read from it. */
export interface SourceDatabase {
  readonly host: string
  readonly database: string
  /** As the server says it: "15.18". */
  readonly serverVersion: string
  readonly serverMajor: number
  /** pg_control's, as a string (it does not fit a JSON number); null where the role may not see it. */
  readonly systemIdentifier: string | null
  readonly sizeBytes: number
  /** What a new database needs to be its equal. */
  readonly encoding: string
  readonly collate: string
  readonly ctype: string
  /** What a restore of it needs of a server. */
  readonly requires: {
    /** Names, without those that every database has. */
    readonly extensions: readonly string[]
    /** What only a superuser can make: "the event trigger watch". */
    readonly superuser: readonly string[]
  }
  /** Sentences: why a dump by this role would fail or be incomplete. */
  readonly blockers: readonly string[]
  /** Sentences: worth knowing, no hindrance. */
  readonly warnings: readonly string[]
  /** What the dump leaves out, in words: "data of the materialized view public.totals". */
  readonly notContained: readonly string[]
}

/** A table as the snapshot sees it. Its place in partition and inheritance trees tells whose rows are whose. */
export interface SourceTable {
  readonly schema: string
  readonly table: string
  /** False for partitioned parents, which hold no rows themselves. */
  readonly holdsRows: boolean
  readonly parents: readonly { readonly schema: string; readonly table: string }[]
}

export interface TableName {
  readonly schema: string
  readonly table: string
}

export interface AuditChainTail {
  readonly rows: number
  readonly tailHash: string | null
}

/** One instant of the database, held still; valid until the work given to `inSnapshot` ends. */
export interface Snapshot {
  /** For `pg_dump --snapshot`. */
  readonly id: string
  readonly tables: readonly SourceTable[]
  /**
   * Rows of this table and of all below it in its tree, in the snapshot; undefined: there is no such table. What was counted
   * once is not counted again. Throws `rights` when row security hides rows.
   */
  countRows(table: TableName): Promise<number | undefined>
  /** Row count and last hash of the application's audit chain; null where there is none. */
  auditChain(): Promise<AuditChainTail | null>
}

export interface RunLock {
  /**
   * Aborts, with a Fault as its reason, when the lock's session is lost (`lock-lost`), or when others have waited on
   * our sessions for too long (`gave-way`).
   */
  readonly signal: AbortSignal
}

export interface LockOptions {
  /** Whether to abort when other sessions wait on us; false on the last attempt of a night. */
  readonly giveWay: boolean
}

export interface Database {
  /** Connects, does the work and disconnects. Throws `database-unavailable`, `credentials`, `configuration`. */
  inspect(): Promise<SourceDatabase>
  /** Holds the one lock of all backup work on this database meanwhile. Throws `lock-held` at once if another has it. */
  holdingLock<T>(options: LockOptions, work: (lock: RunLock) => Promise<T>): Promise<T>
  /**
   * Locks every table against being dropped or altered, then freezes an instant, in a read-only transaction.
   * Throws `lock-timeout` when a table's lock is not had in time.
   */
  inSnapshot<T>(signal: AbortSignal, work: (snapshot: Snapshot) => Promise<T>): Promise<T>
}

// ---------------------------------------------------------------------------------------------------------------
// Programs

export type DumpSection = 'pre-data' | 'data' | 'post-data'

/** See pipeline/flow.ts. */
export interface Flow {
  /** Aborts when any part has failed, or nobody reads on. */
  readonly signal: AbortSignal
  /** Ends the flow with this fault; later faults are ignored. */
  readonly fail: (fault: unknown) => void
  /** Ends the flow because its reader has gone; a fault may still be told afterwards. */
  readonly stop: () => void
  /** The first fault that was told; `thrown` where there was none. */
  readonly rootCause: (thrown: unknown) => unknown
}

/**
 * What can write to a program's stdin by itself, so that no byte of it passes through this process. `into` takes the stream
 * over, and resolves when all was written, or the program had gone; what else goes wrong is told to the flow.
 */
export interface Feed {
  into(stdin: Writable): Promise<'all' | 'too little'>
  /** The same to be read here, for who is no program. */
  bytes(): Bytes
}

/** What a dump holds of one table. `name` is the SQL-quoted name as written; `bytes` and `sha256` are of the data lines. */
export interface MeteredTable {
  readonly name: string
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
}

export interface Metered {
  readonly sizeBytes: number
  /** Of the whole SQL text. */
  readonly sha256: string
  readonly tables: readonly MeteredTable[]
  readonly largeObjects: number
}

/** A dump that is counted and digested as it passes on. It passes once: `into` a program, or as `bytes`. */
export interface MeteredFeed extends Feed {
  /** When all has passed on, and every part has ended well; rejects when the flow ends before. */
  readonly metered: Promise<Metered>
  /** When nothing of it is at work any more. It ends by itself, or with the flow. */
  ended(): Promise<void>
}

/** A pg_dump that fits the server. */
export interface Dumper {
  /** "15.18" */
  readonly version: string
  /** All of the dump as plain SQL, of the exported snapshot. `onMoved`: bytes so far, several times a second while they pass. */
  whole(snapshotId: string, flow: Flow, onMoved: (bytes: number) => void): MeteredFeed
  /** All but the rows and large objects, of now: to show that it can be done. */
  trial(flow: Flow, onMoved: (bytes: number) => void): MeteredFeed
}

export interface Gzip {
  /** For the manifest: "igzip 2.30.0" or "zlib 1.3.1". */
  readonly name: string
  compress(input: Feed, flow: Flow): Bytes
  /** Throws `damaged` when the input is not one whole gzip stream. */
  decompress(input: Bytes, flow: Flow): Bytes
}

export interface Programs {
  /** Throws `version` or `program-missing`, with both ways out in the hint. */
  dumperFor(source: SourceDatabase): Promise<Dumper>
  /** The best compressor there is; there always is one. */
  gzip(): Promise<Gzip>
  /** Version of age. Throws `program-missing`. */
  ageVersion(): Promise<string>
  encrypt(input: Bytes, recipients: readonly string[], flow: Flow): Bytes
  /** Throws `damaged` when the input is not a whole age file, `credentials` when the identity does not open it. */
  decrypt(input: Bytes, identityFile: string, flow: Flow): Bytes
}

// ---------------------------------------------------------------------------------------------------------------
// Talk

export type Facts = Readonly<Record<string, string | number>>

export interface Journal {
  info(sentence: string, facts?: Facts): void
  warn(sentence: string, facts?: Facts): void
  /** Only with --verbose. */
  debug(sentence: string, facts?: Facts): void
  /** Long work: bytes done so far, of about so many (undefined: nobody knows). Returned function ends it. */
  progress(what: string, expectedBytes: number | undefined): Progress
}

export interface Progress {
  /** `totalBytes` so far. */
  at(totalBytes: number): void
  end(): void
}

export interface Clock {
  now(): Date
  /** For durations; unrelated to the date. */
  monotonicMs(): number
}
