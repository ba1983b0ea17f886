import { failedCheck, type Check } from '../domain/check.ts'
import type { Fault } from '../errors.ts'
import type { Clock } from '../ports.ts'

/** What a drill takes down as it goes: its checks, and how long each stage took. */
export interface Logbook {
  readonly checks: readonly Check[]
  readonly stages: readonly { readonly name: string; readonly durationMs: number }[]
  /** Ends the stage before, and begins this one. */
  enter(stage: string): void
  /** Milliseconds of a stage that has ended; undefined when it has not. */
  durationOf(stage: string): number | undefined
  add(...checks: readonly Check[]): void
  /** The stage under way has come to nothing, and the drill with it. */
  failed(fault: Fault): void
  end(): void
}

export const newLogbook = (clock: Clock): Logbook => {
  const checks: Check[] = []
  const stages: { name: string; durationMs: number }[] = []
  let at: string | undefined
  let since = 0
  const end = (): void => {
    if (at !== undefined) stages.push({ name: at, durationMs: Math.round(clock.monotonicMs() - since) })
    at = undefined
  }
  return {
    checks,
    stages,
    enter: (stage) => {
      end()
      at = stage
      since = clock.monotonicMs()
    },
    durationOf: (stage) => stages.find(({ name }) => name === stage)?.durationMs,
    add: (...more) => void checks.push(...more),
    failed: (fault) => void checks.push(failedCheck(at ?? 'drill', fault)),
    end,
  }
}
