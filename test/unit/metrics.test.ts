import { execa } from 'execa'
import { describe, expect, test } from 'vitest'
import {
  attemptFailed,
  attemptSucceeded,
  drillDone,
  newStatus,
  type Status,
  type Success,
} from '../../src/domain/status.ts'
import { metricsText } from '../../src/present/metrics.ts'

const success = (durationMs: number, more: Partial<Success> = {}): Success => ({
  startedAt: '2026-02-24T01:00:00.500Z',
  endedAt: '2026-02-24T01:01:00.000Z',
  attempt: 1,
  key: 'k',
  sizeBytes: 1000,
  checksumSha256: 'a'.repeat(64),
  durationMs,
  anomalies: [],
  notes: [],
  ...more,
})
const nights = (...durations: readonly number[]): Status =>
  durations.reduce<Status>(
    (status, ms) => attemptSucceeded(status, success(ms), { administrators: [], monthlySizeBytes: 900 }),
    newStatus,
  )
const valueOf = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}

describe('metrics', () => {
  test('have the names that the dashboards know', () => {
    const text = metricsText(
      drillDone(nights(60_500), { at: '2026-02-02T03:00:00.000Z', passed: true, key: 'k', sentence: 'x' }),
    )
    for (const [name, value] of [
      ['backup_last_success_timestamp', 1_771_894_800.5],
      ['backup_size_bytes{tier="daily"}', 1000],
      ['backup_size_bytes{tier="monthly"}', 900],
      ['backup_consecutive_failures', 0],
      ['backup_last_drill_timestamp', 1_770_001_200],
      ['backup_last_drill_success', 1],
      ['backup_duration_seconds_bucket{le="60"}', 0],
      ['backup_duration_seconds_bucket{le="120"}', 1],
      ['backup_duration_seconds_bucket{le="+Inf"}', 1],
      ['backup_duration_seconds_sum', 60.5],
      ['backup_duration_seconds_count', 1],
    ] as const)
      expect([name, valueOf(text, name)]).toEqual([name, value])
  })

  test('of the duration accumulate over the nights, and a failed one adds nothing', () => {
    const failure = { stage: null, code: 'x', message: 'x', all: [], hint: null }
    const at = new Date('2026-02-25T01:00:00Z')
    const text = metricsText(
      attemptFailed(nights(4000, 5000, 5001, 59_000, 9_000_000), { startedAt: at, attempt: 1, failure, now: at }),
    )
    const buckets = ['5', '15', '30', '60', '120', '7200', '+Inf'].map((bound) =>
      valueOf(text, `backup_duration_seconds_bucket{le="${bound}"}`),
    )
    expect(buckets).toEqual([2, 3, 3, 4, 4, 4, 5])
    expect(valueOf(text, 'backup_duration_seconds_sum')).toBe(9073.001)
    expect(valueOf(text, 'backup_consecutive_failures')).toBe(1)
  })

  test.each<[string, Status]>([
    ['nothing yet', newStatus],
    ['nights', nights(1, 60_500)],
    [
      'failures and a failed drill',
      drillDone(
        { ...nights(3), consecutiveFailures: 3 },
        { at: '2026-02-02T03:00:00.000Z', passed: false, key: null, sentence: 'x' },
      ),
    ],
  ])('of %s please promtool', async (_what, status) => {
    const { stdout, stderr } = await execa('promtool', ['check', 'metrics'], { input: metricsText(status) })
    expect(stdout + stderr).toBe('')
  })
})
