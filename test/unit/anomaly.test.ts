import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acceptanceOf, type Ack } from '../../src/domain/ack.ts'
import { acceptedWith, anomaliesBetween, judgeDailies, type Figures } from '../../src/domain/anomaly.ts'
import { daysBefore } from '../../src/domain/calendar.ts'
import { catalogOf, isComplete, type Backup, type Catalog, type CompleteBackup } from '../../src/domain/catalog.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import {
  completeBackup,
  dataKey,
  decodedOlder,
  digestOf,
  holdings,
  layout,
  manifestKey,
  olderManifestOf,
} from '../support/builders.ts'

const users = (rows: number): Manifest['keyTables'] => [{ name: 'public.users', rows }]
const table = (name: string, rows = 1): Manifest['tables'][number] => ({ name, rows, bytes: 10, sha256: digestOf('a') })
const figures = (more: Partial<Figures> = {}): Figures => ({
  keyTables: [],
  tables: [],
  plain: { sizeBytes: 10_000, sha256: digestOf('b') },
  ...more,
})
const rows = (number: number): Figures => figures({ keyTables: users(number) })
const size = (sizeBytes: number): Figures => figures({ plain: { sizeBytes, sha256: digestOf('b') } })
const told = (now: Figures, baseline: Figures): string[] => anomaliesBetween(now, baseline, '2026-02-23')

describe('rows of a key table', () => {
  test.each([
    [100, 100],
    [100, 120],
    // Exactly 20 % lost is no anomaly.
    [100, 80],
    [5, 4],
    [35, 28],
    [700_000, 560_000],
    // Nothing to lose.
    [0, 0],
    [0, 7],
  ])('that were %d may be %d', (before, after) => {
    expect(told(rows(after), rows(before))).toEqual([])
  })

  test.each([
    [100, 79, 'public.users has 79 rows; the backup of 2026-02-23 has 100 (21.0 % lost).'],
    [5, 3, 'public.users has 3 rows; the backup of 2026-02-23 has 5 (40 % lost).'],
    [1, 0, 'public.users has 0 rows; the backup of 2026-02-23 has 1 (all lost).'],
    [700_000, 0, 'public.users has 0 rows; the backup of 2026-02-23 has 700,000 (all lost).'],
    // It is never told as 20 %, which would be none, nor as all where something is left.
    [1000, 796, 'public.users has 796 rows; the backup of 2026-02-23 has 1,000 (20.4 % lost).'],
    [10_000, 7999, 'public.users has 7,999 rows; the backup of 2026-02-23 has 10,000 (more than 20 % lost).'],
    [10_000, 7996, 'public.users has 7,996 rows; the backup of 2026-02-23 has 10,000 (more than 20 % lost).'],
    [10_000, 7995, 'public.users has 7,995 rows; the backup of 2026-02-23 has 10,000 (20.1 % lost).'],
    [1_000_000, 1, 'public.users has 1 rows; the backup of 2026-02-23 has 1,000,000 (more than 99 % lost).'],
    [1000, 5, 'public.users has 5 rows; the backup of 2026-02-23 has 1,000 (more than 99 % lost).'],
    [1000, 6, 'public.users has 6 rows; the backup of 2026-02-23 has 1,000 (99 % lost).'],
    [100, 70, 'public.users has 70 rows; the backup of 2026-02-23 has 100 (30 % lost).'],
  ])('that were %d may not be %d', (before, after, sentence) => {
    expect(told(rows(after), rows(before))).toEqual([sentence])
  })

  test('are judged exactly at the border, however many they are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (fifth) => {
        expect(told(rows(4 * fifth), rows(5 * fifth))).toEqual([])
        expect(told(rows(4 * fifth - 1), rows(5 * fifth))).toHaveLength(1)
      }),
      { numRuns: 2000 },
    )
  })

  test('that are lost are never told as 20 %, nor as 100 %, however many they were', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 1_000_000_000 }),
        fc.double({ min: 0, max: 0.8, noNaN: true }),
        (many, share) => {
          const after = Math.ceil(many * share) - 1
          fc.pre(after >= 0)
          const [sentence] = told(rows(after), rows(many))
          expect(sentence).toMatch(/\((all|more than 99 %|more than 20 %|[2-9]\d(\.\d)? %) lost\)\.$/)
          expect(sentence).not.toMatch(/\((20|20\.0|100) % lost/)
          expect(sentence?.includes('(all lost)')).toBe(after === 0)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('are each table judged for itself: what one has gained makes good no loss of another', () => {
    const before = figures({ keyTables: [...users(100), { name: 'public.roles', rows: 100 }] })
    const after = figures({ keyTables: [...users(50), { name: 'public.roles', rows: 500 }] })
    expect(told(after, before)).toEqual(['public.users has 50 rows; the backup of 2026-02-23 has 100 (50 % lost).'])
  })

  test('of a table that is a key table only now are not compared', () => {
    expect(told(rows(0), figures({ tables: [] }))).toEqual([])
  })
})

