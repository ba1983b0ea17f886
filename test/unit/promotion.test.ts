import { describe, expect, test } from 'vitest'
import { acceptanceOf, type Ack } from '../../src/domain/ack.ts'
import { catalogOf, type Catalog } from '../../src/domain/catalog.ts'
import { decodeManifest, type DecodedManifest, type Manifest } from '../../src/domain/manifest.ts'
import { planPromotion, type PromotionPlan } from '../../src/domain/promotion.ts'
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
  newKeyPair,
  olderManifestOf,
  signedBy,
} from '../support/builders.ts'

const periods = { dailyDays: 7, monthlyMonths: 84 }
const now = '2026-02-24T02:00:00.000Z'
const pair = newKeyPair()

/** A part of what lies in a store. */
interface Part {
  readonly objects: Readonly<Record<string, number>>
  readonly manifests: Readonly<Record<string, DecodedManifest>>
}
/** Signed, so that the same parts serve where keys are trusted. */
const good = (period: string, more: Partial<Manifest> = {}): Part => ({
  objects: { [more.s3Key ?? dataKey(period)]: 1000 },
  manifests: { [manifestKey(period)]: decoded(signedBy(pair, manifestOf(period, more))) },
})
const ruined = (day: string, more: Partial<Manifest> = {}): Part =>
  good(day, {
    keyTables: [{ name: 'public.respondents', rows: 3 }],
    tables: [{ name: 'public.respondents', rows: 3, bytes: 60, sha256: digestOf('d') }],
    anomalies: ['The key table public.users has vanished.'],
    ...more,
  })
const older = (period: string): Part => ({
  objects: { [dataKey(period, { sealing: 'aes-256-gcm' })]: 1000 },
  manifests: {
    [manifestKey(period)]: decodedOlder(olderManifestOf(period.length === 7 ? `${period}-01` : period)),
  },
})
const damaged = (period: string): Part => ({ ...good(period), objects: { [dataKey(period)]: 999 } })
const withoutObject = (period: string): Part => ({ ...good(period), objects: {} })
const unreadable = (period: string): Part => ({
  ...good(period),
  manifests: { [manifestKey(period)]: decodeManifest('{') },
})
const unsigned = (period: string): Part => ({
  ...good(period),
  manifests: { [manifestKey(period)]: decoded(manifestOf(period)) },
})
const orphan = (period: string): Part => ({ objects: { [dataKey(period)]: 1000 }, manifests: {} })

const catalogWith = (parts: readonly Part[], trusted: Parameters<typeof catalogOf>[2]): Catalog =>
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
  {
    at = now,
    monthlyMonths = 84,
    acks = [],
    trusted = [],
  }: {
    readonly at?: string
    readonly monthlyMonths?: number
    readonly acks?: readonly Ack[]
    readonly trusted?: Parameters<typeof catalogOf>[2]
  } = {},
): PromotionPlan =>
  planPromotion({ catalog: catalogWith(parts, trusted), acks }, { ...periods, monthlyMonths }, new Date(at))

/** Month and day of each promotion. */
const promoted = ({ promote }: PromotionPlan): (readonly [string, string])[] =>
  promote.map(({ month, from }) => [month, from.period])
const held = (made: PromotionPlan): Record<string, unknown>[] =>
  made.held.map(({ month, from, why, needsPerson }) => ({ month, day: from.period, why, needsPerson }))

