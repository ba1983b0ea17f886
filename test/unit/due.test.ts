import { describe, expect, test } from 'vitest'
import { dueDate, satisfying } from '../../src/domain/due.ts'
import { catalogOfGood } from '../support/builders.ts'

describe('the backup that is due', () => {
  test.each([
    ['2026-02-24T00:00:00.000Z', '2026-02-23'],
    ['2026-02-24T00:59:59.999Z', '2026-02-23'],
    ['2026-02-24T01:00:00.000Z', '2026-02-24'],
    ['2026-02-24T23:59:59.999Z', '2026-02-24'],
    ['2026-03-01T00:30:00.000Z', '2026-02-28'],
    ['2028-03-01T00:30:00.000Z', '2028-02-29'],
    ['2027-01-01T00:59:00.000Z', '2026-12-31'],
    // 00:30 in Lagos is 23:30 UTC of the day before.
    ['2026-02-24T00:30:00.000+01:00', '2026-02-23'],
  ])('at %s is of %s', (now, due) => {
    expect(dueDate(new Date(now))).toBe(due)
  })

  test.each<[string, readonly string[], string, string | undefined]>([
    ['there is none at all', [], '2026-02-24T01:00:00Z', undefined],
    ["today's, after 01:00", ['2026-02-24'], '2026-02-24T01:00:00Z', '2026-02-24'],
    ["yesterday's, after 01:00", ['2026-02-23'], '2026-02-24T01:00:00Z', undefined],
    ["yesterday's, before 01:00", ['2026-02-23'], '2026-02-24T00:59:59Z', '2026-02-23'],
    ["today's, before 01:00: made by hand at midnight", ['2026-02-24'], '2026-02-24T00:30:00Z', '2026-02-24'],
    ['of the day before yesterday', ['2026-02-22'], '2026-02-24T00:30:00Z', undefined],
    ["tomorrow's: somebody's clock is wrong", ['2026-02-25'], '2026-02-24T12:00:00Z', undefined],
    ['of the next century', ['2126-02-25'], '2026-02-24T12:00:00Z', undefined],
    ['of this month, a monthly', ['2026-02'], '2026-02-24T12:00:00Z', undefined],
  ])('%s', (_what, periods, now, period) => {
    expect(satisfying(catalogOfGood(...periods), new Date(now))?.period).toBe(period)
  })
})
