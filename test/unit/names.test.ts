import { describe, expect, test } from 'vitest'
import { daysBefore, isDate, isMonth, monthsBefore } from '../../src/domain/calendar.ts'
import { makeKey, parseKey, type KeyParts } from '../../src/domain/key.ts'
import { maxParts, partSizeFor } from '../../src/domain/part-size.ts'
import { parseKeyTable, parseTableName, quoteTableName } from '../../src/domain/table-name.ts'
import { formatBytes, formatCount, formatDuration, parseDuration } from '../../src/domain/units.ts'
import { bestDumper, knowsRestrict, parsePgVersion } from '../../src/domain/version.ts'

const layout = { prefix: 'backups/', name: 'app_db' }

describe('keys', () => {
  test.each<[KeyParts, string]>([
    [
      { kind: 'data', tier: 'daily', period: '2026-02-24', name: 'app_db', revision: 1, sealing: 'age' },
      'backups/daily/2026-02-24-app_db.sql.gz.age',
    ],
    [
      { kind: 'data', tier: 'daily', period: '2026-02-24', name: 'app_db', revision: 2, sealing: 'age' },
      'backups/daily/2026-02-24-app_db.r2.sql.gz.age',
    ],
    [
      { kind: 'data', tier: 'daily', period: '2026-02-24', name: 'app_db', revision: 1, sealing: 'none' },
      'backups/daily/2026-02-24-app_db.sql.gz',
    ],
    [
      { kind: 'data', tier: 'daily', period: '2026-02-24', name: 'app-db', revision: 1, sealing: 'aes-256-gcm' },
      'backups/daily/2026-02-24-app-db.sql.gz.enc',
    ],
    [
      { kind: 'data', tier: 'monthly', period: '2026-02', name: 'app_db', revision: 1, sealing: 'age' },
      'backups/monthly/2026-02-app_db.sql.gz.age',
    ],
    [{ kind: 'manifest', tier: 'daily', period: '2026-02-24' }, 'backups/manifests/2026-02-24-manifest.json'],
    [{ kind: 'manifest', tier: 'monthly', period: '2026-02' }, 'backups/manifests/monthly/2026-02-manifest.json'],
    [{ kind: 'drill', startedAt: new Date('2026-03-02T03:00:12Z') }, 'backups/drills/2026-03-02T03-00-12Z-drill.json'],
    [{ kind: 'ack', date: '2026-02-24' }, 'backups/acks/2026-02-24.json'],
  ])('%j is %s', (parts, key) => {
    expect(makeKey(layout, parts)).toBe(key)
    expect(parseKey(layout, key)).toEqual(parts)
  })

  test.each([
    'backups/daily/2026-02-30-app_db.sql.gz.age',
    'backups/daily/2025-02-29-app_db.sql.gz.age',
    'backups/daily/2026-02-app_db.sql.gz.age',
    'backups/monthly/2026-13-app_db.sql.gz.age',
    'backups/monthly/2026-02-app_db.r2.sql.gz.age',
    'backups/daily/2026-02-24-app_db.r1.sql.gz.age',
    'backups/daily/2026-02-24-app_db.r02.sql.gz.age',
    'backups/daily/2026-02-24-app_db.sql.gz.age.tmp',
    'backups/daily/../daily/2026-02-24-app_db.sql.gz.age',
    'backups/daily/2026-02-24-a/b.sql.gz.age',
    'backups/daily/2026-02-24-app_db.SQL.GZ.AGE',
    'Backups/daily/2026-02-24-app_db.sql.gz.age',
    'photos/daily/2026-02-24-app_db.sql.gz.age',
    'backups/daily/2026-02-24-app_db.sql.gz.age\n',
    'backups/manifests/2026-02-24-manifest.json.bak',
    'backups/drills/2026-03-02T25-00-12Z-drill.json',
    'backups/',
    '',
  ])('%j is foreign', (key) => {
    expect(parseKey(layout, key)).toBeUndefined()
  })
})

