import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { startFlow, stopped, watchForStall } from '../../src/pipeline/flow.ts'

const first = new Fault('dump-failed', 'first')
const second = new Fault('program-failed', 'second')
const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve()
    })
  })

describe('a flow', () => {
  test('runs until something fails', () => {
    const flow = startFlow(new AbortController().signal)
    expect(flow.signal.aborted).toBe(false)
    expect(flow.rootCause(second)).toBe(second)
  })

  test('ends at the first fault, and that is the news', () => {
    const flow = startFlow()
    flow.fail(first)
    flow.fail(second)
    expect(flow.signal.reason).toBe(first)
    expect(flow.rootCause(second)).toBe(first)
  })

  test('keeps even a thrown undefined as the first fault', () => {
    const flow = startFlow()
    flow.fail(undefined)
    flow.fail(second)
    expect(flow.rootCause(second)).toBeUndefined()
  })

  test('whose reader has gone is over, and a fault may still be told', () => {
    const flow = startFlow()
    flow.stop()
    expect(flow.signal.aborted).toBe(true)
    expect(flow.rootCause(stopped)).toBe(stopped)
    flow.fail(first)
    expect(flow.rootCause(stopped)).toBe(first)
  })

  test('is not told that it was stopped as if that were a fault', () => {
    const flow = startFlow()
    flow.fail(stopped)
    flow.fail(first)
    expect(flow.rootCause(stopped)).toBe(first)
  })

  test('ends when something outside of it ends, for the same reason', () => {
    const outer = new AbortController()
    const flow = startFlow(new AbortController().signal, outer.signal)
    outer.abort(first)
    expect(flow.signal.reason).toBe(first)
    expect(flow.rootCause(second)).toBe(first)
  })

  test('does not begin when what is outside of it has ended before', () => {
    const flow = startFlow(AbortSignal.abort(first), AbortSignal.abort(second))
    expect(flow.signal.reason).toBe(first)
  })

  test('takes no fault from outside once it has failed', () => {
    const outer = new AbortController()
    const flow = startFlow(outer.signal)
    flow.fail(first)
    outer.abort(second)
    expect(flow.rootCause(undefined)).toBe(first)
  })

  test('leaves nothing listening on what is outside, however many there are', () => {
    // More than ten listeners on one signal would be told as a leak, which fails the test.
    const outer = new AbortController()
    for (let n = 0; n < 50; n += 1) startFlow(outer.signal).stop()
    expect(outer.signal.aborted).toBe(false)
  })
})

describe('a watch for stalls', () => {
  test('ends a flow in which nothing moves', async () => {
    const flow = startFlow()
    watchForStall(flow, 5)
    await ended(flow.signal)
    expect(flow.signal.reason).toMatchObject({ code: 'stalled', exitStatus: 75 })
  })

  test('waits as long as something moves', () => {
    // By the millisecond, whatever else the machine does.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const watched = startFlow()
    const watch = watchForStall(watched, 60)
    for (let n = 0; n < 6; n += 1) {
      vi.advanceTimersByTime(59)
      watch.moved()
    }
    vi.advanceTimersByTime(59)
    expect(watched.signal.aborted).toBe(false)
    vi.advanceTimersByTime(1)
    expect(watched.signal.reason).toMatchObject({ code: 'stalled' })
  })

  test('waits in a pause, for as long as it takes', async () => {
    const paused = startFlow()
    const watch = watchForStall(paused, 5)
    watch.pause()
    const longer = startFlow()
    watchForStall(longer, 60)
    await ended(longer.signal)
    expect(paused.signal.aborted).toBe(false)
    watch.moved()
    await ended(paused.signal)
    expect(paused.signal.reason).toMatchObject({ code: 'stalled' })
  })

  test('that has ended watches no more', async () => {
    const flow = startFlow()
    watchForStall(flow, 5).end()
    const longer = startFlow()
    watchForStall(longer, 40)
    await ended(longer.signal)
    expect(flow.signal.aborted).toBe(false)
  })

  test('leaves an earlier fault as the root cause', async () => {
    const flow = startFlow()
    watchForStall(flow, 5)
    flow.fail(first)
    const longer = startFlow()
    watchForStall(longer, 40)
    await ended(longer.signal)
    expect(flow.rootCause(undefined)).toBe(first)
  })
})