describe('a table that has vanished', () => {
  test('is told, key table or not, and each once', () => {
    const before = figures({
      keyTables: users(100),
      tables: [table('public.users'), table('public.notes'), table('"Odd Schema"."ta.ble"'), table('public.roles')],
    })
    expect(told(figures({ tables: [table('public.roles')] }), before)).toEqual([
      'The key table public.users has vanished.',
      'The table public.notes has vanished since 2026-02-23.',
      'The table "Odd Schema"."ta.ble" has vanished since 2026-02-23.',
    ])
  })

  test('was empty, and is told as well', () => {
    expect(told(figures(), rows(0))).toEqual(['The key table public.users has vanished.'])
    expect(told(figures(), figures({ tables: [table('public.notes', 0)] }))).toHaveLength(1)
  })

  test('is none where other rows of it are gone: only key tables are counted', () => {
    const before = figures({ tables: [table('public.notes', 1000)] })
    expect(told(figures({ tables: [table('public.notes', 0)] }), before)).toEqual([])
  })

  test('is none where one is new', () => {
    expect(told(figures({ tables: [table('public.notes')], keyTables: users(3) }), figures())).toEqual([])
  })

  test('is none where it is no key table any more and still in the dump', () => {
    const before = figures({ keyTables: users(100), tables: [table('public.users', 100)] })
    expect(told(figures({ tables: [table('public.users', 80)] }), before)).toEqual([])
  })

  test('is told by its rows where it is no key table any more and has lost them', () => {
    const before = figures({ keyTables: users(100), tables: [table('public.users', 100)] })
    expect(told(figures({ tables: [table('public.users', 79)] }), before)).toEqual([
      'public.users has 79 rows; the backup of 2026-02-23 has 100 (21.0 % lost).',
    ])
  })
})

describe('the size of the dump', () => {
  test.each([
    [10_000, 10_000],
    [10_000, 5000],
    [10_001, 5001],
    [0, 0],
  ])('that was %d may be %d', (before, after) => {
    expect(told(size(after), size(before))).toEqual([])
  })

  test.each([
    [10_000, 4999, 'The dump has 5.0 kB; the backup of 2026-02-23 has 10.0 kB.'],
    [10_001, 5000, 'The dump has 5.0 kB; the backup of 2026-02-23 has 10.0 kB.'],
    [6_000_000_000, 700, 'The dump has 700 B; the backup of 2026-02-23 has 6.0 GB.'],
    [1, 0, 'The dump has 0 B; the backup of 2026-02-23 has 1 B.'],
  ])('that was %d may not be %d', (before, after, sentence) => {
    expect(told(size(after), size(before))).toEqual([sentence])
  })
})

describe('many losses at once', () => {
  const before = (tables: number): Figures =>
    figures({ tables: Array.from({ length: tables }, (_, index) => table(`public.t${String(index)}`)) })

  test('are told to the twentieth, and then counted', () => {
    expect(told(figures(), before(20))).toHaveLength(20)
    expect(told(figures(), before(20)).at(-1)).toBe('The table public.t19 has vanished since 2026-02-23.')
    expect(told(figures(), before(21))).toHaveLength(21)
    expect(told(figures(), before(21)).at(-1)).toBe('And 1 more.')
    expect(told(figures(), before(1000)).at(-1)).toBe('And 980 more.')
  })

  test('are told with the worst first: key tables, the size, other tables', () => {
    const now = figures({ plain: { sizeBytes: 1, sha256: digestOf('b') } })
    const sentences = told(now, { ...before(30), keyTables: users(9) })
    expect(sentences.slice(0, 3)).toEqual([
      'The key table public.users has vanished.',
      'The dump has 1 B; the backup of 2026-02-23 has 10.0 kB.',
      'The table public.t0 has vanished since 2026-02-23.',
    ])
    expect(sentences.at(-1)).toBe('And 12 more.')
  })
})

