import { attemptAfter, secondsLeftToWait } from '../domain/attempt.ts'
import type { Journal } from '../ports.ts'
import type { ServiceManager } from '../ports/service-manager.ts'

export interface WaitContext {
  readonly manager: ServiceManager
  readonly journal: Journal
  readonly retryWaits: readonly number[]
  /** Ends early, and throws, when the process is told to stop. */
  readonly pause: (ms: number) => Promise<void>
}

/** Before each attempt of a unit: waits as long as that attempt has still to wait. Returns the seconds. */
export const retryWait = async (ctx: WaitContext, unit: string): Promise<number> => {
  const state = await ctx.manager.stateOf(unit)
  const attempt = attemptAfter(state?.restarts ?? 0, ctx.retryWaits)
  const seconds = secondsLeftToWait(attempt, ctx.retryWaits)
  if (seconds > 0) {
    ctx.journal.info(`Waiting before attempt ${String(attempt.number)} of ${String(attempt.of)}.`, { seconds })
    await ctx.pause(seconds * 1000)
  }
  return seconds
}
