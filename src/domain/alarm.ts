import { dueDate, nightBegins } from './due.ts'
import type { FailedWhat } from './news.ts'
import type { Failure, Status } from './status.ts'
import { unitEndText, type UnitEnd } from './unit-end.ts'

/** What systemd says of a unit that it has set off an alert for. */
export interface FailedUnit {
  readonly name: string
  /** How often it was started again by itself since somebody or a timer started it. */
  readonly restarts: number
  /** `failed`, `auto-restart`, `start`…: `systemctl show --property=SubState`. */
  readonly subState: string
  /** Start of its main process's last run; undefined: there was none. */
  readonly startedAt: Date | undefined
  readonly end: UnitEnd
}

export type Alarm =
  | { readonly tell: false; readonly why: string }
  | {
      readonly tell: true
      readonly what: FailedWhat
      /** undefined: as the state folder remembers it. */
      readonly failure: Failure | undefined
      readonly attempts: number
    }

const kinds: ReadonlyMap<string, FailedWhat> = new Map([
  ['oslrs-backup.service', 'backup'],
  ['oslrs-backup-verify.service', 'drill'],
  ['oslrs-backup-watch.service', 'watch'],
])

/** Which of our units it is; undefined: none that anybody is alerted about. */
export const kindOfUnit = (name: string): FailedWhat | undefined => kinds.get(name)

/** Whether people must be told that a unit has failed, and of what. `unit` undefined: systemd did not say. */
export const alarmOf = (what: FailedWhat, unit: FailedUnit | undefined, status: Status, now: Date): Alarm => {
  if (unit !== undefined && isToBeStartedAgain(unit))
    return { tell: false, why: `${unit.name} is not at its end: another attempt is made.` }
  if (unit?.end.result === 'success') return { tell: false, why: `${unit.name} has not failed.` }
  switch (what) {
    case 'backup':
      return backupAlarm(unit, status)
    case 'drill':
      return isTold(status.lastMail, unit?.startedAt) && status.lastDrill?.passed === false
        ? { tell: false, why: 'The drill itself has told of it.' }
        : { tell: true, what, failure: failureOf(unit, 'The drill'), attempts: 1 }
    case 'watch':
      return isTold(status.failureMail, nightBegins(dueDate(now)))
        ? { tell: false, why: "People have been told of tonight's failure already." }
        : { tell: true, what, failure: watchFailureOf(unit), attempts: 1 }
  }
}

const isToBeStartedAgain = ({ subState }: FailedUnit): boolean => /^(auto-restart|start)/.test(subState)

const isTold = (mail: Status['lastMail'], since: Date | undefined): boolean =>
  mail !== null && mail.accepted > 0 && since !== undefined && Date.parse(mail.at) >= since.getTime()

/** A run that could still speak has left its own words in the state folder. */
const backupAlarm = (unit: FailedUnit | undefined, status: Status): Alarm => {
  const { lastAttempt } = status
  const isOfThisRun =
    unit?.startedAt !== undefined &&
    lastAttempt !== null &&
    Date.parse(lastAttempt.startedAt) >= unit.startedAt.getTime()
  const hasSpoken = isOfThisRun && lastAttempt.outcome === 'failed' && unit.end.result === 'exit-code'
  return {
    tell: true,
    what: 'backup',
    failure: hasSpoken ? undefined : failureOf(unit, 'The backup'),
    attempts: hasSpoken ? lastAttempt.attempt : (unit?.restarts ?? 0) + 1,
  }
}

const failureOf = (unit: FailedUnit | undefined, subject: string): Failure => ({
  stage: null,
  code: unit?.end.result === 'exit-code' ? 'exit-status' : 'killed',
  message:
    unit === undefined
      ? `${subject} failed, and systemd does not say how.`
      : `${subject} failed. ${unitEndText(unit.end)}`,
  all: [],
  hint: null,
})

const watchFailureOf = (unit: FailedUnit | undefined): Failure =>
  unit?.end.exitStatus === 65
    ? {
        ...failureOf(unit, ''),
        code: 'stale',
        message:
          'The newest complete backup is older than it may be, or there is none, and no mail told of a failed night.',
        hint: 'See whether the timer is there and enabled on the server that makes the backups: systemctl list-timers oslrs-backup.timer',
      }
    : failureOf(unit, 'The watch could not look, so whether there is a fresh backup is not known: it')
