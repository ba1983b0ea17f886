import { Fault } from '../errors.ts'
import type { Flow } from '../ports.ts'

/**
 * One stream of bytes through several programs and meters. The first fault ends all of them, wherever it arises, and is
 * the one that every part then throws: nobody is left to tell of a broken pipe where a dead pg_dump is the news.
 */
export const startFlow = (...outer: readonly AbortSignal[]): Flow => {
  const controller = new AbortController()
  const first: { fault?: { readonly thrown: unknown } } = {}
  const fail = (fault: unknown): void => {
    if (fault !== stopped) first.fault ??= { thrown: fault }
    controller.abort(fault)
  }
  for (const signal of outer) {
    const relay = (): void => {
      fail(signal.reason)
    }
    if (signal.aborted) relay()
    else signal.addEventListener('abort', relay, { once: true, signal: controller.signal })
  }
  return {
    signal: controller.signal,
    fail,
    stop: () => {
      controller.abort(stopped)
    },
    rootCause: (thrown) => (first.fault === undefined ? thrown : first.fault.thrown),
  }
}

/** Thrown by parts that were ended because nobody reads on. Never the news: whoever stopped reading knows why. */
export const stopped = new Fault('interrupted', 'The work was stopped.')

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
          hint: 'Look at the load of the database server, at its disk, and at the storage; BACKUP_STALL_SECONDS allows more time.',
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