describe('a month without a monthly', () => {
  test('gets one from its first good daily', () => {
    const made = plan([good('2026-02-03'), good('2026-02-01'), good('2026-02-02')])
    expect(promoted(made)).toEqual([['2026-02', '2026-02-01']])
    expect(made.promote[0]?.from).toMatchObject({ state: 'complete', key: dataKey('2026-02-01') })
    expect(made.held).toEqual([])
  })

  test.each(['2026-02-01', '2026-02-02', '2026-02-14', '2026-02-24'])('gets it on any day: on %s', (day) => {
    expect(promoted(plan([good(day)], { at: `${day}T01:05:00.000Z` }))).toEqual([['2026-02', day]])
  })

  test.each([
    ['2024-02-29', '2024-02'],
    ['2025-12-31', '2025-12'],
    ['2026-01-01', '2026-01'],
    ['2025-04-30', '2025-04'],
  ])('is the month of the day, also on a border: %s', (day, month) => {
    expect(promoted(plan([good(day)]))).toEqual([[month, day]])
  })

  test('gets it however many there are to catch up with, the oldest first', () => {
    const days = ['2026-02-24', '2026-02-09', '2026-01-31', '2026-01-05', '2025-12-31', '2025-10-31', '2024-02-29']
    expect(promoted(plan(days.map((day) => good(day))))).toEqual([
      ['2024-02', '2024-02-29'],
      ['2025-10', '2025-10-31'],
      ['2025-12', '2025-12-31'],
      ['2026-01', '2026-01-05'],
      ['2026-02', '2026-02-09'],
    ])
  })

  test('gets it from a replacement too', () => {
    const made = plan([good('2026-02-01', { s3Key: dataKey('2026-02-01', { revision: 2 }) }), orphan('2026-02-01')])
    expect(made.promote.map(({ from }) => from.key)).toEqual([dataKey('2026-02-01', { revision: 2 })])
  })

  test.each([
    ['missing', []],
    ['damaged', [damaged('2026-02-01')]],
    ['without its object', [withoutObject('2026-02-01')]],
    ['without a manifest that can be read', [unreadable('2026-02-01')]],
    ["the previous system's", [older('2026-02-01')]],
    ['an orphan', [orphan('2026-02-01')]],
  ])('gets it from the next good daily where the first is %s', (_what, first) => {
    expect(promoted(plan([...first, good('2026-02-02'), good('2026-02-03')]))).toEqual([['2026-02', '2026-02-02']])
  })

  test('gets it from the next good daily where the first is not signed with a trusted key', () => {
    const parts = [unsigned('2026-02-01'), good('2026-02-02')]
    expect(promoted(plan(parts))).toEqual([['2026-02', '2026-02-01']])
    expect(promoted(plan(parts, { trusted: [pair.publicKey] }))).toEqual([['2026-02', '2026-02-02']])
  })

  test('gets it from the next good daily where the first has lost its rows', () => {
    const made = plan([good('2026-01-31'), good('2026-01'), ruined('2026-02-01'), good('2026-02-02')])
    expect(promoted(made)).toEqual([['2026-02', '2026-02-02']])
    expect(made.held).toEqual([])
  })

  test('gets none from damaged, older and orphan ones', () => {
    const parts = [damaged('2026-02-01'), older('2026-02-02'), orphan('2026-02-03'), unreadable('2026-02-04')]
    expect(plan(parts)).toEqual({ promote: [], held: [], anyGood: false })
  })

  test('gets none from the daily of another month', () => {
    expect(promoted(plan([good('2026-01-31'), good('2026-01')]))).toEqual([])
  })
})

describe('the policy', () => {
  test.each([
    [84, '2019-03', true],
    [84, '2019-02', false],
    [1, '2026-02', true],
    [1, '2026-01', false],
    [2, '2026-01', true],
    [14, '2025-01', true],
    [14, '2024-12', false],
  ])('of %d months: does %s get its monthly? %s', (monthlyMonths, month, does) => {
    expect(promoted(plan([good(`${month}-05`)], { monthlyMonths }))).toEqual(does ? [[month, `${month}-05`]] : [])
  })

  test('goes by the UTC month of now', () => {
    const january = [good('2026-01-05')]
    expect(promoted(plan(january, { monthlyMonths: 1, at: '2026-01-31T23:59:59.999Z' }))).toHaveLength(1)
    expect(promoted(plan(january, { monthlyMonths: 1, at: '2026-02-01T00:00:00.000Z' }))).toHaveLength(0)
  })
})

