import { describe, expect, test } from 'vitest'
import { formatBytes, formatCount, formatDuration, parseDuration } from '../../src/domain/units.ts'

describe('bytes', () => {
  test.each([
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [1500, '1.5 kB'],
    [99_900, '99.9 kB'],
    [100_000, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [12_345_678, '12.3 MB'],
    [1e9, '1.0 GB'],
    [1e15, '1.0 PB'],
    [Number.MAX_SAFE_INTEGER, '9.0 PB'],
  ])('%d are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  test('never have four digits before the unit or more than one after the point', () => {
    for (let bytes = 1; bytes < 1e15; bytes = Math.ceil(bytes * 1.0137))
      expect(formatBytes(bytes)).toMatch(/^(\d{1,3}|\d{1,2}\.\d) (B|kB|MB|GB|TB)$/)
  })
})

describe('durations', () => {
  test.each([
    [0, '0.0 s'],
    [9949, '9.9 s'],
    [9950, '10 s'],
    [59_499, '59 s'],
    [59_500, '1 min 0 s'],
    [3_599_499, '59 min 59 s'],
    [3_599_500, '1 h 0 min'],
    [47 * 3_600_000 + 59 * 60_000, '47 h 59 min'],
    [48 * 3_600_000, '2 d 0 h'],
    [36 * 86_400_000, '36 d 0 h'],
  ])('%d ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})

describe('a duration on the command line', () => {
  test.each([
    ['0s', 0],
    ['90s', 90_000],
    ['15m', 900_000],
    ['26h', 93_600_000],
    ['3d', 259_200_000],
    ['999999d', 86_399_913_600_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', 'h', '26', '26 h', '26H', '-1h', '1.5h', '1e3s', '1h30m', '1234567s', '26h\n', ' 26h', 'constructor'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )
})

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [700_000, '700,000'],
  [1_234_567, '1,234,567'],
])('the count %d is %s', (count, text) => {
  expect(formatCount(count)).toBe(text)
})
