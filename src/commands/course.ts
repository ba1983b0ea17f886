import { stageDone, stageText, type Stage } from '../domain/stage.ts'
import type { Clock, Facts, Journal } from '../ports.ts'

/** The course of a night: which stage it is in, and a line in the log for each that has ended. */
export interface Course {
  /** The stage that is under way; where the work throws, the one that failed. undefined: none yet. */
  readonly at: Stage | undefined
  /** Ends the stage before, and begins this one. */
  enter(stage: Stage): void
  /** Figures for the line of the stage that is under way: bytes, counts. */
  figures(facts: Facts): void
  /** Ends the stage that is under way. */
  end(): void
  /** Nothing ends well any more; the log is told where. */
  failed(code: string): void
}

export const newCourse = ({ journal, clock }: { readonly journal: Journal; readonly clock: Clock }): Course => {
  let at: Stage | undefined
  let since = 0
  let facts: Facts = {}
  const line = (): Facts => ({ stage: at ?? '', duration_ms: Math.round(clock.monotonicMs() - since), ...facts })
  const end = (): void => {
    if (at !== undefined) journal.info(stageDone[at], line())
    at = undefined
    facts = {}
  }
  return {
    get at() {
      return at
    },
    enter: (stage) => {
      end()
      at = stage
      since = clock.monotonicMs()
    },
    figures: (more) => {
      facts = { ...facts, ...more }
    },
    end,
    failed: (code) => {
      if (at !== undefined) journal.info(`Failed while ${stageText[at]}.`, { ...line(), code })
    },
  }
}