/** What a night told of itself when it was made: any sentence, for those that it is told with later are made anew. */
const mark = ['as it was told']
const night = (day: string, number: number, more: Partial<Manifest> = {}): CompleteBackup => {
  const backup = completeBackup(day, { keyTables: users(number), ...more })
  return { ...backup, key: more.s3Key === undefined ? backup.key : dataKey(day, { revision: 2 }) }
}
const marked = (day: string, number: number, more: Partial<Manifest> = {}): CompleteBackup =>
  night(day, number, { anomalies: mark, ...more })
/** Marked as `run` does it: by what nothing speaks against in the store of its night. */
const asRun = (before: Catalog, day: string, number: number, acks: readonly Ack[] = []): CompleteBackup => {
  const { baseline } = judgeDailies(before, acks)
  const tonight = night(day, number)
  const isMarked = baseline !== undefined && anomaliesBetween(tonight.manifest, baseline.manifest, '').length > 0
  return isMarked ? marked(day, number) : tonight
}
/** One after another from 2026-02-01 on, by the number of their users; newest first, as catalogs are. */
const nightsOf = (...numbers: readonly number[]): Catalog =>
  numbers.reduce<Catalog>(
    (before, number, index) => [asRun(before, daysBefore('2026-02-01', -index), number), ...before],
    [],
  )
/** As the command does it, of the backup of that day in that store. */
const accepted = (catalog: Catalog, day: string): Ack => {
  const backup = catalog.filter(isComplete).find(({ period }) => period === day)
  if (backup === undefined) throw new Error(`there is no backup of ${day}`)
  const { suspicions } = judgeDailies(catalog, [])
  return acceptanceOf(backup, {
    neighbours: acceptedWith({ catalog, suspicions }, backup),
    anomalies: [],
    reason: 'test accounts removed',
    now: new Date('2026-03-01T00:00:00.000Z'),
    key: undefined,
  })
}
/** The days of the suspicious ones, and that of the next one's baseline. */
const judged = (
  catalog: Catalog,
  acks: readonly Ack[] = [],
): { suspicious: string[]; baseline: string | undefined } => {
  const { suspicions, baseline } = judgeDailies(catalog, acks)
  return {
    suspicious: catalog
      .filter(({ key }) => suspicions.has(key))
      .map(({ period }) => period)
      .toSorted(),
    baseline: baseline?.period,
  }
}

describe('nights', () => {
  test('without any before them are never suspicious: there is nothing to compare with', () => {
    expect(judged([])).toEqual({ suspicious: [], baseline: undefined })
    expect(judged(nightsOf(0))).toEqual({ suspicious: [], baseline: '2026-02-01' })
  })

  test('that follow good ones are good, and each is the baseline of the next', () => {
    expect(judged(nightsOf(100, 90, 80, 70, 60))).toEqual({ suspicious: [], baseline: '2026-02-05' })
  })

  test('that are ruined are compared with the good one, the second as well as the first', () => {
    const { suspicions } = judgeDailies(nightsOf(100, 10, 10), [])
    expect([...suspicions.values()].flat()).toEqual([
      'public.users has 10 rows; the backup of 2026-02-01 has 100 (90 % lost).',
      'public.users has 10 rows; the backup of 2026-02-01 has 100 (90 % lost).',
    ])
  })

  test('that are ruined seven times are suspicious seven times', () => {
    expect(judged(nightsOf(100, 100, 10, 10, 10, 10, 10, 10, 10))).toEqual({
      suspicious: ['03', '04', '05', '06', '07', '08', '09'].map((day) => `2026-02-${day}`),
      baseline: '2026-02-02',
    })
  })

  test('that have recovered are good again; the ruined ones stay suspicious', () => {
    expect(judged(nightsOf(100, 10, 10, 100, 95))).toEqual({
      suspicious: ['2026-02-02', '2026-02-03'],
      baseline: '2026-02-05',
    })
  })

  test('that have recovered by half are not good', () => {
    expect(judged(nightsOf(100, 10, 50, 79, 80))).toEqual({
      suspicious: ['2026-02-02', '2026-02-03', '2026-02-04'],
      baseline: '2026-02-05',
    })
  })

  test('are judged by their days, in whatever order they come', () => {
    const catalog = nightsOf(100, 10, 100, 10)
    const expected = { suspicious: ['2026-02-02', '2026-02-04'], baseline: '2026-02-03' }
    expect(judged(catalog)).toEqual(expected)
    expect(judged(catalog.toReversed())).toEqual(expected)
  })

  test('may be a week apart', () => {
    expect(judged([marked('2026-02-20', 10), night('2026-02-01', 100)])).toEqual({
      suspicious: ['2026-02-20'],
      baseline: '2026-02-01',
    })
  })
})

