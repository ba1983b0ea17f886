import { describe, expect, test } from 'vitest'
import { catalogOf } from '../../src/domain/catalog.ts'
import { standardMaxAgeMs, verdictOf } from '../../src/domain/freshness.ts'
import {
  catalogOfGood,
  completeBackup,
  dataKey,
  decoded,
  holdings,
  layout,
  manifestKey,
  manifestOf,
} from '../support/builders.ts'

const periods = { dailyDays: 7, monthlyMonths: 84 }
const hourMs = 3_600_000
const verdict = (catalog: Parameters<typeof verdictOf>[0], now: string, maxAgeMs = standardMaxAgeMs) =>
  verdictOf(catalog, periods, maxAgeMs, new Date(now))

describe('the verdict', () => {
  test.each([
    ['an hour old', '2026-02-24T02:00:00.000Z', true],
    ['exactly as old as may be', '2026-02-25T03:00:00.000Z', true],
    ['a millisecond older', '2026-02-25T03:00:00.001Z', false],
    ['three days old', '2026-02-27T01:00:00.000Z', false],
    ['of this instant', '2026-02-24T01:00:00.000Z', true],
    ['from a clock that is a little ahead', '2026-02-24T00:30:00.000Z', true],
    ['from a clock that is an hour ahead', '2026-02-24T00:00:00.000Z', false],
    ['from the next year', '2025-02-24T00:00:00.000Z', false],
  ])('on a newest backup %s', (_what, now, fresh) => {
    expect(verdict(catalogOfGood('2026-02-24'), now)).toMatchObject({
      fresh,
      newestAgeMs: Date.parse(now) - Date.parse('2026-02-24T01:00:00.000Z'),
      newest: { period: '2026-02-24' },
    })
  })

  test('is stale where there is no backup, and no day is missing', () => {
    expect(verdict([], '2026-02-24T02:00:00.000Z')).toEqual({
      fresh: false,
      maxAgeMs: standardMaxAgeMs,
      newest: undefined,
      newestAgeMs: undefined,
      missingDays: [],
      missingMonths: [],
    })
  })

  test('counts complete backups alone', () => {
    const held = holdings(
      { [dataKey('2026-02-22')]: 1000, [dataKey('2026-02-24')]: 1000 },
      {
        [manifestKey('2026-02-22')]: decoded(manifestOf('2026-02-22')),
        [manifestKey('2026-02-23')]: decoded(manifestOf('2026-02-23')),
      },
    )
    expect(verdict(catalogOf(layout, held, []), '2026-02-24T02:00:00.000Z')).toMatchObject({
      fresh: false,
      newest: { period: '2026-02-22' },
      missingDays: ['2026-02-23'],
    })
  })

  test('takes the newest by when it was started, whatever its tier', () => {
    const daily = completeBackup('2026-02-24', { timestamp: '2026-02-24T01:00:00.000Z' })
    const replaced = completeBackup('2026-02', { timestamp: '2026-02-24T15:00:00.000Z' })
    expect(verdict([daily, replaced], '2026-02-25T00:00:00.000Z').newest).toBe(replaced)
    expect(verdict([daily, replaced], '2026-02-25T00:00:00.000Z').newestAgeMs).toBe(9 * hourMs)
  })

  test('goes by the age that is asked for', () => {
    const catalog = catalogOfGood('2026-02-24')
    expect(verdict(catalog, '2026-02-24T02:00:00.000Z', hourMs).fresh).toBe(true)
    expect(verdict(catalog, '2026-02-24T02:00:00.001Z', hourMs).fresh).toBe(false)
    expect(verdict(catalog, '2026-02-24T01:00:00.000Z', 0).fresh).toBe(true)
  })
})

describe('gaps', () => {
  test('are days of the last week without a complete backup; today is none yet', () => {
    const catalog = catalogOfGood('2026-02-10', '2026-02-20', '2026-02-22', '2026-02-23')
    expect(verdict(catalog, '2026-02-24T00:10:00.000Z').missingDays).toEqual(['2026-02-18', '2026-02-19', '2026-02-21'])
  })

  test('begin with the first backup: before it there was nothing to miss', () => {
    expect(verdict(catalogOfGood('2026-02-22'), '2026-02-24T12:00:00.000Z').missingDays).toEqual(['2026-02-23'])
    expect(verdict(catalogOfGood('2026-02-24'), '2026-02-24T12:00:00.000Z').missingDays).toEqual([])
  })

  test('go over the end of a month and of a year', () => {
    const catalog = catalogOfGood('2025-12-20', '2025-12-30', '2026-01-01')
    expect(verdict(catalog, '2026-01-02T12:00:00.000Z').missingDays).toEqual([
      '2025-12-27',
      '2025-12-28',
      '2025-12-29',
      '2025-12-31',
    ])
  })

  test('are months without a monthly; the running one is none yet', () => {
    const catalog = catalogOfGood('2025-10', '2025-12', '2026-02-24')
    expect(verdict(catalog, '2026-02-24T12:00:00.000Z')).toMatchObject({
      missingMonths: ['2025-11', '2026-01'],
      missingDays: [],
    })
  })

  test('are looked for as far back as backups are kept', () => {
    const catalog = catalogOfGood('2010-01', '2026-01')
    const { missingMonths } = verdict(catalog, '2026-02-24T12:00:00.000Z')
    expect(missingMonths).toHaveLength(82)
    expect(missingMonths[0]).toBe('2019-03')
  })

  test('are none where one day is kept', () => {
    const catalog = catalogOfGood('2026-02-20')
    const now = new Date('2026-02-24T12:00:00.000Z')
    expect(verdictOf(catalog, { dailyDays: 1, monthlyMonths: 1 }, standardMaxAgeMs, now).missingDays).toEqual([])
  })
})
