import * as z from 'zod'
import { isStage, type Stage } from './stage.ts'

/**
 * What the tool remembers between nights: status.json in the state folder, for the application's health dashboard, for
 * mails, and for metrics. README.md, "The state folder", is the description for outsiders. Times are UTC, sizes bytes.
 *
 * Transitions are pure and say what happened; the folder writes what comes out.
 */
const count = z.int().min(0)
const instant = z.iso.datetime()
const shortText = z.string().max(4096)
const sentences = z.array(shortText).max(1000)

const failureSchema = z.object({
  /** Where it failed; null: unknown, for the process was killed. */
  stage: z.custom<Stage>((value) => typeof value === 'string' && isStage(value)).nullable(),
  /** A code of errors.ts, or `killed`. */
  code: shortText,
  message: shortText,
  all: sentences,
  hint: shortText.nullable(),
})

const attemptSchema = z.object({
  startedAt: instant,
  endedAt: instant.nullable(),
  /** 1 for the first of the night. */
  attempt: z.int().min(1),
  /** `running` in a file that nobody writes any more: it was killed. `stopped`: by a person or a shutdown. */
  outcome: z.enum(['running', 'succeeded', 'failed', 'stopped']),
  failure: failureSchema.nullable(),
})

const successSchema = z.object({
  startedAt: instant,
  endedAt: instant,
  attempt: z.int().min(1),
  key: shortText,
  sizeBytes: count,
  checksumSha256: shortText,
  durationMs: count,
  anomalies: sentences,
  /** What failed or was not done after the commit: promoting, pruning, the audit row. */
  notes: sentences,
})

const drillSchema = z.object({
  at: instant,
  passed: z.boolean(),
  /** The key of the backup that was restored. */
  key: shortText.nullable(),
  sentence: shortText,
})

const mailSchema = z.object({
  at: instant,
  subject: shortText,
  accepted: count,
  /** Sentences about those that were not, with masked addresses. */
  refused: sentences,
})

const statusSchema = z.object({
  formatVersion: z.literal(1),
  lastAttempt: attemptSchema.nullable(),
  lastSuccess: successSchema.nullable(),
  /** Nights that failed since the last success; further attempts of one night count once. */
  consecutiveFailures: count,
  /** Start of the first attempt of them. */
  failingSince: instant.nullable(),
  /** The last mail about a failed backup since the last success; null: nobody was told. */
  failureMail: mailSchema.nullable(),
  lastDrill: drillSchema.nullable(),
  lastMail: mailSchema.nullable(),
  /** A mail that reached nobody, until another one has been accepted. */
  undelivered: mailSchema.nullable(),
  /** The administrators, as the database named them at the last success. */
  recipients: z.array(z.string().max(320)).max(1000),
  /** Of all successful runs; `counts` has one more entry than `boundsSeconds`, for what took longer. */
  durations: z.object({ boundsSeconds: z.array(count), counts: z.array(count), sumMs: count }),
  sizes: z.object({ daily: count.nullable(), monthly: count.nullable() }),
})

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T
export type Status = DeepReadonly<z.output<typeof statusSchema>>
export type Failure = DeepReadonly<z.output<typeof failureSchema>>
export type MailRecord = DeepReadonly<z.output<typeof mailSchema>>
export type Success = DeepReadonly<z.output<typeof successSchema>>
export type DrillRecord = DeepReadonly<z.output<typeof drillSchema>>

const boundsSeconds = [5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200]
const noDurations = { boundsSeconds, counts: [...boundsSeconds, 0].map(() => 0), sumMs: 0 }

export const newStatus: Status = {
  formatVersion: 1,
  lastAttempt: null,
  lastSuccess: null,
  consecutiveFailures: 0,
  failingSince: null,
  failureMail: null,
  lastDrill: null,
  lastMail: null,
  undelivered: null,
  recipients: [],
  durations: noDurations,
  sizes: { daily: null, monthly: null },
}

/** undefined: it is not ours, or not whole. A later version may have added fields; they are not kept. */
export const decodeStatus = (text: string): Status | undefined => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  const decoded = statusSchema.safeParse(document)
  return decoded.success ? decoded.data : undefined
}

export const encodeStatus = (status: Status): string => `${JSON.stringify(status, undefined, 2)}\n`

const killed: Failure = {
  stage: null,
  code: 'killed',
  message: 'The attempt ended without a word: it was killed, or the machine went down.',
  all: [],
  hint: null,
}