describe('a night', () => {
  const before = night('2026-02-01', 100)
  const fresh = 'public.users has 10 rows; the backup of 2026-02-01 has 100 (90 % lost).'
  test.each<readonly [string, Catalog, readonly string[] | undefined]>([
    [
      'that was found good is good, though it differs now from what is before it',
      [night('2026-02-02', 10), before],
      undefined,
    ],
    ['that was found good is good with nothing before it', [night('2026-02-02', 10)], undefined],
    ['that looked ruined and does not differ is good', [marked('2026-02-02', 80), before], undefined],
    ['that looked ruined and differs is told anew', [marked('2026-02-02', 10), before], [fresh]],
    ['that looked ruined, with nothing to compare it with, is told as then', [marked('2026-02-02', 10)], mark],
  ])('%s', (_what, catalog, sentences) => {
    const { suspicions, baseline } = judgeDailies(catalog, [])
    expect(suspicions.get(dataKey('2026-02-02'))).toEqual(sentences)
    expect(baseline?.period === '2026-02-02').toBe(sentences === undefined)
  })

  test('that was found good is the baseline of the next, whatever is before it', () => {
    expect(judged([marked('2026-02-03', 10), night('2026-02-02', 10), before]).suspicious).toEqual([])
    expect(judged([marked('2026-02-03', 7), night('2026-02-02', 10), before]).suspicious).toEqual(['2026-02-03'])
  })

  test('that looked ruined has not become good when what was before it has left the store', () => {
    const ruins = nightsOf(100, 10, 10, 10).slice(0, -1)
    expect(judged(ruins)).toEqual({ suspicious: ['2026-02-02', '2026-02-03', '2026-02-04'], baseline: undefined })
  })

  const histories = fc.record({
    // Slow declines, losses, and recoveries.
    numbers: fc
      .array(fc.constantFrom(0.85, 0.85, 0.85, 1, 0.3, 3.4), { minLength: 2, maxLength: 12 })
      .map((steps) =>
        steps.reduce<number[]>((rows, step) => [...rows, Math.ceil((rows.at(-1) ?? 0) * step)], [100_000]),
      ),
    leaving: fc.array(fc.nat(), { maxLength: 8 }),
    acked: fc.array(fc.nat(), { maxLength: 2 }),
  })
  /** Any history as `run` marks it, and a store that any of its nights have left. */
  const afterLeaving = ({ numbers, leaving }: { numbers: readonly number[]; leaving: readonly number[] }) => {
    const all = nightsOf(...numbers)
    const gone = new Set(leaving.map((which) => which % all.length))
    return { all, left: all.filter((_, index) => !gone.has(index)) }
  }

  test('that was found good stays good, whatever leaves the store', () => {
    let telling = 0
    fc.assert(
      fc.property(histories, (history) => {
        const { all, left } = afterLeaving(history)
        const wasGood = all.filter(({ key }) => !judgeDailies(all, []).suspicions.has(key)).map(({ key }) => key)
        const suspicious = [...judgeDailies(left, []).suspicions.keys()]
        expect(suspicious.filter((key) => wasGood.includes(key))).toEqual([])
        // One that is good and differs from the one before it in what is left: else the neighbours alone would do.
        const isChanged = left.some((one, index) => {
          const former = left[index + 1]
          return wasGood.includes(one.key) && former !== undefined && rowsIn(one) < rowsIn(former) * 0.8
        })
        telling += isChanged ? 1 : 0
      }),
      { numRuns: 1000 },
    )
    expect(telling).toBeGreaterThan(50)
  })

  test('that was made good by an acceptance stays good, whatever leaves the store', () => {
    let telling = 0
    fc.assert(
      fc.property(histories, (history) => {
        const { all, left } = afterLeaving(history)
        const acks = history.acked.map((which) => accepted(all, all[which % all.length]?.period ?? ''))
        const wasAccepted = new Set(acks.flatMap(({ backups }) => backups.map(({ s3Key }) => s3Key)))
        const suspicious = [...judgeDailies(left, acks).suspicions.keys()]
        expect(suspicious.filter((key) => wasAccepted.has(key))).toEqual([])
        telling += [...judgeDailies(left, []).suspicions.keys()].some((key) => wasAccepted.has(key)) ? 1 : 0
      }),
      { numRuns: 1000 },
    )
    expect(telling).toBeGreaterThan(50)
  })
})

