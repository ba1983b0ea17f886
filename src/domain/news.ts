import type { Check } from './check.ts'
import type { Manifest } from './manifest.ts'
import type { MailRecord, Status } from './status.ts'
import type { Stage } from './stage.ts'

/**
 * What people are told by mail, as facts; present/mail makes the text of them. Of one night there is one mail: an anomaly
 * is told before anything else, and that backups work again before that they work.
 */
export type News =
  | { readonly kind: 'success'; readonly facts: SuccessFacts }
  | { readonly kind: 'failure'; readonly facts: FailureFacts }
  | { readonly kind: 'drill'; readonly facts: DrillFacts }

/** True of every mail: who speaks, and when. */
export interface Sender {
  readonly host: string
  readonly environment: string
  readonly toolVersion: string
  readonly now: Date
  /** Sentences about the configuration that every mail repeats. */
  readonly standing: readonly string[]
}

export interface SuccessFacts extends Sender {
  readonly manifest: Manifest
  readonly promoted: readonly string[]
  readonly removed: number
  /** What failed or was not done after the commit. */
  readonly notes: readonly string[]
  /** What the nights before were like: whether this one ends a row of failures, and what could not be told then. */
  readonly before: Status
  /** When the timer starts the next one. */
  readonly nextRun: Date
}

/** Nights without a backup before this one; earlier attempts of the same night are none. */
export const nightsBefore = ({ before, manifest }: SuccessFacts): number =>
  Math.max(0, before.consecutiveFailures - (manifest.attempt > 1 ? 1 : 0))

/** `backup`: a night without one. `drill`: what came back is not what was saved. `watch`: no backup is young enough. */
export type FailedWhat = 'backup' | 'drill' | 'watch'

export interface FailureFacts extends Sender {
  readonly what: FailedWhat
  /** null: unknown, for it was killed. */
  readonly stage: Stage | null
  /** The error in words, everything that was found, and what to do next. */
  readonly message: string
  readonly all: readonly string[]
  readonly hint: string | null
  readonly attempts: number
  /** The unit whose journal tells more; null: it was run by hand. */
  readonly unit: string | null
  /** Start of the first failure since the last success. */
  readonly failingSince: Date | null
  readonly consecutiveFailures: number
  readonly lastGood: LastGood
  /** A mail before this one that reached nobody. */
  readonly undelivered: MailRecord | null
}

/** The last good backup: as the store shows it, or as the state folder remembers it, or nobody knows of any. */
export type LastGood =
  | {
      readonly known: 'seen in the store' | 'remembered'
      readonly key: string
      readonly startedAt: Date
      readonly sizeBytes: number
    }
  | { readonly known: 'there is none' }
  | { readonly known: 'nothing' }

export interface DrillFacts extends Sender {
  readonly startedAt: Date
  /** The backup that was restored; null where none could be chosen. */
  readonly backup: { readonly key: string; readonly startedAt: Date; readonly sizeBytes: number } | null
  readonly passed: boolean
  /** The verdict, in a sentence. */
  readonly verdict: string
  /** Each with its figures in `detail`. */
  readonly checks: readonly Check[]
  readonly durations: readonly { readonly stage: string; readonly ms: number }[]
  /** From the first byte fetched to the last row compared; what a real restore would take. null: it did not get there. */
  readonly restoredInMs: number | null
  /** Where the report lies in the store; null where it could not be written. */
  readonly reportKey: string | null
  readonly notes: readonly string[]
}
