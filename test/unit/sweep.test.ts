import { describe, expect, test } from 'vitest'
import type { KeyParts, ObjectKey } from '../../src/domain/key.ts'
import { planSweep } from '../../src/domain/sweep.ts'
import { dataKey, keyOf, layout, manifestKey } from '../support/builders.ts'

const now = new Date('2026-02-24T02:00:00.000Z')
const dayMs = 24 * 3_600_000
const before = (ageMs: number): Date => new Date(now.getTime() - ageMs)

const record = (parts: KeyParts, ageMs = 0): { readonly key: ObjectKey; readonly lastModified: Date } => ({
  key: keyOf(parts),
  lastModified: before(ageMs),
})
const upload = (ageMs: number, id = 'one') => ({ id, key: dataKey('2026-02-23'), startedAt: before(ageMs) })
const swept = (
  records: readonly { readonly key: ObjectKey; readonly lastModified: Date }[],
  { monthlyMonths = 84, at = now }: { readonly monthlyMonths?: number; readonly at?: Date } = {},
) => planSweep(layout, { records, uploads: [] }, { dailyDays: 7, monthlyMonths }, at).records
const sweptUploads = (...uploads: readonly ReturnType<typeof upload>[]) =>
  planSweep(layout, { records: [], uploads }, { dailyDays: 7, monthlyMonths: 84 }, now).uploads

describe('an unfinished upload', () => {
  test('stays for a day and not a moment longer', () => {
    expect(sweptUploads(upload(0), upload(dayMs))).toEqual([])
    const left = upload(dayMs + 1)
    expect(sweptUploads(left)).toEqual([
      { upload: left, because: 'an upload that was begun more than 24 h ago and never ended' },
    ])
  })

  test('begun in the future stays', () => {
    expect(sweptUploads(upload(-400 * dayMs))).toEqual([])
  })

  test('goes for itself: of several of one key, those that are old enough', () => {
    const uploads = [upload(2 * dayMs, 'old'), upload(1, 'new'), upload(3 * dayMs, 'older')]
    expect(sweptUploads(...uploads).map((one) => one.upload.id)).toEqual(['old', 'older'])
  })

  test('is handed back as it came, with what its store knows of it', () => {
    const uploads = [{ ...upload(2 * dayMs), path: '/srv/backups/.upload-1' }]
    const [first] = planSweep(layout, { records: [], uploads }, { dailyDays: 7, monthlyMonths: 84 }, now).uploads
    expect(first?.upload).toBe(uploads[0])
  })
})

describe('a canary', () => {
  const canary = { kind: 'canary', id: '0b9e' } as const

  test('stays for a day and not a moment longer', () => {
    expect(swept([record(canary, dayMs)])).toEqual([])
    expect(swept([record(canary, dayMs + 1)])).toEqual([
      { key: 'backups/canary/0b9e', because: 'left by a preflight more than 24 h ago' },
    ])
  })

  test('of the future stays', () => {
    expect(swept([record(canary, -dayMs)])).toEqual([])
  })
})

describe.each<readonly [string, (date: string) => KeyParts]>([
  ['a drill report', (date) => ({ kind: 'drill', startedAt: new Date(`${date}T03:00:12Z`) })],
  ['an acceptance', (date) => ({ kind: 'ack', date })],
])('%s', (_what, of) => {
  test.each([
    [84, '2019-03-01', '2019-02-28'],
    [1, '2026-02-01', '2026-01-31'],
    [2, '2026-01-01', '2025-12-31'],
    [24, '2024-03-01', '2024-02-29'],
  ])('stays as long as monthlies do: of %d months, %s stays and %s goes', (monthlyMonths, last, beyond) => {
    expect(swept([record(of(last))], { monthlyMonths })).toEqual([])
    expect(swept([record(of(beyond))], { monthlyMonths })).toEqual([
      { key: keyOf(of(beyond)), because: `older than ${String(monthlyMonths)} months` },
    ])
  })

  test('goes by its name, not by when it was written', () => {
    expect(swept([record(of('2026-02-01'), 4000 * dayMs)])).toEqual([])
    expect(swept([record(of('2010-01-01'), 0)])).toHaveLength(1)
  })

  test('of the future stays', () => {
    expect(swept([record(of('2099-01-01'))])).toEqual([])
  })

  test('goes at the turn of a UTC month', () => {
    const at = (time: string) => swept([record(of('2026-01-31'))], { monthlyMonths: 1, at: new Date(time) })
    expect(at('2026-01-31T23:59:59.999Z')).toEqual([])
    expect(at('2026-02-01T00:00:00.000Z')).toHaveLength(1)
  })
})

describe('a sweep', () => {
  test('touches no backup and no manifest, however old: they have a plan of their own', () => {
    const ancient = before(5000 * dayMs)
    const keys = [dataKey('2003-01-01'), dataKey('2003-01'), manifestKey('2003-01-01'), manifestKey('2003-01')]
    expect(swept(keys.map((key) => ({ key, lastModified: ancient })))).toEqual([])
  })

  test.each([
    'photos/2003.jpg',
    'backups/notes.txt',
    'backups/acks/2003-01-01.txt',
    'backups/acks/2003-02-30.json',
    'backups/drills/2003-drill.json',
    'backups/canary/a/b',
    'backups/canary/',
    'acks/2003-01-01.json',
    'other/backups/acks/2003-01-01.json',
  ])('touches nothing foreign: %s', (key) => {
    expect(swept([{ key: key as ObjectKey, lastModified: before(5000 * dayMs) }])).toEqual([])
  })

  test('of nothing is nothing', () => {
    expect(swept([])).toEqual([])
    expect(sweptUploads()).toEqual([])
  })

  test('changes nothing that it is given', () => {
    const records = Object.freeze([Object.freeze(record({ kind: 'ack', date: '2003-01-01' }))])
    const uploads = Object.freeze([Object.freeze(upload(2 * dayMs))])
    const swept = planSweep(layout, Object.freeze({ records, uploads }), { dailyDays: 7, monthlyMonths: 84 }, now)
    expect([swept.records.length, swept.uploads.length]).toEqual([1, 1])
  })
})