const rowsIn = (backup: Backup): number => (backup.state === 'complete' ? (backup.manifest.keyTables[0]?.rows ?? 0) : 0)

describe('an acceptance', () => {
  test.each<readonly [string, readonly number[], string, readonly string[], string]>([
    ['of the last ruined night accepts those that led to it', [100, 10, 10, 10], '04', [], '04'],
    ['of the first ruined night accepts those after it: they are no worse', [100, 10, 10, 10], '02', [], '04'],
    ['accepts none that has lost more', [100, 50, 10], '02', ['03'], '02'],
    ['accepts none before it that has lost more: it was another loss', [100, 10, 50], '03', ['02'], '03'],
    ['of a night before the loss accepts nothing of it', [100, 10], '01', ['02'], '01'],
    [
      'reaches no further than a good night: what was repaired was another loss',
      [100, 10, 100, 10],
      '04',
      ['02'],
      '04',
    ],
    ['reaches no further than a good night, forwards', [100, 10, 100, 10], '02', ['04'], '03'],
    ['of a good night changes nothing', [100, 100], '02', [], '02'],
  ])('%s', (_what, numbers, day, suspicious, baseline) => {
    const catalog = nightsOf(...numbers)
    expect(judged(catalog, [accepted(catalog, `2026-02-${day}`)])).toEqual({
      suspicious: suspicious.map((one) => `2026-02-${one}`),
      baseline: `2026-02-${baseline}`,
    })
  })

  test('of the first ruined night stands for those after it, also when it has left the store itself', () => {
    const catalog = nightsOf(100, 10, 10, 10)
    const left = catalog.slice(0, -2)
    expect(left.map(({ period }) => period)).toEqual(['2026-02-04', '2026-02-03'])
    expect(judged(left, [accepted(catalog, '2026-02-02')]).suspicious).toEqual([])
  })

  test('of another loss than that of the night before accepts that one alone', () => {
    const of = (users: number, notes: number): Partial<Manifest> => ({
      keyTables: [
        { name: 'public.users', rows: users },
        { name: 'public.notes', rows: notes },
      ],
      anomalies: mark,
    })
    const catalog = [
      completeBackup('2026-02-03', of(100, 10)),
      completeBackup('2026-02-02', of(10, 100)),
      completeBackup('2026-02-01', { ...of(100, 100), anomalies: [] }),
    ]
    expect(judged(catalog, [accepted(catalog, '2026-02-03')]).suspicious).toEqual(['2026-02-02'])
  })

  test('of a backup that was replaced afterwards does not count: nobody has seen the other one', () => {
    const before = nightsOf(100, 10)
    const replaced = marked('2026-02-02', 10, { s3Key: 'r2', timestamp: '2026-02-02T10:00:00.000Z' })
    const catalog = [replaced, ...nightsOf(100)]
    expect(judged(catalog, [accepted(before, '2026-02-02')]).suspicious).toEqual(['2026-02-02'])
    expect(judged(catalog, [accepted(catalog, '2026-02-02')]).suspicious).toEqual([])
  })

  test('is of the archive that was seen, not of its name', () => {
    const catalog = nightsOf(100, 10)
    const other = [marked('2026-02-02', 10, { checksumSha256: digestOf('e') }), ...nightsOf(100)]
    expect(judged(other, [accepted(catalog, '2026-02-02')]).suspicious).toEqual(['2026-02-02'])
  })

  test('counts beside others', () => {
    const catalog = nightsOf(100, 50, 50, 10, 10, 1)
    const acks = [accepted(catalog, '2026-02-05'), accepted(catalog, '2026-02-02')]
    const expected = { suspicious: ['2026-02-06'], baseline: '2026-02-05' }
    expect(judged(catalog, acks)).toEqual(expected)
    expect(judged(catalog, acks.toReversed())).toEqual(expected)
  })
})

