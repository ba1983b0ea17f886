import type { News } from '../domain/news.ts'
import type { Status } from '../domain/status.ts'

/** The ways to those who must know. None of them ever throws: what happened to a backup does not depend on the telling. */

export interface StateFolder {
  readonly path: string
  /** What is remembered. Where nothing is, or the folder cannot be read: an empty status. */
  read(): Promise<Status>
  /**
   * Changes what is remembered, and the metrics made of it: both files are whole at every instant, and readable by the
   * folder's group. Returns the new status, also where it could not be written; that is told once, as a warning.
   */
  update(change: (status: Status) => Status): Promise<Status>
  /** Writes and removes a file. Throws Fault `configuration`. */
  check(): Promise<void>
}

/** The application's administrators, from its own tables. */
export interface People {
  /**
   * Addresses as they stand there; undefined where the tables do not exist. Throws as the database does. `database`: another
   * one on the same server.
   */
  superAdmins(database?: string): Promise<readonly string[] | undefined>
}

export interface Delivery {
  readonly address: string
  /** undefined: the server has taken it. Otherwise a sentence without the address. */
  readonly fault: string | undefined
}

export interface Post {
  /** For people: "mail.oyo.ng, port 587". */
  readonly description: string
  /** A message of its own to each; one that fails stops no other. Ends in bounded time. */
  send(
    news: News,
    to: readonly string[],
  ): Promise<{ readonly subject: string; readonly deliveries: readonly Delivery[] }>
  /** Logs in and sends nothing. Returns what to say of it; throws Fault `credentials` or `mail-failed`. */
  check(): Promise<string>
}

/** A dead-man's switch somewhere else: the one alarm that does not share this machine's fate. */
export interface Heartbeat {
  /** For people: the host alone, for the rest is a secret. */
  readonly description: string
  /** Tries a few times, in bounded time. Returns a sentence when it was not heard. */
  beat(sign: 'start' | 'success' | 'fail', words: string): Promise<string | undefined>
}

export interface AuditEntry {
  readonly action: 'system.backup' | 'system.restore'
  /** One level, of texts, whole numbers and truth values: what the database's own function takes. */
  readonly details: Readonly<Record<string, string | number | boolean>>
}

/** The application's chain of audit rows, in any database of one server. */
export interface AuditTrail {
  /** Adds a row to the chain. Returns a sentence where it was not, and why: no table, no such columns, no right. */
  append(entry: AuditEntry, database?: string): Promise<string | undefined>
  /** Why `append` would not, and writes nothing. */
  hindrance(database?: string): Promise<string | undefined>
}
