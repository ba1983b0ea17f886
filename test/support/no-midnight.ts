import { setTimeout as pause } from 'node:timers/promises'
import { beforeEach } from 'vitest'

/** A test that backs up at 23:59 UTC and looks for today's backup at 00:00 would fail for nothing: it waits for the new day. */
const longestTestMs = 60_000
const dayMs = 86_400_000

beforeEach(async () => {
  const untilMidnightMs = dayMs - (Date.now() % dayMs)
  if (untilMidnightMs < longestTestMs) await pause(untilMidnightMs + 1000)
})