/** What others have said may be long; what is remembered of it is not, or it could not be read again. */
const clipped = (text: string): string => text.slice(0, 4096)
const some = (all: readonly string[]): readonly string[] => all.slice(0, 100).map(clipped)

/** What an attempt that says `running` and is not has come to. */
export const settled = (status: Status, now: Date): Status =>
  status.lastAttempt?.outcome === 'running'
    ? attemptFailed(status, {
        startedAt: new Date(status.lastAttempt.startedAt),
        attempt: status.lastAttempt.attempt,
        failure: killed,
        now,
      })
    : status

interface Attempt {
  readonly startedAt: Date
  readonly attempt: number
}

export const attemptBegun = (status: Status, { startedAt, attempt }: Attempt): Status => ({
  ...settled(status, startedAt),
  lastAttempt: { startedAt: startedAt.toISOString(), endedAt: null, attempt, outcome: 'running', failure: null },
})

export const attemptFailed = (
  status: Status,
  { startedAt, attempt, failure, now }: Attempt & { readonly failure: Failure; readonly now: Date },
): Status => {
  const isRetry = attempt > 1 && status.consecutiveFailures > 0
  return {
    ...status,
    lastAttempt: {
      startedAt: startedAt.toISOString(),
      endedAt: now.toISOString(),
      attempt,
      outcome: 'failed',
      failure: {
        ...failure,
        message: clipped(failure.message),
        all: some(failure.all),
        hint: failure.hint === null ? null : clipped(failure.hint),
      },
    },
    consecutiveFailures: status.consecutiveFailures + (isRetry ? 0 : 1),
    failingSince: status.failingSince ?? startedAt.toISOString(),
  }
}

/** Somebody, or a shutdown, ended it on purpose: no failure. */
export const attemptStopped = (
  status: Status,
  { startedAt, attempt, now }: Attempt & { readonly now: Date },
): Status => ({
  ...status,
  lastAttempt: {
    startedAt: startedAt.toISOString(),
    endedAt: now.toISOString(),
    attempt,
    outcome: 'stopped',
    failure: null,
  },
})

/** `monthlySizeBytes`: of the newest monthly that there is now; null where it is not known. */
export const attemptSucceeded = (
  status: Status,
  success: Success,
  more: { readonly administrators: readonly string[] | undefined; readonly monthlySizeBytes: number | null },
): Status => ({
  ...status,
  lastAttempt: {
    startedAt: success.startedAt,
    endedAt: success.endedAt,
    attempt: success.attempt,
    outcome: 'succeeded',
    failure: null,
  },
  lastSuccess: { ...success, anomalies: some(success.anomalies), notes: some(success.notes) },
  consecutiveFailures: 0,
  failingSince: null,
  failureMail: null,
  recipients: (more.administrators ?? status.recipients).filter((one) => one.length <= 320).slice(0, 1000),
  durations: withDuration(status.durations, success.durationMs),
  sizes: { daily: success.sizeBytes, monthly: more.monthlySizeBytes ?? status.sizes.monthly },
})

const withDuration = (known: Status['durations'], durationMs: number): Status['durations'] => {
  // Other bounds, of another version, cannot be added to.
  const isSame =
    known.counts.length === noDurations.counts.length &&
    known.boundsSeconds.every((bound, at) => bound === boundsSeconds[at])
  const { counts, sumMs } = isSame ? known : noDurations
  const at = boundsSeconds.findIndex((bound) => durationMs <= bound * 1000)
  const place = at < 0 ? boundsSeconds.length : at
  return {
    boundsSeconds,
    counts: counts.map((number, index) => (index === place ? number + 1 : number)),
    sumMs: sumMs + durationMs,
  }
}

export const drillDone = (status: Status, drill: DrillRecord): Status => ({
  ...status,
  lastDrill: { ...drill, sentence: clipped(drill.sentence) },
})

/** A mail was sent to all who are told of it; `isFailure`: it tells of a failed backup. */
export const mailSent = (status: Status, mail: MailRecord, about: 'a failed backup' | 'something else'): Status => ({
  ...status,
  lastMail: mail,
  failureMail: about === 'a failed backup' ? mail : status.failureMail,
  // With nobody to send it to, nothing went wrong on the way.
  undelivered: mail.accepted > 0 ? null : mail.refused.length > 0 ? mail : status.undelivered,
})