describe('a month that has something already', () => {
  const dailies = [good('2026-02-02'), good('2026-02-03')]

  test('is left alone where it is a complete monthly', () => {
    expect(plan([...dailies, good('2026-02')])).toEqual({ promote: [], held: [], anyGood: true })
  })

  test('is left alone where it is a monthly of the previous system, and nobody has to do anything', () => {
    const made = plan([...dailies, older('2026-02')])
    expect(made.promote).toEqual([])
    expect(held(made)).toEqual([
      {
        month: '2026-02',
        day: '2026-02-02',
        why: 'there is a monthly of the previous system, and it is not written over',
        needsPerson: false,
      },
    ])
  })

  test.each<readonly [string, Part, Parameters<typeof catalogOf>[2], string]>([
    ['cannot be read', unreadable('2026-02'), [], 'its manifest is not JSON'],
    [
      'speaks of another backup',
      { ...good('2026-02'), manifests: { [manifestKey('2026-02')]: decoded(manifestOf('2026-02-02')) } },
      [],
      'its manifest speaks of another backup',
    ],
    ['is not signed', unsigned('2026-02'), [pair.publicKey], 'its manifest is not signed'],
    ['has an object too short', damaged('2026-02'), [], 'its object has 999 bytes, and should have 1000'],
  ])('is for a person to look at where its monthly %s', (_what, monthly, trusted, fault) => {
    const made = plan([...dailies, monthly], { trusted })
    expect(made.promote).toEqual([])
    expect(held(made)).toEqual([
      {
        month: '2026-02',
        day: '2026-02-02',
        why: `there is a monthly that cannot be used: ${fault}. If it is of no use, remove backups/manifests/monthly/2026-02-manifest.json and what belongs to it by hand`,
        needsPerson: true,
      },
    ])
  })

  test('gets it anew where the object of its monthly is missing: nothing of it is left to lose', () => {
    expect(promoted(plan([...dailies, withoutObject('2026-02')]))).toEqual([['2026-02', '2026-02-02']])
  })

  test('gets it where an interrupted promotion left an object: the command finds out whose it is', () => {
    expect(promoted(plan([...dailies, orphan('2026-02')]))).toEqual([['2026-02', '2026-02-02']])
  })

  test('does not keep other months from theirs', () => {
    const made = plan([...dailies, damaged('2026-02'), good('2026-01-07'), good('2025-12-07'), older('2025-12')])
    expect(promoted(made)).toEqual([['2026-01', '2026-01-07']])
    expect(held(made).map(({ month }) => month)).toEqual(['2025-12', '2026-02'])
  })
})

describe('a daily of the future', () => {
  const why = 'its day lies in the future: some clock is wrong'

  test('becomes no monthly', () => {
    const made = plan([good('2026-02-25')])
    expect(made.promote).toEqual([])
    expect(held(made)).toEqual([{ month: '2026-02', day: '2026-02-25', why, needsPerson: true }])
  })

  test('of today is none', () => {
    expect(promoted(plan([good('2026-02-24')], { at: '2026-02-24T00:00:00.000Z' }))).toHaveLength(1)
    expect(promoted(plan([good('2026-02-24')], { at: '2026-02-23T23:59:59.999Z' }))).toHaveLength(0)
  })

  test('does not keep other months from theirs', () => {
    const made = plan([good('2026-01-05'), good('2031-03-01'), good('2026-02-01')])
    expect(promoted(made)).toEqual([
      ['2026-01', '2026-01-05'],
      ['2026-02', '2026-02-01'],
    ])
    expect(held(made)).toEqual([{ month: '2031-03', day: '2031-03-01', why, needsPerson: true }])
  })
})

