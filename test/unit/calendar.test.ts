import { describe, expect, test } from 'vitest'
import { daysBefore, isDate, isMonth, monthOf, monthsBefore, utcDate } from '../../src/domain/calendar.ts'

describe('dates are UTC', () => {
  test.each([
    ['2026-02-24T00:00:00.000Z', '2026-02-24'],
    ['2026-02-24T23:59:59.999Z', '2026-02-24'],
    ['2026-02-24T00:30:00.000+01:00', '2026-02-23'],
    ['2026-02-24T23:30:00.000-01:00', '2026-02-25'],
    ['2025-12-31T23:59:59.999Z', '2025-12-31'],
    ['2026-01-01T00:00:00.000Z', '2026-01-01'],
  ])('%s is of %s', (instant, date) => {
    expect(utcDate(new Date(instant))).toBe(date)
  })

  test('a month is the beginning of its days', () => {
    expect(monthOf('2026-02-24')).toBe('2026-02')
  })
})

describe('days that exist', () => {
  test.each(['2026-02-28', '2024-02-29', '2000-02-29', '2026-12-31', '2026-01-01', '1999-04-30'])('%s does', (text) => {
    expect(isDate(text)).toBe(true)
  })

  test.each([
    '2026-02-29',
    '1900-02-29',
    '2026-02-30',
    '2026-04-31',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '2026-01-32',
    '2026-1-1',
    '26-01-01',
    '2026-01',
    '2026-01-01 ',
    ' 2026-01-01',
    '2026-01-01\n',
    '2026-01-01T00:00:00Z',
    '+002026-01-01',
    '٢٠٢٦-٠١-٠١',
    '',
  ])('%j does not', (text) => {
    expect(isDate(text)).toBe(false)
  })
})

describe('months that exist', () => {
  test.each([
    ['2026-01', true],
    ['2026-12', true],
    ['2026-00', false],
    ['2026-13', false],
    ['2026-1', false],
    ['2026-01-01', false],
    ['2026-01\n', false],
    ['', false],
  ])('%j: %s', (text, exists) => {
    expect(isMonth(text)).toBe(exists)
  })
})

describe('counting days', () => {
  test.each([
    ['2026-03-01', 1, '2026-02-28'],
    ['2024-03-01', 1, '2024-02-29'],
    ['2026-01-01', 1, '2025-12-31'],
    ['2026-02-24', 0, '2026-02-24'],
    ['2026-02-24', 7, '2026-02-17'],
    ['2026-12-31', -1, '2027-01-01'],
    ['2025-03-01', 366, '2024-02-29'],
    // Days on which clocks are put forward or back in some zones have 24 hours here.
    ['2026-03-30', 1, '2026-03-29'],
    ['2026-10-26', 1, '2026-10-25'],
  ])('%s, %i days before: %s', (date, days, before) => {
    expect(daysBefore(date, days)).toBe(before)
  })
})

describe('counting months', () => {
  test.each([
    ['2026-03', 1, '2026-02'],
    ['2026-01', 1, '2025-12'],
    ['2026-12', 12, '2025-12'],
    ['2026-02', 84, '2019-02'],
    ['2026-02', 0, '2026-02'],
    ['2026-02', 26, '2023-12'],
    ['2026-12', -1, '2027-01'],
  ])('%s, %i months before: %s', (month, months, before) => {
    expect(monthsBefore(month, months)).toBe(before)
  })
})
