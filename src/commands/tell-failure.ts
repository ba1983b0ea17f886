import { attemptFailed, attemptStopped, type Failure } from '../domain/status.ts'
import type { Stage } from '../domain/stage.ts'
import type { Fault, FaultCode } from '../errors.ts'
import { reportFailure } from './report-failure.ts'
import type { RunOptions } from './run.ts'
import type { TellContext } from './tell-context.ts'

export interface ToldOptions extends RunOptions {
  /**
   * Under a unit: a failure is left in the state folder for `alert`, which tells of it once, after the last attempt.
   * By hand: it is told at once.
   */
  readonly failureIsToldBy: 'this run' | 'the unit'
}

export interface FailedRun extends Pick<ToldOptions, 'attempt' | 'failureIsToldBy'> {
  readonly startedAt: Date
  readonly fault: Fault
  readonly stage: Stage | null
}

/** What is no failed backup: another run is at work, today has its backup, or somebody meant to stop it. */
const noFailure: readonly FaultCode[] = ['usage', 'lock-held', 'day-taken', 'interrupted', 'terminated']

/** Remembers why a run failed; tells of it too, where nobody else will. Never throws. */
export const tellFailure = async (tell: TellContext, failed: FailedRun): Promise<void> => {
  const { fault, stage } = failed
  const now = tell.clock.now()
  if (fault.code === 'interrupted' || fault.code === 'terminated')
    await tell.state.update((status) => attemptStopped(status, { ...failed, now }))
  if (noFailure.includes(fault.code)) return
  const failure: Failure = {
    stage,
    code: fault.code,
    message: tell.redact(fault.message),
    all: fault.all.map(tell.redact),
    hint: fault.hint === undefined ? null : tell.redact(fault.hint),
  }
  await tell.state.update((status) => attemptFailed(status, { ...failed, failure, now }))
  if (failed.failureIsToldBy === 'this run')
    await reportFailure(tell, { what: 'backup', failure, attempts: failed.attempt, unit: null })
}
