import { setTimeout as pause } from 'node:timers/promises'
import { beforeEach } from 'vitest'

/**
 * A test that backs up at 23:59 UTC and looks for today's backup at 00:00 would fail for nothing, and so would one that
 * finds at 01:00 that another night is due: it waits.
 */
const longestTestMs = 60_000
const hourMs = 3_600_000

beforeEach(async () => {
  const untilNextHourMs = hourMs - (Date.now() % hourMs)
  const nextHour = (new Date().getUTCHours() + 1) % 24
  if (nextHour <= 1 && untilNextHourMs < longestTestMs) await pause(untilNextHourMs + 1000)
})
