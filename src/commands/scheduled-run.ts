import { asOfAttempt, attemptAfter, byHand, isBeyond, isLast, type Attempt } from '../domain/attempt.ts'
import type { CompleteBackup } from '../domain/catalog.ts'
import { dueDate, satisfying } from '../domain/due.ts'
import type { Stage } from '../domain/stage.ts'
import { unitEndText } from '../domain/unit-end.ts'
import { asFault, Fault } from '../errors.ts'
import type { ServiceManager } from '../ports/service-manager.ts'
import { runTold, type ToldContext, type ToldResult } from './run-told.ts'
import { tellFailure, type ToldOptions } from './tell-failure.ts'
import { readCatalog } from './vault.ts'

export interface ScheduledContext extends ToldContext {
  readonly manager: ServiceManager
  /** Seconds before the second attempt of a night, the third and so on. */
  readonly retryWaits: readonly number[]
}

export interface ScheduledOptions extends Pick<ToldOptions, 'adopt' | 'failureIsToldBy'> {
  /** The unit that this runs in, which starts it again when it fails; undefined: a person or another program started it. */
  readonly unit: string | undefined
}

/** Nothing was to be done. */
export interface AlreadyDone {
  readonly due: string
  readonly existing: CompleteBackup
}

/**
 * What the timer starts: the backup that is due, unless it is there already. Under its unit a fault's exit status tells
 * systemd whether to start another attempt.
 */
export const scheduledRun = async (
  ctx: ScheduledContext,
  asked: ScheduledOptions,
): Promise<ToldResult | AlreadyDone> => {
  const startedAt = ctx.clock.now()
  const attempt = await attemptNow(ctx, asked.unit)
  if (asked.unit !== undefined) ctx.journal.info(`Attempt ${String(attempt.number)} of ${String(attempt.of)}.`)
  /** For faults that are not those of a run which tells of itself. */
  const told = async (thrown: unknown, stage: Stage | null): Promise<Fault> => {
    const fault = asOfAttempt(asFault(ctx.stop.aborted ? ctx.stop.reason : thrown), attempt)
    // One that only tells how the last one ended is none itself.
    const number = Math.min(attempt.number, attempt.of)
    await tellFailure(ctx.tell, { ...asked, attempt: number, startedAt, fault, stage })
    return fault
  }
  if (isBeyond(attempt)) throw await told(await endedFromOutside(ctx), null)
  try {
    const done = await alreadyDone(ctx)
    if (done !== undefined) return done
  } catch (thrown) {
    throw await told(thrown, 'store')
  }
  try {
    return await runTold(ctx, {
      ...asked,
      replace: false,
      attempt: attempt.number,
      lastAttempt: isLast(attempt),
    })
  } catch (thrown) {
    const fault = asFault(thrown)
    // A run by hand may have made it while we were on our way.
    const done = fault.code === 'day-taken' ? await alreadyDone(ctx).catch(() => undefined) : undefined
    if (done !== undefined) return done
    // For an attempt that is not the last, another run at work is no failure.
    if (fault.code === 'lock-held' && isLast(attempt)) throw await told(fault, 'lock')
    throw asOfAttempt(fault, attempt)
  }
}

/** Where systemd does not answer, an attempt counts as the first: the unit's start limit ends that in any case. */
const attemptNow = async (ctx: ScheduledContext, unit: string | undefined): Promise<Attempt> =>
  unit === undefined ? byHand : attemptAfter((await ctx.manager.stateOf(unit))?.restarts ?? 0, ctx.retryWaits)

const alreadyDone = async (ctx: ScheduledContext): Promise<AlreadyDone | undefined> => {
  await ctx.vault.store.check('read')
  const now = ctx.clock.now()
  const existing = satisfying(await readCatalog(ctx.vault), now)
  return existing === undefined ? undefined : { due: dueDate(now), existing }
}

const endedFromOutside = async (ctx: ScheduledContext): Promise<Fault> => {
  const end = await ctx.manager.previousEnd()
  return new Fault(
    'gave-up',
    `All attempts of this night have been made, and the last one did not end by itself. ${end === undefined ? 'How it ended is not known.' : unitEndText(end)}`,
    { hint: 'See what was said before it ended: journalctl -u oslrs-backup --since today' },
  )
}
