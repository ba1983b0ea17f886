import { isComplete } from '../domain/catalog.ts'
import type { FailedWhat, LastGood } from '../domain/news.ts'
import { settled, type Failure, type Status } from '../domain/status.ts'
import { asFault } from '../errors.ts'
import type { TellContext } from './tell-context.ts'
import { beat, findRecipients, senderOf, sendNews } from './tell.ts'
import { readCatalog, type Vault } from './vault.ts'

export interface FailureReport {
  readonly what: FailedWhat
  /**
   * What went wrong. undefined: as the state folder remembers the last attempt; where that has no end, or had a good one,
   * the process was killed before it could say a word.
   */
  readonly failure: Failure | undefined
  readonly attempts: number
  /** The unit whose journal tells more, such as `oslrs-backup.service`; null: it was run by hand. */
  readonly unit: string | null
}

export interface Reported {
  readonly accepted: number
  readonly refused: readonly string[]
}

/**
 * Tells everybody that a backup (a drill, a watch) has failed for good: the health check, and a mail to each. Works with
 * the database down, the store gone and half the configuration wrong, and never throws.
 */
export const reportFailure = async (ctx: TellContext, report: FailureReport): Promise<Reported> => {
  const before =
    report.what === 'backup'
      ? await ctx.state.update((status) => settled(status, ctx.clock.now()))
      : await ctx.state.read()
  const failure = report.failure ?? before.lastAttempt?.failure ?? killed
  const beating = beat(ctx, 'fail', failure.message)
  const [lastGood, recipients] = await Promise.all([findLastGood(ctx, before), findRecipients(ctx)])
  const record = await sendNews(
    ctx,
    {
      kind: 'failure',
      facts: {
        ...senderOf(ctx),
        what: report.what,
        stage: failure.stage,
        message: failure.message,
        all: failure.all,
        hint: failure.hint,
        attempts: report.attempts,
        unit: report.unit,
        failingSince: before.failingSince === null ? null : new Date(before.failingSince),
        consecutiveFailures: before.consecutiveFailures,
        lastGood,
        undelivered: before.undelivered,
      },
    },
    recipients,
  )
  await beating
  return { accepted: record?.accepted ?? 0, refused: record?.refused ?? [] }
}

const killed: Failure = {
  stage: null,
  code: 'killed',
  message: 'It was killed before it could say a word.',
  all: [],
  hint: null,
}

/** A store that does not answer must not hold up the news of it. */
const patienceMs = 30_000

/** The store knows best; where it cannot be asked in time, what this machine remembers is better than nothing. */
const findLastGood = async (ctx: TellContext, status: Status): Promise<LastGood> => {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      resolve(undefined)
    }, patienceMs)
  })
  try {
    const seen = ctx.vault === undefined ? undefined : await Promise.race([newestIn(ctx.vault), tooLate])
    if (seen !== undefined) return seen
  } catch (thrown) {
    ctx.journal.info(`Which backup is the last good one is not seen in the store: ${asFault(thrown).message}`)
  } finally {
    clearTimeout(timer)
  }
  const { lastSuccess } = status
  return lastSuccess === null
    ? { known: 'nothing' }
    : {
        known: 'remembered',
        key: lastSuccess.key,
        startedAt: new Date(lastSuccess.startedAt),
        sizeBytes: lastSuccess.sizeBytes,
      }
}

const newestIn = async (vault: Vault): Promise<LastGood> => {
  await vault.store.check('read')
  const [newest] = (await readCatalog(vault))
    .filter(isComplete)
    .toSorted((a, b) => Date.parse(b.manifest.timestamp) - Date.parse(a.manifest.timestamp))
  return newest === undefined
    ? { known: 'there is none' }
    : {
        known: 'seen in the store',
        key: newest.key,
        startedAt: new Date(newest.manifest.timestamp),
        sizeBytes: newest.manifest.sizeBytes,
      }
}