describe('an anomaly that nobody has accepted', () => {
  const why = 'the backup of 2026-02-23 carries an anomaly that nobody has accepted'
  const before = [good('2026-01-31'), good('2026-02-01'), good('2026-02-22')]
  const night = ruined('2026-02-23')

  test('freezes every promotion from before it', () => {
    const made = plan([...before, night])
    expect(made.promote).toEqual([])
    expect(held(made)).toEqual([
      { month: '2026-01', day: '2026-01-31', why, needsPerson: true },
      { month: '2026-02', day: '2026-02-01', why, needsPerson: true },
    ])
  })

  test('freezes them as well when the next night has recovered: the ruined one is still there', () => {
    expect(held(plan([...before, night, good('2026-02-24')])).map((one) => one['why'])).toEqual([why, why])
  })

  test('of several is told by the newest', () => {
    const made = plan([...before.slice(0, 2), ruined('2026-02-22'), night])
    expect(held(made)[0]).toMatchObject({ why })
  })

  test('thaws when it is accepted', () => {
    expect(promoted(plan([...before, night], { acks: [accepted('2026-02-23')] }))).toEqual([
      ['2026-01', '2026-01-31'],
      ['2026-02', '2026-02-01'],
    ])
  })

  test('does not thaw by an acceptance of a night before it', () => {
    expect(plan([...before, night], { acks: [accepted('2026-02-22')] }).promote).toEqual([])
  })

  test('does not thaw when the accepted backup was replaced since', () => {
    const replaced = ruined('2026-02-23', {
      s3Key: dataKey('2026-02-23', { revision: 2 }),
      timestamp: '2026-02-23T10:00:00.000Z',
    })
    const acks = [accepted('2026-02-23')]
    expect(plan([...before, replaced], { acks }).promote).toEqual([])
  })

  test('thaws by recovery and time, when the calendar has let the ruined one go', () => {
    expect(promoted(plan([...before, good('2026-02-24')]))).toEqual([
      ['2026-01', '2026-01-31'],
      ['2026-02', '2026-02-01'],
    ])
  })

  test.each([
    ['2026-03-01T23:59:59.999Z', []],
    [
      '2026-03-02T00:00:00.000Z',
      [
        ['2026-01', '2026-01-31'],
        ['2026-02', '2026-02-01'],
      ],
    ],
  ])('freezes while it is within the days of the policy, though it may be there longer: at %s', (at, months) => {
    expect(promoted(plan([...before, night, good('2026-02-24')], { at }))).toEqual(months)
  })

  test('freezes for as many days as the policy says', () => {
    const catalog = catalogWith([...before, night, good('2026-02-24')], [])
    const promotedWith = (dailyDays: number): number =>
      planPromotion({ catalog, acks: [] }, { ...periods, dailyDays }, new Date(now)).promote.length
    expect([1, 2, 7].map(promotedWith)).toEqual([2, 0, 0])
  })

  test('does not freeze the first good daily after it', () => {
    const made = plan([good('2026-01-31'), good('2026-01'), ruined('2026-02-22'), good('2026-02-23')])
    expect(promoted(made)).toEqual([['2026-02', '2026-02-23']])
  })

  test('leaves a month with ruined ones alone without a monthly, and a later month goes on', () => {
    const parts = [good('2026-01-31'), good('2026-01'), ruined('2026-02-01'), ruined('2026-02-28'), good('2026-03-01')]
    expect(plan(parts, { at: '2026-03-01T02:00:00.000Z' })).toMatchObject({
      promote: [{ month: '2026-03', from: { period: '2026-03-01' } }],
      held: [],
    })
  })

  const spring = { at: '2026-03-08T02:00:00.000Z' }
  const march = [good('2026-03'), good('2026-03-07'), good('2026-03-08')]

  test.each<readonly [string, readonly Part[]]>([
    ['what it is compared with is there', [good('2026-01-31'), good('2026-01')]],
    ['what it was compared with has left the store', [good('2026-01')]],
  ])('makes no monthly of the ruined one that stays for its month: %s', (_what, more) => {
    expect(plan([...march, ruined('2026-02-10'), ...more], spring)).toEqual({ promote: [], held: [], anyGood: true })
  })

  test('of one that stays for its month alone keeps no other month from its monthly', () => {
    const parts = [good('2026-03-07'), good('2026-03-08'), ruined('2026-02-10'), good('2026-01-31')]
    expect(promoted(plan(parts, spring))).toEqual([
      ['2026-01', '2026-01-31'],
      ['2026-03', '2026-03-07'],
    ])
  })

  test('that is accepted lets the ruined one itself become the monthly', () => {
    const parts = [good('2026-01-31'), good('2026-01'), ruined('2026-02-01')]
    expect(promoted(plan(parts, { acks: [accepted('2026-02-01')] }))).toEqual([['2026-02', '2026-02-01']])
  })
})

describe('the plan', () => {
  test('of an empty store is empty', () => {
    expect(plan([])).toEqual({ promote: [], held: [], anyGood: false })
  })

  test('changes nothing that it is given', () => {
    const catalog = Object.freeze(catalogWith([good('2026-02-01'), good('2026-01-05'), damaged('2026-01')], []))
    const acks = Object.freeze([accepted('2026-02-01')])
    const before = structuredClone({ catalog, acks })
    planPromotion(Object.freeze({ catalog, acks }), Object.freeze({ ...periods }), new Date(now))
    expect({ catalog, acks }).toEqual(before)
  })
})
