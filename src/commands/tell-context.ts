import type { Clock, Journal } from '../ports.ts'
import type { Heartbeat, People, Post, StateFolder } from '../ports/telling.ts'
import type { Vault } from './vault.ts'

/** Those who must know, and the ways to them. What is undefined was not configured, or cannot be had. */
export interface TellContext {
  readonly journal: Journal
  readonly clock: Clock
  readonly state: StateFolder
  readonly people: People | undefined
  /** BACKUP_ALERT_EMAILS */
  readonly furtherAddresses: readonly string[]
  readonly post: Post | undefined
  readonly heartbeat: Heartbeat | undefined
  /** For the last good backup; a failure is told without it, too. */
  readonly vault: Vault | undefined
  readonly host: string
  readonly environment: string
  readonly toolVersion: string
  /** Sentences about the configuration that every mail repeats. */
  readonly standing: readonly string[]
  /** Takes secrets out of what foreign programs and servers have said. */
  readonly redact: (text: string) => string
}
