import type { KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { acceptanceOf, type Ack } from '../../src/domain/ack.ts'
import { daysBefore } from '../../src/domain/calendar.ts'
import { catalogOf, isComplete, type Catalog } from '../../src/domain/catalog.ts'
import type { ObjectKey } from '../../src/domain/key.ts'
import { decodeManifest, type DecodedManifest, type Manifest } from '../../src/domain/manifest.ts'
import { planRetention, type RetentionPlan, type RetentionPolicy } from '../../src/domain/retention.ts'
import {
  completeBackup,
  dataKey,
  decoded,
  decodedOlder,
  digestOf,
  holdings,
  layout,
  manifestKey,
  manifestOf,
  modifiedAt,
  newKeyPair,
  olderManifestOf,
  signedBy,
} from '../support/builders.ts'

const policy: RetentionPolicy = { dailyDays: 7, monthlyMonths: 84, keepAtLeast: 3, olderCount: true }
/** A floor of one, so that the calendar alone is seen at work. */
const byCalendar: RetentionPolicy = { ...policy, keepAtLeast: 1 }
const hourMs = 3_600_000

/** A part of what lies in a store. */
interface Part {
  readonly objects: Readonly<Record<string, number>>
  readonly manifests: Readonly<Record<string, DecodedManifest>>
}
const good = (period: string, more: Partial<Manifest> = {}): Part => ({
  objects: { [more.s3Key ?? dataKey(period)]: 1000 },
  manifests: { [manifestKey(period)]: decoded(manifestOf(period, more)) },
})
/** All users are lost: an anomaly against every good one. */
const ruined = (day: string): Part =>
  good(day, {
    keyTables: [{ name: 'public.respondents', rows: 3 }],
    tables: [{ name: 'public.respondents', rows: 3, bytes: 60, sha256: digestOf('d') }],
    anomalies: ['The key table public.users has vanished.'],
  })
const older = (period: string): Part => ({
  objects: { [dataKey(period, { sealing: 'aes-256-gcm' })]: 1000 },
  manifests: {
    [manifestKey(period)]: decodedOlder(olderManifestOf(period.length === 7 ? `${period}-01` : period)),
  },
})
/** The object is shorter than its manifest says. */
const damaged = (period: string): Part => ({ ...good(period), objects: { [dataKey(period)]: 999 } })
const withoutObject = (period: string): Part => ({ ...good(period), objects: {} })
const unreadable = (period: string): Part => ({
  ...good(period),
  manifests: { [manifestKey(period)]: decodeManifest('{') },
})
/** Last modified at `modifiedAt`, 2026-02-24T01:01:05Z, as all objects here. */
const orphan = (key: ObjectKey): Part => ({ objects: { [key]: 1000 }, manifests: {} })

/** A manifest in the place of another one, which names an archive that was put there as well. */
const forged = (day: string, more: Partial<Manifest>): Part =>
  good(day, { s3Key: dataKey(day, { revision: 2 }), ...more })

const catalogWith = (parts: readonly Part[], trusted: readonly KeyObject[] = []): Catalog =>
  catalogOf(
    layout,
    holdings(
      Object.fromEntries(parts.flatMap(({ objects }) => Object.entries(objects))),
      Object.fromEntries(parts.flatMap(({ manifests }) => Object.entries(manifests))),
    ),
    trusted,
  )

const accepted = (day: string, more: Partial<Manifest> = {}): Ack =>
  acceptanceOf(completeBackup(day, more), {
    neighbours: [],
    anomalies: [],
    reason: 'test accounts removed',
    now: new Date(`${day}T09:00:00.000Z`),
    key: undefined,
  })

const plan = (
  parts: readonly Part[],
  now: string,
  { with: asked = policy, acks = [] }: { readonly with?: RetentionPolicy; readonly acks?: readonly Ack[] } = {},
): RetentionPlan => planRetention(layout, { catalog: catalogWith(parts), acks }, asked, new Date(now))

const goes = ({ remove }: RetentionPlan): string[] => remove.map(({ backup }) => backup.period)
const goingKeys = ({ remove }: RetentionPlan): string[] => remove.map(({ backup }) => backup.key)
/** Why a backup stays or goes, by its period or its key. */
const why = ({ keep, remove }: RetentionPlan, which: string): readonly string[] => {
  const found = [...keep, ...remove].filter(({ backup }) => backup.period === which || backup.key === which)
  if (found[0] === undefined || found.length > 1) throw new Error(`${String(found.length)} backups are ${which}`)
  return found[0].because
}
const daysUpTo = (day: string, number: number): string[] =>
  Array.from({ length: number }, (_, index) => daysBefore(day, index))
/** The last three nights: with fewer since a gap, nothing goes. */
const nights = (today: string): Part[] => daysUpTo(today, 3).map((day) => good(day))

describe('dailies', () => {
  // Today counts: seven days are today and six before.
  test.each([
    ['in the middle of a month', '2026-02-24', '2026-02-18', '2026-02-17'],
    ['over the end of a month of 30 days', '2026-05-02', '2026-04-26', '2026-04-25'],
    ['over the end of a month of 31 days', '2026-04-05', '2026-03-30', '2026-03-29'],
    ['on the last day of a month', '2026-03-31', '2026-03-25', '2026-03-24'],
    ['over the end of February', '2026-03-03', '2026-02-25', '2026-02-24'],
    ['over a leap day', '2028-03-03', '2028-02-26', '2028-02-25'],
    ['on a leap day', '2028-02-29', '2028-02-23', '2028-02-22'],
    ['a week after a leap day', '2028-03-06', '2028-02-29', '2028-02-28'],
    ['eight days after a leap day', '2028-03-07', '2028-03-01', '2028-02-29'],
    ['over the turn of a year', '2027-01-02', '2026-12-27', '2026-12-26'],
    ['on New Year', '2027-01-01', '2026-12-26', '2026-12-25'],
    ['in a century that has no leap day', '2100-03-02', '2100-02-24', '2100-02-23'],
  ])('of the last seven days stay, the eighth goes: %s', (_what, today, seventh, eighth) => {
    const months = [...new Set([today, seventh, eighth].map((day) => day.slice(0, 7)))].map((month) => good(month))
    const made = plan([...nights(today), good(seventh), good(eighth), ...months], `${today}T02:00:00.000Z`, {
      with: byCalendar,
    })
    expect(goes(made)).toEqual([eighth])
    expect(why(made, seventh)).toEqual(['within the last 7 days'])
    expect(why(made, eighth)).toEqual(['older than 7 days'])
  })

  test.each([
    ['the first instant of the 24th', '2026-02-24T00:00:00.000Z', ['2026-02-17']],
    ['the last instant of the 24th', '2026-02-24T23:59:59.999Z', ['2026-02-17']],
    ['the first instant of the 25th', '2026-02-25T00:00:00.000Z', ['2026-02-18', '2026-02-17']],
    ['the last instant of the 23rd', '2026-02-23T23:59:59.999Z', []],
  ])('are counted in UTC days: at %s', (_what, now, gone) => {
    const days = [...nights('2026-02-23'), good('2026-02-18'), good('2026-02-17'), good('2026-02')]
    expect(goes(plan(days, now, { with: byCalendar }))).toEqual(gone)
  })

  test('stay as many days as the policy says', () => {
    const days = [...daysUpTo('2026-02-24', 12).map((day) => good(day)), good('2026-02')]
    const kept = (dailyDays: number): number =>
      days.length - plan(days, '2026-02-24T02:00:00.000Z', { with: { ...byCalendar, dailyDays } }).remove.length - 1
    expect([1, 2, 7, 12, 30].map(kept)).toEqual([1, 2, 7, 12, 12])
  })

  test('are named with the days of the policy', () => {
    const made = plan([good('2026-02-24'), good('2026-02-23'), good('2026-02')], '2026-02-24T02:00:00.000Z', {
      with: { ...byCalendar, dailyDays: 1 },
    })
    expect(why(made, '2026-02-24')).toEqual([
      'within the last 1 days',
      'the newest complete one',
      'one of the newest 1 good ones',
    ])
    expect(why(made, '2026-02-23')).toEqual(['older than 1 days'])
  })

  test.each([
    ['complete', good],
    ['older', older],
    ['damaged', damaged],
    ['without their object', withoutObject],
    ['without a manifest that can be read', unreadable],
  ])('that are %s go by the calendar', (_what, part) => {
    const made = plan(
      [...nights('2026-02-24'), good('2026-02'), part('2026-02-18'), part('2026-02-17')],
      '2026-02-24T02:00:00.000Z',
      { with: byCalendar },
    )
    expect(goes(made)).toEqual(['2026-02-17'])
    expect(why(made, '2026-02-17')).toEqual(['older than 7 days'])
    expect(why(made, '2026-02-18')).toEqual(['within the last 7 days'])
  })
})

describe('monthlies', () => {
  test.each([
    ['in the middle of a year', '2026-06-10', 84, '2019-07', '2019-06'],
    ['in January', '2026-01-31', 84, '2019-02', '2019-01'],
    ['in December', '2026-12-31', 84, '2020-01', '2019-12'],
    ['on a leap day', '2028-02-29', 84, '2021-03', '2021-02'],
    // Where a month is counted back from the 31st, February must not be jumped over.
    ['on the 31st, two months', '2026-03-31', 2, '2026-02', '2026-01'],
    ['over the turn of a year, two months', '2026-01-15', 2, '2025-12', '2025-11'],
    ['a single month', '2026-02-24', 1, '2026-02', '2026-01'],
    ['twelve months', '2026-02-24', 12, '2025-03', '2025-02'],
  ])('of the last months stay, the one before goes: %s', (_what, today, monthlyMonths, last, beyond) => {
    const made = plan([good(today), good(last), good(beyond)], `${today}T02:00:00.000Z`, {
      with: { ...byCalendar, monthlyMonths },
    })
    expect(goes(made)).toEqual([beyond])
    expect(why(made, last)).toEqual([`within the last ${String(monthlyMonths)} months`])
    expect(why(made, beyond)).toEqual([`older than ${String(monthlyMonths)} months`])
  })

  test.each([
    ['of the previous system', older],
    ['that are damaged', damaged],
    ['without their object', withoutObject],
    ['without a manifest that can be read', unreadable],
  ])('%s stay as long as all others', (_what, part) => {
    const made = plan([good('2026-02-24'), part('2019-03'), part('2019-02')], '2026-02-24T02:00:00.000Z')
    expect(goes(made)).toEqual(['2019-02'])
    expect(why(made, '2019-03')).toEqual(['within the last 84 months'])
  })

  test('are no dailies: a day of their month keeps none of them, and they keep no day', () => {
    const made = plan([...nights('2026-02-24'), good('2026-01-31'), good('2026-01')], '2026-02-24T02:00:00.000Z', {
      with: { ...byCalendar, monthlyMonths: 1 },
    })
    expect(goes(made)).toEqual(['2026-01-31', '2026-01'])
  })
})

describe('the floor', () => {
  const now = '2026-03-02T02:00:00.000Z'
  const months = ['2026-03', '2026-02', '2026-01'].map((month) => good(month))
  /** The calendar keeps a single day, so that the floor is seen at work on nights that follow each other. */
  const aDay = { ...policy, dailyDays: 1 }
  const kept = (parts: readonly Part[], more: Partial<RetentionPolicy> = {}): string[] => {
    const made = plan([...months, ...parts], now, { with: { ...aDay, ...more } })
    expect(made.held).toEqual([])
    return made.keep.flatMap(({ backup }) => (backup.tier === 'daily' ? [backup.period] : []))
  }
  const days = daysUpTo('2026-03-02', 6)
  /** One night in between has failed; more, and everything would be held. */
  const gappy = ['2026-03-02', '2026-02-28', '2026-02-26', '2026-02-25', '2026-02-24']
  const between = ['2026-03-01', '2026-02-27']

  // Monthlies are among them by their dates, and do not count.
  test.each([1, 2, 3, 4, 5, 6, 7])('keeps the newest %d good ones', (keepAtLeast) => {
    expect(
      kept(
        days.map((day) => good(day)),
        { keepAtLeast },
      ),
    ).toEqual(days.slice(0, keepAtLeast))
  })

  test('says so', () => {
    const made = plan([...months, ...days.map((day) => good(day))], now, { with: aDay })
    expect(why(made, '2026-03-02')).toEqual([
      'within the last 1 days',
      'the newest complete one',
      'one of the newest 3 good ones',
    ])
    expect(why(made, '2026-02-28')).toEqual(['one of the newest 3 good ones'])
    expect(why(made, '2026-02-27')).toEqual(['older than 1 days'])
  })

  test.each([
    [1, ['2026-03-02']],
    [2, ['2026-03-02', '2026-03-01']],
    [3, ['2026-03-02', '2026-03-01', '2026-01-20']],
    [4, ['2026-03-02', '2026-03-01', '2026-01-20', '2024-02-29']],
    [9, ['2026-03-02', '2026-03-01', '2026-01-20', '2024-02-29', '2019-01-05']],
  ])('is the newest %d good ones however old they are', (keepAtLeast, floor) => {
    const ages = ['2026-03-02', '2026-03-01', '2026-01-20', '2024-02-29', '2019-01-05'].map((day) => good(day))
    const { keep } = plan([...months, ...ages], now, { with: { ...policy, keepAtLeast } })
    const reason = `one of the newest ${String(keepAtLeast)} good ones`
    expect(keep.flatMap(({ backup, because }) => (because.includes(reason) ? [backup.period] : []))).toEqual(floor)
  })

  test.each([
    ['whose object is too short', damaged],
    ['whose object is missing', withoutObject],
    ['whose manifest cannot be read', unreadable],
    ['without a manifest', (day: string) => orphan(dataKey(day))],
    ['without a manifest, of the previous system', (day: string) => orphan(dataKey(day, { sealing: 'aes-256-gcm' }))],
    ['with an anomaly that nobody has accepted', ruined],
  ])('does not count a backup %s', (_what, part) => {
    const made = plan([...months, ...gappy.map((day) => good(day)), ...between.map(part)], now, { with: aDay })
    expect(made.held).toEqual([])
    expect(why(made, '2026-02-26')).toEqual(['one of the newest 3 good ones'])
    expect(why(made, '2026-02-25')).toEqual(['older than 1 days'])
    for (const day of between) expect(why(made, day)).not.toContain('one of the newest 3 good ones')
  })

  test('counts one with an anomaly that is accepted', () => {
    const parts = [...gappy.map((day) => good(day)), ...between.map(ruined)]
    const made = plan([...months, ...parts], now, { with: aDay, acks: [accepted('2026-03-01')] })
    expect(why(made, '2026-03-01')).toContain('one of the newest 3 good ones')
    expect(why(made, '2026-02-26')).toEqual(['older than 1 days'])
  })

  test('counts a day once, whatever replacements it had', () => {
    const replaced = [
      good('2026-03-02', { s3Key: dataKey('2026-03-02', { revision: 3 }) }),
      orphan(dataKey('2026-03-02')),
      orphan(dataKey('2026-03-02', { revision: 2 })),
    ]
    expect(new Set(kept([...replaced, ...days.slice(1).map((day) => good(day))]))).toEqual(new Set(days.slice(0, 3)))
  })

  test('counts backups of the previous system where no keys are trusted', () => {
    const parts = [...gappy.map((day) => good(day)), ...between.map(older)]
    expect(kept(parts, { olderCount: true })).toEqual(['2026-03-02', '2026-03-01', '2026-02-28'])
  })

  test('does not count them where keys are trusted: anybody could have put them there', () => {
    const parts = [...gappy.map((day) => good(day)), ...between.map(older)]
    expect(kept(parts, { olderCount: false })).toEqual(['2026-03-02', '2026-02-28', '2026-02-26'])
  })
})

describe('the first good daily of a month', () => {
  const now = '2026-02-24T02:00:00.000Z'
  const january = ['2026-01-10', '2026-01-02', '2026-01-03'].map((day) => good(day))
  const made = (...parts: readonly Part[]): RetentionPlan =>
    plan([...nights('2026-02-24'), good('2026-02'), ...parts], now, { with: byCalendar })

  test('stays until its monthly exists', () => {
    const waiting = made(...january)
    expect(goes(waiting)).toEqual(['2026-01-10', '2026-01-03'])
    expect(why(waiting, '2026-01-02')).toEqual(['the first good one of 2026-01, which has no good monthly yet'])
    expect(goes(made(...january, good('2026-01')))).toEqual(['2026-01-10', '2026-01-03', '2026-01-02'])
  })

  test.each([
    ['damaged', damaged('2026-01')],
    ['without its object', withoutObject('2026-01')],
    ['without a manifest that can be read', unreadable('2026-01')],
    ["the previous system's", older('2026-01')],
    ['an orphan', orphan(dataKey('2026-01'))],
  ])('stays while its monthly is %s', (_what, monthly) => {
    expect(why(made(...january, monthly), '2026-01-02')).toContain(
      'the first good one of 2026-01, which has no good monthly yet',
    )
  })

  test.each([
    ['missing', []],
    ['damaged', [damaged('2026-01-01')]],
    ['without its object', [withoutObject('2026-01-01')]],
    ["the previous system's", [older('2026-01-01')]],
    ['an orphan', [orphan(dataKey('2026-01-01'))]],
    ['ruined', [good('2025-12-31'), ruined('2026-01-01')]],
  ])('is the next good one where the first is %s', (_what, first) => {
    expect(why(made(...first, ...january), '2026-01-02')).toContain(
      'the first good one of 2026-01, which has no good monthly yet',
    )
  })

  test('is wanted for each month, and for the running one too', () => {
    const parts = [
      '2026-02-24',
      '2026-02-23',
      '2026-02-03',
      '2026-01-02',
      '2025-12-31',
      '2025-12-30',
      '2024-02-29',
    ].map((day) => good(day))
    const plan84 = plan(parts, now, { with: byCalendar })
    expect(goes(plan84)).toEqual(['2025-12-31'])
    expect(why(plan84, '2024-02-29')).toEqual(['the first good one of 2024-02, which has no good monthly yet'])
    expect(why(plan84, '2026-02-03')).toEqual(['the first good one of 2026-02, which has no good monthly yet'])
  })

  test('is wanted for the months of the policy alone', () => {
    const parts = [...nights('2026-02-24'), good('2026-02'), good('2019-03-05'), good('2019-02-05')]
    const made84 = plan(parts, now, { with: byCalendar })
    expect(goes(made84)).toEqual(['2019-02-05'])
    expect(why(made84, '2019-03-05')).toEqual(['the first good one of 2019-03, which has no good monthly yet'])
  })
})

describe('a month that has nothing but ruined dailies', () => {
  const now = '2026-03-08T02:00:00.000Z'
  const around = [good('2026-01'), good('2026-03'), ...daysUpTo('2026-03-08', 7).map((day) => good(day))]
  const ofFebruary = ['2026-02-12', '2026-02-10', '2026-02-11'].map(ruined)
  const february = (more: readonly Part[], acks: readonly Ack[] = []): string[] =>
    goes(plan([...around, ...ofFebruary, ...more], now, { acks })).filter((period) => period.startsWith('2026-02'))
  const firstStays = ['2026-02-12', '2026-02-11']

  test.each<readonly [string, readonly Part[]]>([
    ['there is no other', []],
    ['what it was compared with is there', [good('2026-01-31')]],
    ['its monthly is damaged', [damaged('2026-02')]],
    ['its monthly has no object', [withoutObject('2026-02')]],
    ['the manifest of its monthly cannot be read', [unreadable('2026-02')]],
    ["its monthly is the previous system's", [older('2026-02')]],
  ])('keeps the first of them: %s', (_what, more) => {
    expect(february(more)).toEqual(firstStays)
  })

  test.each<readonly [string, readonly Part[], readonly string[]]>([
    ['damaged', [damaged('2026-02-09')], ['2026-02-09']],
    ["the previous system's", [older('2026-02-09')], ['2026-02-09']],
  ])('keeps the first complete one, which a daily that is %s is not', (_what, more, gone) => {
    expect(february(more)).toEqual([...firstStays, ...gone])
  })

  test.each<readonly [string, readonly Part[], readonly string[]]>([
    ['a complete monthly', [good('2026-02')], ['2026-02-12', '2026-02-11', '2026-02-10']],
    ['a good daily after them', [good('2026-02-20')], ['2026-02-12', '2026-02-11', '2026-02-10']],
    ['a good daily before them', [good('2026-02-01')], ['2026-02-12', '2026-02-11', '2026-02-10']],
  ])('keeps none of them where it has %s', (_what, more, gone) => {
    expect(february(more)).toEqual(gone)
  })

  test('keeps none of them when it is none of the months of the policy', () => {
    const made = plan([...around, ...ofFebruary], now, { with: { ...policy, monthlyMonths: 1 } })
    expect(goes(made)).toEqual(['2026-02-12', '2026-02-11', '2026-02-10', '2026-01'])
  })

  test('holds nothing and keeps nothing else: what is older goes by the calendar', () => {
    const made = plan([...around, ...ofFebruary, good('2026-01-31'), damaged('2026-01-30')], now)
    expect(made.held).toEqual([])
    expect(goes(made)).toEqual([...firstStays, '2026-01-31', '2026-01-30'])
  })

  test('does not call it a good one', () => {
    const made = plan([...around, ...ofFebruary], now)
    expect(made.keep.map(({ backup }) => backup.period)).toContain('2026-02-10')
    expect(why(made, '2026-02-10').join()).not.toContain('first good one')
  })

  test('has a good one as soon as the loss is accepted', () => {
    const acks = ['2026-02-10', '2026-02-11', '2026-02-12'].map((day) => accepted(day))
    const made = plan([...around, ...ofFebruary], now, { acks })
    expect(goes(made)).toEqual(firstStays)
    expect(why(made, '2026-02-10')).toEqual(['the first good one of 2026-02, which has no good monthly yet'])
  })
})

describe('an anomaly that nobody has accepted', () => {
  const week = ['2026-02-10', '2026-02-11', '2026-02-12'].map((day) => good(day))

  test('in the newest backup holds everything, and says what was lost', () => {
    const made = plan(
      [...week, good('2026-02-23'), good('2026-02'), ruined('2026-02-24')],
      '2026-02-24T02:00:00.000Z',
      {
        with: byCalendar,
      },
    )
    expect(made).toMatchObject({
      heldBack: 3,
      held: [
        'The newest backup, of 2026-02-24, carries an anomaly that nobody has accepted: The key table public.users has vanished.',
      ],
      remove: [],
    })
  })

  test('seven ruined nights in a row do not outlive the good week', () => {
    const fortnight = [
      ...['11', '12', '13', '14', '15', '16', '17'].map((day) => good(`2026-02-${day}`)),
      ...['18', '19', '20', '21', '22', '23', '24'].map((day) => ruined(`2026-02-${day}`)),
      good('2026-02'),
    ]
    const made = plan(fortnight, '2026-02-24T02:00:00.000Z', { with: byCalendar })
    expect(made.remove).toEqual([])
    expect(why(made, '2026-02-11')).toEqual(['held back; would go: older than 7 days'])
  })

  test('nor when the eighth night has recovered: they stay while a ruined one is within the days', () => {
    const fortnight = [
      ...['11', '12', '13', '14', '15', '16', '17'].map((day) => good(`2026-02-${day}`)),
      ...['18', '19', '20', '21', '22', '23', '24'].map((day) => ruined(`2026-02-${day}`)),
      good('2026-02-25'),
      good('2026-02'),
    ]
    const made = plan(fortnight, '2026-02-25T02:00:00.000Z', { with: byCalendar })
    expect(made).toMatchObject({ held: [], remove: [] })
    expect(why(made, '2026-02-18')).toEqual(['older than the backup of 2026-02-24, whose anomaly nobody has accepted'])
  })

  test('keeps every daily before it, whatever its state, and no monthly', () => {
    const parts = [
      ...nights('2026-02-24'),
      ruined('2026-02-20'),
      ...week,
      damaged('2026-02-09'),
      older('2026-02-08'),
      orphan(dataKey('2026-02-07', { sealing: 'aes-256-gcm' })),
      good('2026-02'),
      good('2018-01'),
    ]
    const made = plan(parts, '2026-02-24T02:00:00.000Z', { with: { ...byCalendar, olderCount: false } })
    expect(goes(made)).toEqual(['2018-01'])
    for (const day of ['2026-02-10', '2026-02-09', '2026-02-08', '2026-02-07'])
      expect(why(made, day)).toContain('older than the backup of 2026-02-20, whose anomaly nobody has accepted')
  })

  test('does not keep what is newer than it, nor itself', () => {
    const parts = [...nights('2026-02-24'), good('2026-02-19'), ruined('2026-02-18'), ...week, good('2026-02')]
    const made = plan(parts, '2026-02-24T02:00:00.000Z', { with: byCalendar })
    expect(why(made, '2026-02-19')).toEqual(['within the last 7 days'])
    expect(why(made, '2026-02-18')).toEqual(['within the last 7 days'])
    expect(why(made, '2026-02-12')).toEqual(['older than the backup of 2026-02-18, whose anomaly nobody has accepted'])
  })

  test('keeps what is older for as long as it is within the days itself, and then goes together with it', () => {
    const made = (day: string): RetentionPlan =>
      plan([...nights('2026-02-24'), ruined(day), ...week, good('2026-02')], '2026-02-24T02:00:00.000Z')
    expect(goes(made('2026-02-18'))).toEqual([])
    expect(goes(made('2026-02-17'))).toEqual(['2026-02-17', '2026-02-12', '2026-02-11', '2026-02-10'])
  })

  test('of several is told by the newest', () => {
    const parts = [...nights('2026-02-24'), ruined('2026-02-20'), ruined('2026-02-19'), ...week]
    expect(why(plan(parts, '2026-02-24T02:00:00.000Z'), '2026-02-12')).toContain(
      'older than the backup of 2026-02-20, whose anomaly nobody has accepted',
    )
  })

  test('that is newest holds everything however old it is', () => {
    const made = plan([...week, good('2026-02'), ruined('2026-02-13')], '2026-02-24T02:00:00.000Z', {
      with: byCalendar,
    })
    expect(made.held.some((sentence) => sentence.startsWith('The newest backup, of 2026-02-13, carries an'))).toBe(true)
    expect(made.remove).toEqual([])
  })

  test('holds no more when it is accepted', () => {
    const parts = [...week, good('2026-02-23'), good('2026-02'), ruined('2026-02-24')]
    const made = plan(parts, '2026-02-24T12:00:00.000Z', { with: byCalendar, acks: [accepted('2026-02-24')] })
    expect(made.held).toEqual([])
    expect(goes(made)).toEqual(['2026-02-12', '2026-02-11', '2026-02-10'])
  })

  test('in a damaged or older backup is none: what they hold is not known', () => {
    const parts = [...nights('2026-02-22'), damaged('2026-02-23'), older('2026-02-24')]
    expect(plan(parts, '2026-02-24T01:00:00.000Z').held).toEqual([])
  })

  // February has a monthly of the previous system, which is not written over, so the daily of the 10th stays for years.
  const ofLongAgo = (rows: number): Part[] => [
    good('2026-02-10', { keyTables: [{ name: 'public.users', rows }] }),
    older('2026-02'),
    good('2026-06'),
  ]
  const foundGood = (rows: number): Partial<Manifest> => ({ keyTables: [{ name: 'public.users', rows }] })

  test('and was accepted stays accepted when the accepted backup has left by the calendar', () => {
    const week = daysUpTo('2026-06-24', 7).map((day) => good(day, foundGood(1)))
    const made = plan([...ofLongAgo(2), ...week, good('2026-06-17', foundGood(1))], '2026-06-24T02:00:00.000Z', {
      acks: [accepted('2026-06-16')],
    })
    expect(made.held).toEqual([])
    expect(goes(made)).toEqual(['2026-06-17'])
  })

  test('is no slow decline that is seen only against a daily of long ago: each night was found good', () => {
    const week = daysUpTo('2026-06-24', 8).map((day, index) => good(day, foundGood(700 + index)))
    const made = plan([...ofLongAgo(1000), ...week], '2026-06-24T02:00:00.000Z')
    expect(made.held).toEqual([])
    expect(goes(made)).toEqual(['2026-06-17'])
  })
})

describe('a stale newest backup', () => {
  const parts = [...nights('2026-02-24'), good('2026-02-01'), good('2026-02')]
  const at = (ageMs: number): RetentionPlan =>
    plan(parts, new Date(Date.parse('2026-02-24T01:00:00.000Z') + ageMs).toISOString(), { with: byCalendar })

  test('holds everything from 48 h on: older ones may be all there is', () => {
    expect(at(48 * hourMs)).toMatchObject({ held: [], heldBack: 0 })
    expect(goes(at(48 * hourMs))).toEqual(['2026-02-01'])
    expect(at(48 * hourMs + 1)).toMatchObject({
      held: ['The newest complete backup is 2 d 0 h old, more than 48 h.'],
      remove: [],
      heldBack: 1,
    })
    // Here the two nights before it have left the seven days as well; they are held back too.
    expect(at(8 * 24 * hourMs)).toMatchObject({ remove: [], heldBack: 3 })
    expect(at(36 * 24 * hourMs).held).toEqual(['The newest complete backup is 36 d 0 h old, more than 48 h.'])
  })

  test('says of each what would go and why', () => {
    expect(why(at(48 * hourMs + 1), '2026-02-01')).toEqual(['held back; would go: older than 7 days'])
    expect(why(at(48 * hourMs + 1), '2026-02-24')).not.toContain('held back; would go: older than 7 days')
  })

  test.each([
    ['damaged', damaged('2026-02-27')],
    ["the previous system's", older('2026-02-27')],
    ['an orphan', orphan(dataKey('2026-02-27'))],
  ])('is not made fresh by one that is %s', (_what, fresh) => {
    expect(plan([...parts, fresh], '2026-02-27T02:00:00.000Z').held).toContain(
      'The newest complete backup is 3 d 1 h old, more than 48 h.',
    )
  })

  test('is told by when it was started, not by the day of its name', () => {
    const late = good('2026-02-24', { timestamp: '2026-02-24T23:30:00.000Z' })
    const held = (now: string): readonly string[] => plan([late], now).held
    expect(held('2026-02-26T23:30:00.000Z')).toEqual([])
    expect(held('2026-02-26T23:30:00.001Z')).toHaveLength(1)
  })

  test('may be a monthly: it is the copy of a daily', () => {
    expect(plan([good('2026-02', { timestamp: '2026-02-24T01:00:00.000Z' })], '2026-02-25T01:00:00.000Z').held).toEqual(
      [],
    )
  })
})

describe('a gap before one of the newest nights', () => {
  const old = [good('2026-02-02'), good('2026-02-01'), good('2026-02')]
  const gapBefore = (day: string, length: string, nightsAfter: number): string =>
    `There is a gap of ${length} before the backup of ${day}: after an outage, or because a clock is wrong. Nothing is removed until ${String(nightsAfter)} nights have followed it.`
  const afterGap = (former: string, now = '2026-02-24T02:00:00.000Z', ...more: readonly Part[]): RetentionPlan =>
    plan([good('2026-02-24'), good(former.slice(0, 10), { timestamp: former }), ...old, ...more], now, {
      with: byCalendar,
    })

  test('of more than 50 h holds everything: nobody knows yet that it is not the clock that is wrong', () => {
    const whole = afterGap('2026-02-21T23:00:00.000Z')
    expect(whole.held).toEqual([])
    expect(goes(whole)).toEqual(['2026-02-02', '2026-02-01'])
    expect(afterGap('2026-02-21T22:59:59.999Z')).toMatchObject({
      held: [gapBefore('2026-02-24', '2 d 2 h', 2)],
      remove: [],
      heldBack: 2,
    })
  })

  test('is none where a single night has failed', () => {
    const parts = ['2026-02-24', '2026-02-22', '2026-02-20'].map((day) => good(day))
    const made = plan([...parts, ...old], '2026-02-24T02:00:00.000Z')
    expect(made.held).toEqual([])
    expect(goes(made)).toEqual(['2026-02-02', '2026-02-01'])
  })

  // With fewer than two there is nothing that a gap could be seen by.
  test.each([
    [1, 2],
    [2, 2],
    [3, 3],
    [5, 5],
  ])('holds, where %d are always kept, until %d nights have followed it', (keepAtLeast, needed) => {
    const after = (number: number): RetentionPlan =>
      plan([...daysUpTo('2026-02-24', number).map((day) => good(day)), ...old], '2026-02-24T02:00:00.000Z', {
        with: { ...policy, keepAtLeast },
      })
    for (let number = 1; number < needed; number += 1) {
      expect(after(number).held).toEqual([expect.stringMatching(/^There is a gap of/)])
      expect(after(number).remove).toEqual([])
    }
    expect(after(needed - 1).held).toEqual([
      gapBefore(daysBefore('2026-02-24', needed - 2), `${String(24 - needed)} d 0 h`, needed),
    ])
    expect(after(needed).held).toEqual([])
    expect(goes(after(needed))).toEqual(['2026-02-02', '2026-02-01'])
  })

  test('is judged to the millisecond before each of them', () => {
    const held = (timestamp: string): readonly string[] =>
      plan([good('2026-02-24'), good('2026-02-23'), good(timestamp.slice(0, 10), { timestamp })], now).held
    const now = '2026-02-24T02:00:00.000Z'
    expect(held('2026-02-20T23:00:00.000Z')).toEqual([])
    expect(held('2026-02-20T22:59:59.999Z')).toEqual([gapBefore('2026-02-23', '2 d 2 h', 3)])
  })

  test('of several is told by the newest', () => {
    const parts = ['2026-02-24', '2026-02-20', '2026-02-10'].map((day) => good(day))
    expect(plan(parts, '2026-02-24T02:00:00.000Z').held).toEqual([gapBefore('2026-02-24', '4 d 0 h', 3)])
  })

  test.each([
    ['damaged', damaged('2026-02-23')],
    ['without its object', withoutObject('2026-02-23')],
    ['an orphan', orphan(dataKey('2026-02-23'))],
  ])('is closed by nights alone, which a backup that is %s proves none', (_what, between) => {
    expect(afterGap('2026-02-21T22:00:00.000Z', '2026-02-24T02:00:00.000Z', between).held).toHaveLength(1)
  })

  test("is closed by the previous system's nights as well", () => {
    expect(afterGap('2026-02-21T22:00:00.000Z', '2026-02-24T02:00:00.000Z', older('2026-02-23')).held).toEqual([])
    const first = [good('2026-02-24'), ...daysUpTo('2026-02-23', 9).map(older), good('2026-02')]
    expect(goes(plan(first, '2026-02-24T02:00:00.000Z'))).toEqual(['2026-02-17', '2026-02-16', '2026-02-15'])
  })

  test('is closed by a ruined one as well', () => {
    const made = afterGap('2026-02-21T22:00:00.000Z', '2026-02-24T02:00:00.000Z', ruined('2026-02-23'))
    expect(made.held).toEqual([])
  })

  test('is told by dailies alone', () => {
    const monthly = good('2026-01', { timestamp: '2026-01-31T01:00:00.000Z' })
    expect(plan([good('2026-02-24'), monthly], '2026-02-24T02:00:00.000Z').held).toEqual([])
  })

  test('is none where there is only one: it is the first', () => {
    expect(plan([good('2026-02-24'), damaged('2026-02-01')], '2026-02-24T02:00:00.000Z').held).toEqual([])
  })

  test.each([
    ['before the night', 1, 4],
    ['for ever, and this is the second night', 2, 4],
  ])('saves seven years where a clock has jumped ahead %s, and its backup looks fresh', (_what, number, heldBack) => {
    const ahead = daysUpTo('2034-02-25', number).map((day) => good(day))
    const parts = [...ahead, ...nights('2026-02-24'), good('2026-02'), good('2026-01'), good('2019-03')]
    const made = plan(parts, '2034-02-25T02:00:00.000Z')
    expect(made.remove).toEqual([])
    expect(made.heldBack).toBeGreaterThanOrEqual(heldBack)
    expect(made.keep).toHaveLength(parts.length)
  })
})

describe('where there is no complete backup', () => {
  test.each([
    ['nothing at all', []],
    ['damaged ones alone', [damaged('2026-02-24'), damaged('2026-02-01')]],
    ["the previous system's alone", [older('2026-02-24'), older('2026-02-01')]],
    ['orphans alone', [orphan(dataKey('2026-02-24')), orphan(dataKey('2026-02-01'))]],
  ])('nothing goes: %s', (_what, parts) => {
    const made = plan(parts, '2026-03-24T02:00:00.000Z')
    expect(made.held[0]).toBe('There is no complete backup.')
    expect(made.remove).toEqual([])
    expect(made.keep).toHaveLength(parts.length)
  })

  test('an empty store has nothing to hold back', () => {
    expect(plan([], '2026-02-24T02:00:00.000Z')).toEqual({
      keep: [],
      remove: [],
      held: ['There is no complete backup.'],
      heldBack: 0,
    })
  })
})

describe('a plan that would remove every good backup', () => {
  // February's backup was made on its last day, and the policy keeps a single month: fresh, and yet out of it.
  const monthly = good('2026-02', { timestamp: '2026-02-28T01:00:00.000Z' })
  const oneMonth = { ...policy, monthlyMonths: 1 }

  test('removes none', () => {
    const made = plan([monthly], '2026-03-01T00:30:00.000Z', { with: oneMonth })
    expect(made).toMatchObject({
      held: ['The plan would remove every good backup there is.'],
      remove: [],
      heldBack: 1,
    })
    expect(why(made, '2026-02')).toEqual(['held back; would go: older than 1 months'])
  })

  test.each([
    ['damaged', damaged('2026-03')],
    ["the previous system's", older('2026-03')],
    ['an orphan', orphan(dataKey('2026-03'))],
  ])('is not saved by one that stays and is %s', (_what, staying) => {
    expect(plan([monthly, staying], '2026-03-01T00:30:00.000Z', { with: oneMonth }).remove).toEqual([])
  })

  test('is not one where a good one stays', () => {
    const made = plan(
      [monthly, good('2026-03-01', { timestamp: '2026-03-01T00:20:00.000Z' })],
      '2026-03-01T00:30:00.000Z',
      {
        with: oneMonth,
      },
    )
    expect(made.held).toEqual([])
    expect(goes(made)).toEqual(['2026-02'])
  })
})

describe('a date in the future', () => {
  const now = '2026-02-24T02:00:00.000Z'
  const old = [...nights('2026-02-24'), good('2026-02-01'), good('2026-02')]
  const heldBy = (...parts: readonly Part[]): readonly string[] => {
    const made = plan([...old, ...parts], now, { with: byCalendar })
    expect(made.remove.length > 0).toBe(made.held.length === 0)
    return made.held
  }
  const sentence = (key: string): string =>
    `${key} is dated in the future: some clock is wrong, perhaps this one (it is ${now}).`

  test.each([
    ['a complete daily', good('2026-02-25'), dataKey('2026-02-25')],
    ['a damaged daily', damaged('2026-02-25'), dataKey('2026-02-25')],
    ['a manifest that cannot be read', unreadable('2026-02-25'), manifestKey('2026-02-25')],
    ['an older daily', older('2026-02-25'), dataKey('2026-02-25', { sealing: 'aes-256-gcm' })],
    ['an orphan', orphan(dataKey('2026-02-25')), dataKey('2026-02-25')],
    ['a complete monthly', good('2026-03'), dataKey('2026-03')],
    ['a damaged monthly', damaged('2026-03'), dataKey('2026-03')],
    ['an orphan of a month', orphan(dataKey('2026-03')), dataKey('2026-03')],
  ])('holds everything: %s', (_what, part, key) => {
    expect(heldBy(part)).toEqual([sentence(key)])
  })

  test('that is today or this month is none', () => {
    expect(heldBy()).toEqual([])
  })

  test('holds by the hour of its start as well; an hour is for clocks that differ', () => {
    const at = (timestamp: string): readonly string[] =>
      plan([good('2026-02-24', { timestamp }), good('2026-02-23')], now).held
    expect(at('2026-02-24T03:00:00.000Z')).toEqual([])
    expect(at('2026-02-24T03:00:00.001Z')).toEqual([sentence(dataKey('2026-02-24'))])
  })

  test('holds in an acceptance too', () => {
    const held = (day: string): readonly string[] => plan(old, now, { with: byCalendar, acks: [accepted(day)] }).held
    expect(held('2026-02-24')).toEqual([])
    expect(held('2026-02-25')).toEqual([sentence('backups/daily/2026-02-25-app_db.sql.gz.age')])
  })

  test('may be that of a clock that was set back: then it is no stale backup', () => {
    expect(plan(old, '2020-01-01T00:00:00.000Z', { with: byCalendar })).toMatchObject({
      held: [expect.stringContaining('is dated in the future') as string],
      remove: [],
    })
  })
})

describe('several reasons', () => {
  test('to hold are all told', () => {
    const parts = [good('2026-02-10'), ruined('2026-02-20'), damaged('2027-01-01')]
    expect(plan(parts, '2026-02-24T02:00:00.000Z').held).toEqual([
      'The newest complete backup is 4 d 1 h old, more than 48 h.',
      expect.stringMatching(/^There is a gap of 10 d 0 h before the backup of 2026-02-20: /) as string,
      expect.stringMatching(/^The newest backup, of 2026-02-20, carries an anomaly/) as string,
      expect.stringMatching(/2027-01-01.* is dated in the future/) as string,
    ])
  })

  test('to keep are all told', () => {
    const made = plan([good('2026-02-24'), ruined('2026-02-23'), good('2026-02-22')], '2026-02-24T02:00:00.000Z')
    expect(why(made, '2026-02-22')).toEqual([
      'within the last 7 days',
      'one of the newest 3 good ones',
      'the first good one of 2026-02, which has no good monthly yet',
      'older than the backup of 2026-02-23, whose anomaly nobody has accepted',
    ])
  })
})

describe('an orphan', () => {
  const at = (part: Part, ageMs: number, more: readonly Part[] = []): RetentionPlan => {
    const now = new Date(modifiedAt.getTime() + ageMs)
    // The newest good one is of that very instant, and nights have gone before it, so that nothing is held.
    const day = now.toISOString().slice(0, 10)
    const newest = good(day, { timestamp: now.toISOString() })
    return plan([newest, good(daysBefore(day, 1)), good(daysBefore(day, 2)), part, ...more], now.toISOString())
  }
  const mayBeOnItsWay = ['no manifest speaks for it; younger than 48 h, so it may be on its way']
  const left = ['no manifest speaks for it, and it is older than 48 h']

  test.each([
    ['of a day', dataKey('2026-02-23')],
    ['of a month', dataKey('2026-02')],
    ['of a month long past', dataKey('2003-02')],
    ['of a day long past', dataKey('2025-01-01')],
    ['that was to replace one that is sealed', dataKey('2026-02-23', { revision: 2 })],
    ['that was to replace a plain one', dataKey('2026-02-23', { revision: 2, sealing: 'none' })],
  ])('of ours stays for 48 h and not a moment longer: one %s', (_what, key) => {
    const stays = at(orphan(key), 48 * hourMs)
    expect(goingKeys(stays)).toEqual([])
    expect(why(stays, key)).toEqual(mayBeOnItsWay)
    const gone = at(orphan(key), 48 * hourMs + 1)
    expect(goingKeys(gone)).toEqual([key])
    expect(why(gone, key)).toEqual(left)
  })

  test('that was replaced goes after 48 h, and the replacement stays', () => {
    const day = '2026-02-24'
    const second = dataKey(day, { revision: 2 })
    const replaced = good(day, { s3Key: second })
    const now = new Date(modifiedAt.getTime() + 48 * hourMs + 1)
    const parts = [replaced, orphan(dataKey(day)), good('2026-02-26'), good('2026-02-25')]
    const made = plan(parts, now.toISOString())
    expect(goingKeys(made)).toEqual([dataKey(day)])
    expect(why(made, second)).toContain('within the last 7 days')
  })

  test.each([
    ['plain', 'none' as const],
    ['sealed', 'aes-256-gcm' as const],
  ])("with a name of the previous system's goes only by the calendar: %s", (_what, sealing) => {
    const key = dataKey('2026-02-24', { sealing })
    const stays = at(orphan(key), 6 * 24 * hourMs)
    expect(goingKeys(stays)).toEqual([])
    expect(why(stays, key)).toEqual(['within the last 7 days'])
    expect(goingKeys(at(orphan(key), 7 * 24 * hourMs))).toEqual([key])
  })

  test("with a monthly's name of the previous system's stays for 84 months: it may be all there is of that month", () => {
    const [stays, gone] = ['2019-03', '2019-02'].map((month) => dataKey(month, { sealing: 'aes-256-gcm' }))
    const made = plan(
      [good('2026-02-26'), orphan(stays ?? dataKey('')), orphan(gone ?? dataKey(''))],
      '2026-02-26T02:00:00.000Z',
    )
    expect(goingKeys(made)).toEqual([gone])
    expect(made.keep.find(({ backup }) => backup.key === stays)?.because).toEqual(['within the last 84 months'])
  })

  test('whose manifest cannot be read is none: the manifest may speak for it', () => {
    const made = at(unreadable('2026-02-23'), 72 * hourMs)
    expect(goingKeys(made)).toEqual([])
    expect(made.keep.map(({ backup }) => backup.state)).toEqual(['complete', 'complete', 'complete', 'damaged'])
  })

  test.each<readonly [string, Part]>([
    ['is a daily’s', forged('2026-02-20', { retentionTier: 'monthly' })],
    ['states another time', forged('2026-02-20', { timestamp: '2026-01-01T01:00:00.000Z' })],
  ])(
    'beside a manifest that cannot be believed goes by the calendar: it may be what the true one spoke for. It %s',
    (_what, forgery) => {
      const key = dataKey('2026-02-20')
      const stays = at(orphan(key), 48 * hourMs + 1, [forgery])
      expect(stays.held).toEqual([])
      expect(goingKeys(stays)).toEqual([])
      expect(why(stays, key)).toEqual(['within the last 7 days'])
      const gone = at(orphan(key), 96 * hourMs, [forgery])
      expect(goingKeys(gone).toSorted()).toEqual([key, dataKey('2026-02-20', { revision: 2 })].toSorted())
      expect(why(gone, key)).toEqual(['no manifest speaks for it, and it is older than 7 days'])
    },
  )

  test('beside a manifest that nobody trusted has signed goes by the calendar', () => {
    const [pair, day] = [newKeyPair(), '2026-02-23']
    const signedGood = (period: string): Part => ({
      ...good(period),
      manifests: { [manifestKey(period)]: decoded(signedBy(pair, manifestOf(period))) },
    })
    const parts = [...daysUpTo('2026-02-26', 3).map(signedGood), forged(day, {}), orphan(dataKey(day))]
    const made = planRetention(
      layout,
      { catalog: catalogWith(parts, [pair.publicKey]), acks: [] },
      policy,
      new Date('2026-02-26T02:00:00.000Z'),
    )
    expect([made.held, goingKeys(made)]).toEqual([[], []])
    expect(why(made, dataKey(day))).toEqual(['within the last 7 days'])
  })

  test('is not kept by an anomaly when it is ours: its day has a backup, or never had one', () => {
    const key = dataKey('2026-02-20')
    const made = at(orphan(key), 72 * hourMs, [good('2026-02-21'), ruined('2026-02-25')])
    expect(why(made, '2026-02-21')).toContain('older than the backup of 2026-02-25, whose anomaly nobody has accepted')
    expect(made.held).toEqual([])
    expect(goingKeys(made)).toEqual([key])
  })

  test.each([
    ['a day', dataKey('2026-01-20', { sealing: 'aes-256-gcm' }), 'older than 7 days'],
    ['a plain one of a day', dataKey('2026-01-20', { sealing: 'none' }), 'older than 7 days'],
    ['a month', dataKey('2018-01', { sealing: 'aes-256-gcm' }), 'older than 84 months'],
  ])("with a name of the previous system's may be on its way as well: of %s", (_what, key, calendar) => {
    const stays = at(orphan(key), 48 * hourMs)
    expect(goingKeys(stays)).toEqual([])
    expect(why(stays, key)).toEqual(mayBeOnItsWay)
    const gone = at(orphan(key), 48 * hourMs + 1)
    expect(goingKeys(gone)).toEqual([key])
    expect(why(gone, key)).toEqual([`no manifest speaks for it, and it is ${calendar}`])
  })

  test("with a name of the previous system's that is young and of these days has both reasons", () => {
    const key = dataKey('2026-02-23', { sealing: 'aes-256-gcm' })
    expect(why(at(orphan(key), hourMs), key)).toEqual(['within the last 7 days', ...mayBeOnItsWay])
  })
})

describe('a monthly archive of ours that has lost its manifest', () => {
  const key = dataKey('2026-01')
  // The objects here were last modified on 2026-02-24, and so are older than 48 h.
  const now = '2026-02-28T02:00:00.000Z'
  const made = (...more: readonly Part[]): RetentionPlan =>
    plan([...nights('2026-02-28'), good('2026-02'), orphan(key), ...more], now)

  test.each<readonly [string, readonly Part[]]>([
    ['there is nothing else of its month', []],
    ['all dailies of its month are damaged', [damaged('2026-01-05'), withoutObject('2026-01-06')]],
    ['no manifest of its month can be read', [unreadable('2026-01-05')]],
    ["all dailies of its month are the previous system's", [older('2026-01-05')]],
    ['its monthly is one of the previous system', [older('2026-01')]],
    ['there is only another archive without a manifest', [orphan(dataKey('2026-01', { sealing: 'none' }))]],
    ['complete ones are of other months', [good('2025-12-31'), good('2025-12'), good('2025-01-05')]],
  ])('stays by the calendar while no complete backup could replace it: %s', (_what, more) => {
    const decision = made(...more).keep.find(({ backup }) => backup.key === key)
    expect(decision?.because).toEqual(['within the last 84 months'])
  })

  test.each<readonly [string, readonly Part[]]>([
    ['monthly', [good('2026-01', { s3Key: dataKey('2026-01', { sealing: 'none' }) })]],
    ['first daily', [good('2026-01-01')]],
    ['last daily', [good('2026-01-31')]],
    ['daily with an anomaly, which stays then', [ruined('2026-01-05')]],
  ])('goes after 48 h where there is a complete %s of its month', (_what, more) => {
    const gone = made(...more)
    expect(goingKeys(gone)).toEqual([key])
    expect(gone.keep.some(({ backup }) => isComplete(backup) && backup.period.startsWith('2026-01'))).toBe(true)
  })

  test('goes when its month is none of the policy, after 48 h', () => {
    const old = dataKey('2019-02')
    const at = (ageMs: number): RetentionPlan => {
      const instant = new Date(modifiedAt.getTime() + ageMs).toISOString()
      return plan([...nights(instant.slice(0, 10)), orphan(old)], instant)
    }
    expect(goingKeys(at(48 * hourMs))).toEqual([])
    expect(goingKeys(at(48 * hourMs + 1))).toEqual([old])
    const stays = dataKey('2019-03')
    expect(goingKeys(plan([...nights('2026-02-28'), orphan(stays)], now))).toEqual([])
  })

  test('is told to be on its way as well for 48 h', () => {
    const young = plan([...nights('2026-02-24'), orphan(key)], '2026-02-24T02:00:00.000Z')
    expect(why(young, key)).toEqual([
      'within the last 84 months',
      'no manifest speaks for it; younger than 48 h, so it may be on its way',
    ])
  })

  test('is no rule of dailies: one of ours goes after 48 h, though its month has nothing else', () => {
    const daily = dataKey('2026-01-05')
    expect(goingKeys(plan([...nights('2026-02-28'), good('2026-02'), orphan(daily)], now))).toEqual([daily])
  })
})

describe('the plan', () => {
  const parts = [
    good('2026-02-24'),
    ...['2026-02-23', '2026-02-22', '2026-02-09', '2026-02-08'].map((day) => good(day)),
    damaged('2026-02-07'),
    older('2026-02-06'),
    good('2026-02'),
    good('2018-01'),
  ]

  test('speaks of every backup once, newest first', () => {
    const { keep, remove } = plan(parts, '2026-02-24T02:00:00.000Z')
    expect(keep.map(({ backup }) => backup.period)).toEqual(['2026-02-24', '2026-02-23', '2026-02-22', '2026-02'])
    expect(remove.map(({ backup }) => backup.period)).toEqual([
      '2026-02-09',
      '2026-02-08',
      '2026-02-07',
      '2026-02-06',
      '2018-01',
    ])
  })

  test('when it is held, keeps everything', () => {
    const made = plan(parts, '2026-03-24T02:00:00.000Z')
    expect(made.remove).toEqual([])
    expect(made.keep).toHaveLength(parts.length)
    expect(made.heldBack).toBe(made.keep.filter(({ because }) => because[0]?.startsWith('held back')).length)
    expect(made.heldBack).toBeGreaterThan(0)
  })

  test('is the same a second time: what it leaves, it leaves', () => {
    const catalog = catalogWith(parts)
    const now = new Date('2026-02-24T02:00:00.000Z')
    const first = planRetention(layout, { catalog, acks: [] }, policy, now)
    const left = catalog.filter((backup) => !first.remove.some((gone) => gone.backup === backup))
    expect(first.remove.length).toBeGreaterThan(0)
    expect(planRetention(layout, { catalog: left, acks: [] }, policy, now)).toEqual({ ...first, remove: [] })
  })
  test('takes a backup with an anomaly and what it is compared with together, and then comes to rest', () => {
    const catalog = catalogWith([
      ...nights('2026-02-24'),
      ruined('2026-02-17'),
      ruined('2026-02-16'),
      good('2026-02-13'),
      good('2026-02-12'),
      good('2026-02'),
    ])
    const planOf = (left: Catalog, day: string): RetentionPlan =>
      planRetention(layout, { catalog: left, acks: [] }, policy, new Date(`${day}T02:00:00.000Z`))
    const leftBy = (left: Catalog, { remove }: RetentionPlan): Catalog =>
      left.filter((backup) => !remove.some((gone) => gone.backup === backup))
    // The day before, the newer ruined one is still within the days and keeps everything.
    const eve = catalog.filter(({ period }) => period !== '2026-02-24')
    expect(goes(planOf(eve, '2026-02-23'))).toEqual([])
    const first = planOf(catalog, '2026-02-24')
    expect(goes(first)).toEqual(['2026-02-17', '2026-02-16', '2026-02-13', '2026-02-12'])
    expect(goes(planOf(leftBy(catalog, first), '2026-02-24'))).toEqual([])
    // The oldest goes first. Where it ended in mid-way, the ruined one is compared with nothing, and goes all the same.
    const half = catalog.filter(({ period }) => period !== '2026-02-13' && period !== '2026-02-12')
    const second = planOf(half, '2026-02-24')
    expect(goes(second)).toEqual(['2026-02-17', '2026-02-16'])
    expect(goes(planOf(leftBy(half, second), '2026-02-24'))).toEqual([])
  })
})