describe('no baseline is', () => {
  /** Where it is compared with nothing, it is told as on its own night. */
  const toldOf = (one: CompleteBackup, ...others: Catalog): readonly string[] | undefined =>
    judgeDailies([one, ...others], []).suspicions.get(one.key)

  test('a damaged backup', () => {
    const damaged: Backup = {
      state: 'damaged',
      tier: 'daily',
      period: '2026-02-02',
      key: dataKey('2026-02-02'),
      manifestKey: manifestKey('2026-02-02'),
      why: 'its object is missing',
      fault: 'missing-object',
    }
    expect(judged([marked('2026-02-03', 10), damaged, night('2026-02-01', 100)])).toEqual({
      suspicious: ['2026-02-03'],
      baseline: '2026-02-01',
    })
    expect(judged([night('2026-02-03', 10), damaged])).toEqual({ suspicious: [], baseline: '2026-02-03' })
    expect(toldOf(marked('2026-02-03', 10), damaged)).toEqual(mark)
  })

  test('one of the previous system: its counts came from the live database', () => {
    const key = dataKey('2026-02-01', { sealing: 'aes-256-gcm' })
    const held = holdings(
      { [key]: 1000 },
      {
        [manifestKey('2026-02-01')]: decodedOlder(
          olderManifestOf('2026-02-01', {
            tableCounts: { users: 1_000_000, respondents: 1, auditLogs: 1, submissions: 1 },
          }),
        ),
      },
    )
    const older = catalogOf(layout, held, [])
    expect(judged([night('2026-02-02', 10), ...older])).toEqual({ suspicious: [], baseline: '2026-02-02' })
    expect(toldOf(marked('2026-02-02', 10), ...older)).toEqual(mark)
  })

  test('an orphan', () => {
    const orphans = catalogOf(layout, holdings({ [dataKey('2026-02-01')]: 1_000_000 }, {}), [])
    expect(judged([night('2026-02-02', 10), ...orphans]).baseline).toBe('2026-02-02')
    expect(toldOf(marked('2026-02-02', 10), ...orphans)).toEqual(mark)
  })

  test('a monthly, as long as there is a daily that nothing speaks against; and none is judged', () => {
    const monthly = completeBackup('2026-01', { keyTables: users(100) })
    const ruinedMonthly = completeBackup('2026-02', { keyTables: users(1), anomalies: mark })
    expect(judged([night('2026-02-02', 10), monthly])).toEqual({ suspicious: [], baseline: '2026-02-02' })
    expect(toldOf(marked('2026-02-02', 10), monthly)).toEqual(mark)
    expect(judged([night('2026-02-02', 100), ruinedMonthly]).suspicious).toEqual([])
  })
})

test('the newest monthly is the baseline of the next night where every daily is lost or ruined', () => {
  const monthlies = [completeBackup('2026-01'), completeBackup('2025-12')]
  expect(judged(monthlies).baseline).toBe('2026-01')
  expect(judged([marked('2026-02-02', 10), ...monthlies])).toEqual({ suspicious: ['2026-02-02'], baseline: '2026-01' })
})