describe('dates', () => {
  test.each([
    ['2024-02-29', true],
    ['2026-02-29', false],
    ['2026-12-31', true],
    ['2026-00-10', false],
    ['2026-1-01', false],
    ['0000-01-01', true],
  ])('%s is a day: %s', (text, is) => {
    expect(isDate(text)).toBe(is)
  })
  test('months and days before, over the turn of a year and a leap day', () => {
    expect(daysBefore('2026-01-01', 1)).toBe('2025-12-31')
    expect(daysBefore('2024-03-01', 1)).toBe('2024-02-29')
    expect(monthsBefore('2026-01', 1)).toBe('2025-12')
    expect(monthsBefore('2026-11', 83)).toBe('2019-12')
    expect(isMonth('2026-12')).toBe(true)
    expect(isMonth('2026-13')).toBe(false)
  })
})

describe('names of tables', () => {
  test.each([
    ['public.users', { schema: 'public', table: 'users' }],
    ['"Odd Schema"."ta.ble"', { schema: 'Odd Schema', table: 'ta.ble' }],
    ['public."say ""hi"""', { schema: 'public', table: 'say "hi"' }],
    ['public."two\nlines"', { schema: 'public', table: 'two\nlines' }],
  ])('%j is read', (text, name) => {
    expect(parseTableName(text)).toEqual(name)
  })
  test.each([
    'users',
    'public.users; DROP TABLE x',
    'public."x" --',
    'public.Users',
    '"".x',
    'a.b.c',
    'public."x\0"',
    '',
    'public.""',
  ])('%j is none', (text) => {
    expect(parseTableName(text)).toBeUndefined()
  })
  test('are quoted so that they stay one name', () => {
    expect(quoteTableName({ schema: 'a"b', table: 'c"; DROP' })).toBe('"a""b"."c""; DROP"')
    expect(parseKeyTable('users')).toEqual({ schema: 'public', table: 'users' })
    expect(parseKeyTable('"A".b')).toEqual({ schema: 'A', table: 'b' })
    expect(parseKeyTable('Users')).toBeUndefined()
  })
})

describe('versions', () => {
  test.each([
    ['pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)', 15, 18],
    ['psql (PostgreSQL) 17beta2', 17, 0],
    ['18devel', 18, 0],
    ['16', 16, 0],
    ['10.23', 10, 23],
  ])('%s is %d.%d', (text, major, minor) => {
    expect(parsePgVersion(text)).toMatchObject({ major, minor })
  })
  test.each([
    ['13.21', false],
    ['13.22', true],
    ['14.18', false],
    ['14.19', true],
    ['15.13', false],
    ['15.14', true],
    ['16.9', false],
    ['16.10', true],
    ['17.5', false],
    ['17.6', true],
    ['18.0', true],
    ['12.99', false],
  ])('psql %s knows \\restrict: %s', (text, knows) => {
    const version = parsePgVersion(text)
    expect(version !== undefined && knowsRestrict(version)).toBe(knows)
  })
  test("the server's own major dumps it; else the oldest newer one; an older one never", () => {
    const installed = ['14.1', '17.1', '16.2', '15.3'].map((text) => ({
      version: parsePgVersion(text) ?? { text, major: 0, minor: 0 },
    }))
    expect(bestDumper(installed, 15)?.version.text).toBe('15.3')
    expect(
      bestDumper(
        installed.filter(({ version }) => version.major !== 15),
        15,
      )?.version.text,
    ).toBe('16.2')
    expect(bestDumper(installed, 18)).toBeUndefined()
  })
})

describe('figures', () => {
  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [99_949, '99.9 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [34_634_361, '34.6 MB'],
    [5.1e12, '5.1 TB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
  test.each([
    [400, '0.4 s'],
    [12_000, '12 s'],
    [59_700, '1 min 0 s'],
    [185_000, '3 min 5 s'],
    [7_800_000, '2 h 10 min'],
    [273_600_000, '3 d 4 h'],
  ])('%d ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
  test.each([
    ['90s', 90_000],
    ['26h', 93_600_000],
    ['3d', 259_200_000],
    ['15m', 900_000],
    ['h', undefined],
    ['1.5h', undefined],
    ['-1h', undefined],
  ])('%s is %s ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })
  test('counts have commas', () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567'])
  })
  test.each([0, 1, 1e9, 41e9, 42e9, 5e12])(
    'an upload of twice %d bytes fits 10,000 parts of 5 MiB or more',
    (bytes) => {
      const part = partSizeFor(bytes)
      expect(part).toBeGreaterThanOrEqual(5 * 1024 * 1024)
      expect(Math.ceil((bytes * 2) / part)).toBeLessThanOrEqual(maxParts)
    },
  )
})
