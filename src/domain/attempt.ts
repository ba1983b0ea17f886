import { Fault } from '../errors.ts'

/**
 * Which attempt of its night a run is, and what that means. systemd counts the restarts of the unit (`NRestarts`, zero at
 * each new activation), and the exit status tells it whether to restart once more; see systemd/oslrs-backup.service.
 */
export interface Attempt {
  /** 1 for the first of the night. */
  readonly number: number
  /** How many a night has; infinite where nobody starts another one, and nobody counts. */
  readonly of: number
}

/** A run that systemd did not start: there is no other attempt, and none is the last. */
export const byHand: Attempt = { number: 1, of: Infinity }

/** `waits`: seconds before the second attempt, the third and so on. */
export const attemptAfter = (restarts: number, waits: readonly number[]): Attempt => ({
  number: restarts + 1,
  of: waits.length + 1,
})

export const isLast = ({ number, of }: Attempt): boolean => number >= of

/** All attempts have been made, and yet systemd started another: the last was killed, or hung until its time was up. */
export const isBeyond = ({ number, of }: Attempt): boolean => number > of

/**
 * Seconds that a unit still has to wait before this attempt. systemd itself has waited `RestartSec=`, which is the first of
 * the waits.
 */
export const secondsLeftToWait = (attempt: Attempt, waits: readonly number[]): number =>
  Math.max(0, (waits[attempt.number - 2] ?? 0) - (waits[0] ?? 0))

/** The fault as systemd must see it: what is worth retrying is not on the last attempt. */
export const asOfAttempt = (fault: Fault, attempt: Attempt): Fault =>
  isLast(attempt) && (fault.exitStatus === 75 || fault.exitStatus === 69)
    ? new Fault('gave-up', fault.message, {
        all: fault.all,
        cause: fault,
        ...(fault.hint === undefined ? {} : { hint: fault.hint }),
      })
    : fault
