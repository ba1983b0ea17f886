import { Fault } from '../errors.ts'
import type { Flow } from '../ports.ts'

/**
 * One stream of bytes through several programs and meters. The first fault ends all of them, wherever it arises, and is
 * the one that every part then throws: nobody is left to tell of a broken pipe where a dead pg_dump is the news.
 */
export const startFlow = (...outer: readonly AbortSignal[]): Flow => {
  const controller = new AbortController()
  const fail = (fault: unknown): void => {
    // The first reason stays: AbortController ignores a second abort.
    controller.abort(fault)
  }
  for (const signal of outer) {
    if (signal.aborted) fail(signal.reason)
    else
      signal.addEventListener(
        'abort',
        () => {
          fail(signal.reason)
        },
        { once: true, signal: controller.signal },
      )
  }
  return { signal: controller.signal, fail }
}

export interface StallWatch {
  /** For each chunk, anywhere in the flow. */
  readonly moved: () => void
  /** From here to the next `moved` somebody else is working, for as long as it takes. */
  readonly pause: () => void
  readonly end: () => void
}

/** Ends the flow when nothing has moved for `stallMs`. */
export const watchForStall = (flow: Flow, stallMs: number): StallWatch => {
  let paused = false
  const timer = setTimeout(() => {
    if (paused) timer.refresh()
    else
      flow.fail(
        new Fault('stalled', `Nothing has moved for ${String(Math.round(stallMs / 1000))} s, so the work was ended.`, {
          hint: 'Look at the load of the server and its disk; BACKUP_STALL_SECONDS allows more time.',
        }),
      )
  }, stallMs)
  return {
    moved: () => {
      paused = false
      timer.refresh()
    },
    pause: () => {
      paused = true
    },
    end: () => {
      clearTimeout(timer)
    },
  }
}
