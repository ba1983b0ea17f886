import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acceptanceOf, type Ack } from '../../src/domain/ack.ts'
import { anomaliesBetween, judgeDailies } from '../../src/domain/anomaly.ts'
import { daysBefore, monthOf, monthsBefore, utcDate } from '../../src/domain/calendar.ts'
import { catalogOf, isComplete, type Backup, type Catalog, type Holdings } from '../../src/domain/catalog.ts'
import { fileNameOf, parseKey, type ObjectKey, type Sealing } from '../../src/domain/key.ts'
import { asDocument, type DecodedManifest, type Manifest } from '../../src/domain/manifest.ts'
import { planPromotion, type PromotionPlan } from '../../src/domain/promotion.ts'
import { planRetention, type RetentionPlan, type RetentionPolicy } from '../../src/domain/retention.ts'
import {
  completeBackup,
  dataKey,
  layout,
  manifestKey,
  manifestOf,
  newKeyPair,
  olderManifestOf,
  signedBy,
} from '../support/builders.ts'

/**
 * Retention against everything that may lie in a bucket. A world is a store, as it could be found, with what people have
 * accepted, a policy and a clock; what it holds is drawn around the borders where rules begin and end.
 */
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const pair = newKeyPair()

type Kind =
  | 'good'
  | 'ruined'
  | 'replaced'
  | 'unreadable'
  | 'forged'
  | 'unsigned'
  | 'damaged'
  | 'without-object'
  | 'older'
  | 'older-damaged'
  | 'orphan'
interface Item {
  readonly kind: Kind
  readonly period: string
  /** Of the key table. */
  readonly rows: number
  /** Whether it told an anomaly on its own night: by its rows, or as a night that had others before it. */
  readonly mark: 'by rows' | 'none' | 'told'
  /** Hours after 01:00 of its day at which it was started, less than a day. */
  readonly startHour: number
  /** When the object was modified, before now. */
  readonly ageMs: number
  readonly sealing: Sealing
  readonly revision: number
}

interface World {
  readonly holdings: Holdings
  readonly catalog: Catalog
  readonly acks: readonly Ack[]
  readonly policy: RetentionPolicy
  readonly now: Date
  /** Signatures are asked for. */
  readonly isTrusting: boolean
  /** For what a property wants to vary: another order of things, another clock. */
  readonly dice: readonly number[]
}

const rowsOf = ({ rows, mark }: Pick<Item, 'rows' | 'mark'>): Partial<Manifest> => ({
  keyTables: [{ name: 'public.users', rows }],
  anomalies: mark === 'told' || (mark === 'by rows' && rows < 80) ? [`public.users has ${String(rows)} rows.`] : [],
})

const known = new Map<string, DecodedManifest>()
/** Signing is slow, and the same manifests come again and again. */
const currentOf = (manifest: Manifest, isSigned: boolean): DecodedManifest => {
  const { s3Key, timestamp, keyTables, anomalies, retentionTier, promotedFrom } = manifest
  const text = [s3Key, timestamp, keyTables[0]?.rows, anomalies, retentionTier, promotedFrom, isSigned].join(' ')
  const made = (): DecodedManifest => {
    if (!isSigned) return { kind: 'current', manifest, document: {} }
    const signed = signedBy(pair, manifest)
    return { kind: 'current', manifest: signed, document: asDocument(signed) }
  }
  const current = known.get(text) ?? frozen(made())
  known.set(text, current)
  return current
}
const olderOf = (day: string): DecodedManifest => ({ kind: 'older', manifest: olderManifestOf(day) })

interface Placed {
  readonly objects: readonly (readonly [ObjectKey, number])[]
  readonly manifest: DecodedManifest | undefined
}
const placed = (item: Item, isTrusting: boolean): Placed => {
  const { kind, period, revision, sealing } = item
  const isDaily = period.length === 10
  const day = isDaily ? period : `${period}-01`
  const timestamp = new Date(Date.parse(`${day}T01:00:00.000Z`) + item.startHour * hourMs).toISOString()
  const oldKey = dataKey(period, { sealing: 'aes-256-gcm' })
  const current = (s3Key: ObjectKey): DecodedManifest => {
    const manifest = manifestOf(period, { ...rowsOf(item), timestamp, s3Key, filename: fileNameOf(s3Key) })
    return currentOf(manifest, isTrusting && kind !== 'unsigned')
  }
  const older = olderOf(day)
  switch (kind) {
    case 'good':
    case 'ruined':
    case 'unsigned':
      return { objects: [[dataKey(period), 1000]], manifest: current(dataKey(period)) }
    case 'replaced': {
      const second = dataKey(period, { revision: isDaily ? 2 : 1 })
      return {
        objects: [
          [dataKey(period), 1000],
          [second, 1000],
        ],
        manifest: current(second),
      }
    }
    case 'unreadable':
      return { objects: [[dataKey(period), 1000]], manifest: { kind: 'unreadable', why: 'it is not JSON' } }
    case 'forged':
      // It points at the good object of another day.
      return {
        objects: [[dataKey(period), 1000]],
        manifest: current(dataKey(isDaily ? daysBefore(period, 1) : monthsBefore(period, 1))),
      }
    case 'damaged':
      return { objects: [[dataKey(period), 999]], manifest: current(dataKey(period)) }
    case 'without-object':
      return { objects: [], manifest: current(dataKey(period)) }
    case 'older':
      return { objects: [[oldKey, 1000]], manifest: older }
    case 'older-damaged':
      return { objects: [[oldKey, 7]], manifest: older }
    case 'orphan':
      return { objects: [[dataKey(period, { sealing, revision: isDaily ? revision : 1 }), 1000]], manifest: undefined }
  }
}

/** The later item of a period wins, as in a store. */
const holdingsOf = (items: readonly Item[], now: Date, isTrusting: boolean): Holdings => {
  const objects = new Map<ObjectKey, Holdings['objects'][number]>()
  const manifests = new Map<ObjectKey, DecodedManifest>()
  for (const item of items) {
    const { objects: stored, manifest } = placed(item, isTrusting)
    const lastModified = new Date(now.getTime() - item.ageMs)
    for (const [key, sizeBytes] of stored) objects.set(key, { key, sizeBytes, lastModified })
    if (manifest !== undefined) {
      const key = manifestKey(item.period)
      manifests.set(key, manifest)
      objects.set(key, { key, sizeBytes: 900, lastModified })
    }
  }
  return { objects: [...objects.values()], manifests }
}

/** What is given to a plan and may not be changed by it. */
const frozen = <T>(value: T): T => {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const member of value instanceof Map ? value.values() : Object.values(value)) frozen(member)
  return value
}

const kinds = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Kind>('good') },
  { weight: 2, arbitrary: fc.constantFrom<Kind>('ruined', 'replaced') },
  { weight: 1, arbitrary: fc.constantFrom<Kind>('unreadable', 'forged', 'unsigned', 'damaged', 'without-object') },
  { weight: 1, arbitrary: fc.constantFrom<Kind>('older', 'older-damaged', 'orphan') },
)
const kindsOfLastNights = fc.oneof(
  { weight: 30, arbitrary: fc.constant<Kind>('good') },
  { weight: 1, arbitrary: fc.constantFrom<Kind>('ruined', 'replaced', 'damaged', 'older') },
)
const itemOf = (period: fc.Arbitrary<string>, kind: fc.Arbitrary<Kind> = kinds): fc.Arbitrary<Item> =>
  fc
    .record({
      kind,
      period,
      rows: fc.constantFrom(100, 100, 100, 90, 80, 79, 50),
      mark: fc.constantFrom<Item['mark']>('by rows', 'by rows', 'by rows', 'by rows', 'none', 'told'),
      startHour: fc.constantFrom(0, 0, 0, 7, 22),
      ageMs: fc.constantFrom(0, hourMs, 48 * hourMs - 1, 48 * hourMs, 48 * hourMs + 1, 9 * dayMs, 3000 * dayMs),
      sealing: fc.constantFrom<Sealing>('age', 'age', 'none', 'aes-256-gcm'),
      revision: fc.constantFrom(1, 1, 2, 3),
    })
    .map((item) => (item.kind === 'ruined' ? { ...item, rows: 10, mark: 'told' } : item))

/** Days that are awkward, and any other. */
const todays = fc.oneof(
  fc.constantFrom('2026-02-24', '2028-02-29', '2028-03-01', '2026-03-01', '2026-03-31', '2026-12-31', '2027-01-01'),
  fc.integer({ min: 0, max: 4000 }).map((days) => daysBefore('2030-06-01', days)),
)
const policies: fc.Arbitrary<Omit<RetentionPolicy, 'olderCount'>> = fc.record({
  dailyDays: fc.constantFrom(7, 7, 1, 2, 10),
  monthlyMonths: fc.constantFrom(84, 84, 1, 2, 13),
  keepAtLeast: fc.constantFrom(3, 3, 1, 2, 5),
})
/** As fast-check tells a world: without its manifests, which fill pages. */
const tellable = (world: World): World => {
  const backups = world.catalog.map(
    (backup) =>
      `${backup.period} ${backup.state}${isComplete(backup) ? ` ${String(backup.manifest.keyTables[0]?.rows)}` : ''} ${backup.key}`,
  )
  const told = [
    world.now.toISOString(),
    JSON.stringify(world.policy),
    world.acks.map(({ date }) => `accepted ${date}`).join(),
    ...backups,
  ]
  return Object.defineProperty(world, fc.toStringMethod, { value: () => `\n  ${told.join('\n  ')}\n` })
}

/** Most often none. A clock that was wrong for a night, for ever, or is the watching host's alone. */
const jumps = fc.oneof(
  { weight: 12, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(-hourMs, hourMs, dayMs, -dayMs, 2 * dayMs, -400 * dayMs, 3000 * dayMs) },
)

const worlds: fc.Arbitrary<World> = fc
  .record({
    today: todays,
    policy: policies,
    hour: fc.constantFrom(2, 2, 0, 12, 23),
    jumpMs: jumps,
    // An eighth of them, for checking signatures takes time; a plan sees of it only what is damaged and what counts.
    isTrusting: fc.constantFrom(true, false, false, false, false, false, false, false),
    olderCount: fc.boolean(),
    dice: fc.array(fc.nat(), { minLength: 16, maxLength: 16 }),
  })
  .chain(({ today, policy, hour, jumpMs, isTrusting, olderCount, dice }) => {
    const now = new Date(Date.parse(`${today}T00:59:59.999Z`) + hour * hourMs + jumpMs)
    const day = fc
      .oneof(
        { weight: 20, arbitrary: fc.integer({ min: 0, max: 12 }) },
        { weight: 10, arbitrary: fc.integer({ min: 13, max: 100 }) },
        { weight: 2, arbitrary: fc.integer({ min: 2400, max: 2600 }) },
        { weight: 1, arbitrary: fc.constant(-1) },
      )
      .map((days) => daysBefore(today, days))
    const month = fc
      .oneof(
        { weight: 10, arbitrary: fc.integer({ min: 0, max: 4 }) },
        { weight: 4, arbitrary: fc.integer({ min: 12, max: 14 }) },
        { weight: 4, arbitrary: fc.integer({ min: 82, max: 86 }) },
      )
      .map((months) => monthsBefore(monthOf(today), months))
    return fc
      .record({
        dailies: fc.array(itemOf(day), { maxLength: 14 }),
        monthlies: fc.array(itemOf(month), { maxLength: 5 }),
        // The last nights, most often well: else hardly a plan would ever remove anything.
        lastNights: fc.tuple(
          ...[5, 4, 3, 2, 1, 0].map((days) => itemOf(fc.constant(daysBefore(today, days)), kindsOfLastNights)),
        ),
        withLastNights: fc.constantFrom(6, 6, 6, 6, 6, 6, 5, 4, 3, 2, 1, 0),
        acked: fc.array(fc.nat(), { maxLength: 2 }),
        ackOfNow: fc.constantFrom(false, false, false, true),
      })
      .map(({ dailies, monthlies, lastNights, withLastNights, acked, ackOfNow }): World => {
        const nights = lastNights
          .slice(6 - withLastNights)
          .map((item): Item => ({ ...item, rows: item.kind === 'ruined' ? 10 : 100, mark: 'by rows', startHour: 0 }))
        const holdings = holdingsOf([...dailies, ...monthlies, ...nights], now, isTrusting)
        const catalog = catalogOf(layout, holdings, isTrusting ? [pair.publicKey] : [])
        const complete = catalog.filter(isComplete).filter(({ tier }) => tier === 'daily')
        const accepted = [
          ...acked.flatMap((which) => complete[which % Math.max(1, complete.length)] ?? []),
          ...(ackOfNow ? [completeBackup(today)] : []),
        ]
        const acks = accepted.map((backup) =>
          acceptanceOf(backup, { neighbours: [], anomalies: [], reason: 'meant', now, key: undefined }),
        )
        const world: World = {
          holdings,
          catalog,
          acks,
          policy: { ...policy, olderCount: olderCount && !isTrusting },
          now,
          isTrusting,
          dice,
        }
        return frozen(tellable(world))
      })
  })

/** Every property asks for the same plans of the same worlds. */
const remembered = <T>(of: (world: World) => T): ((world: World) => T) => {
  const results = new WeakMap<World, T>()
  return (world) => {
    const result = results.get(world) ?? of(world)
    results.set(world, result)
    return result
  }
}
const planOf = remembered((world): RetentionPlan => planRetention(layout, world, world.policy, world.now))
const promotionOf = remembered((world): PromotionPlan => planPromotion(world, world.policy, world.now))
const suspicionsOf = remembered(({ catalog, acks }) => judgeDailies(catalog, acks).suspicions)
const firstMonthOf = ({ now, policy }: World): string => monthsBefore(monthOf(utcDate(now)), policy.monthlyMonths - 1)
const removedOf = ({ remove }: RetentionPlan): ReadonlySet<Backup> => new Set(remove.map(({ backup }) => backup))

const isDaily = ({ tier }: Backup): boolean => tier === 'daily'
/** As section 5 of the design says it, written down a second time. */
const goodDailies = (world: World): Backup[] =>
  world.catalog.filter(
    (backup) =>
      isDaily(backup) &&
      (backup.state === 'unverified-older'
        ? world.policy.olderCount
        : isComplete(backup) && !suspicionsOf(world).has(backup.key)),
  )
const suspiciousKeys = (world: World, among: Catalog): string =>
  among.flatMap(({ key }) => (suspicionsOf(world).has(key) ? [key] : [])).join()
/** The newest that is suspicious, of the days that the calendar keeps. */
const lastSuspiciousOf = (world: World): string | undefined => {
  const firstDay = daysBefore(utcDate(world.now), world.policy.dailyDays - 1)
  return world.catalog.find(({ key, period }) => suspicionsOf(world).has(key) && period >= firstDay)?.period
}
const hasMonthlyOf = (catalog: Catalog, month: string): boolean =>
  catalog.some((backup) => backup.tier === 'monthly' && backup.period === month && isComplete(backup))
/** Something of that month that is whole, or was: a complete backup of any tier, or the monthly archive alone. */
const holdsMonth = (catalog: Catalog, month: string): boolean =>
  catalog.some(
    (backup) =>
      monthOf(backup.period) === month &&
      (isComplete(backup) || (backup.tier === 'monthly' && backup.state === 'orphan')),
  )
/** No complete backup of its month could replace it. */
const isAllOfItsMonth = (catalog: Catalog, backup: Backup): boolean =>
  backup.tier === 'monthly' && !catalog.some((other) => isComplete(other) && monthOf(other.period) === backup.period)
/** Ours, and not one that the previous system may have left. */
const isOurOrphan = (backup: Backup): boolean => {
  const parts = parseKey(layout, backup.key)
  return backup.state === 'orphan' && parts?.kind === 'data' && (parts.sealing === 'age' || parts.revision > 1)
}

const inStore = (world: World, holdings: Holdings): World => ({
  ...world,
  holdings,
  catalog: catalogOf(layout, holdings, world.isTrusting ? [pair.publicKey] : []),
})
/** What `prune` does to a store: the manifest and the data of the backup's own name. */
const withoutRemoved = (world: World): World => {
  const gone = new Set(
    planOf(world).remove.flatMap(({ backup }) => [
      backup.key,
      ...(backup.state === 'orphan' ? [] : [backup.manifestKey]),
    ]),
  )
  return inStore(world, {
    objects: world.holdings.objects.filter(({ key }) => !gone.has(key)),
    manifests: new Map([...world.holdings.manifests].filter(([key]) => !gone.has(key))),
  })
}
/** What `promote` does to a store. */
const withPromoted = (world: World): World => {
  const made = promotionOf(world).promote.map(({ month, from }) => {
    const { signature: _, ...daily } = from.manifest
    const manifest: Manifest = {
      ...daily,
      s3Key: dataKey(month),
      filename: fileNameOf(dataKey(month)),
      retentionTier: 'monthly',
      promotedFrom: from.key,
    }
    return [month, currentOf(manifest, world.isTrusting)] as const
  })
  const written = new Set(made.flatMap(([month]) => [dataKey(month), manifestKey(month)]))
  return inStore(world, {
    objects: [
      ...world.holdings.objects.filter(({ key }) => !written.has(key)),
      ...made.flatMap(([month]) => [
        { key: dataKey(month), sizeBytes: 1000, lastModified: world.now },
        { key: manifestKey(month), sizeBytes: 900, lastModified: world.now },
      ]),
    ],
    manifests: new Map([
      ...world.holdings.manifests,
      ...made.map(([month, manifest]) => [manifestKey(month), manifest] as const),
    ]),
  })
}

const numRuns = 2000
/** Drawn anew each time; when something fails, fast-check tells it with the path to the smallest world. */
const seed = Date.now() % 2 ** 31
let drawn: readonly World[] | undefined

/**
 * Holds for every world. They are drawn once for all properties, as fast-check would draw them for each. A property over
 * worlds in which there is nothing to decide says nothing, so it is counted in how many there was something, and a share
 * of them must be reached.
 */
const forEveryWorld = (least: number, holds: (world: World) => boolean): void => {
  drawn ??= fc.sample(worlds, { seed, numRuns })
  let telling = 0
  try {
    for (const world of drawn) if (holds(world)) telling += 1
  } catch (thrown) {
    const again = fc.property(worlds, (world) => {
      holds(world)
    })
    fc.assert(again, { seed, numRuns })
    throw thrown
  }
  expect(telling).toBeGreaterThan(numRuns * least)
}

describe('a judgement', () => {
  const without = (world: World, share: number): World => ({
    ...world,
    catalog: world.catalog.filter((_, index) => ((world.dice[index % 16] ?? 0) + index) % 97 >= share),
  })

  test('never suspects what was found good on its own night, whatever has left the store', () => {
    forEveryWorld(0.02, (world) => {
      let telling = 0
      for (const share of [0, 10, 48, 80]) {
        const left = without(world, share)
        const good = left.catalog.filter(
          (one) => isDaily(one) && isComplete(one) && one.manifest.anomalies.length === 0,
        )
        expect(good.filter(({ key }) => suspicionsOf(left).has(key))).toEqual([])
        const rows = good.map((one) => (isComplete(one) ? (one.manifest.keyTables[0]?.rows ?? 0) : 0))
        telling += rows.some((number, index) => number < (rows[index + 1] ?? 0) * 0.8) ? 1 : 0
      }
      return telling > 0
    })
  })

  test('never suspects what somebody has accepted, whatever has left the store', () => {
    forEveryWorld(0.05, (world) => {
      const accepted = new Set(world.acks.flatMap(({ backups }) => backups.map(({ s3Key }) => s3Key)))
      let telling = 0
      for (const share of [0, 10, 48, 80]) {
        const left = without(world, share)
        expect([...suspicionsOf(left).keys()].filter((key) => accepted.has(key))).toEqual([])
        telling += [...judgeDailies(left.catalog, []).suspicions.keys()].some((key) => accepted.has(key)) ? 1 : 0
      }
      return telling > 0
    })
  })
})

describe('a retention plan', () => {
  test('speaks of every backup once, as kept or as removed, each with its reasons', () => {
    forEveryWorld(0.3, (world) => {
      const { keep, remove } = planOf(world)
      const told = [...keep, ...remove]
      expect(told).toHaveLength(world.catalog.length)
      const backups = new Set(told.map(({ backup }) => backup))
      expect(world.catalog.filter((backup) => !backups.has(backup))).toEqual([])
      expect(told.filter(({ because }) => because.length === 0 || because.includes(''))).toEqual([])
      return remove.length > 0
    })
  })

  test('removes nothing while something holds it, and says how many it holds back', () => {
    forEveryWorld(0.2, (world) => {
      const { keep, remove, held, heldBack } = planOf(world)
      if (held.length === 0) {
        expect(heldBack).toBe(0)
        return false
      }
      expect(remove).toEqual([])
      const back = keep.filter(({ because }) => because.some((why) => why.startsWith('held back; would go: ')))
      expect(heldBack).toBe(back.length)
      return heldBack > 0
    })
  })

  test('always keeps the newest complete backup, and the newest good one', () => {
    forEveryWorld(0.3, (world) => {
      const plan = planOf(world)
      const removed = removedOf(plan)
      const newestDaily = world.catalog.filter(isDaily).find(isComplete)
      if (newestDaily !== undefined) expect(removed.has(newestDaily)).toBe(false)
      const [newestGood] = goodDailies(world)
      if (newestGood !== undefined) expect(removed.has(newestGood)).toBe(false)
      const [newest] = world.catalog
        .filter(isComplete)
        .toSorted((a, b) => Date.parse(b.manifest.timestamp) - Date.parse(a.manifest.timestamp))
      // A monthly is as new only where it is the copy of a daily; then the daily may stand for it.
      if (newest !== undefined)
        expect(
          world.catalog.some(
            (backup) =>
              isComplete(backup) && backup.manifest.timestamp === newest.manifest.timestamp && !removed.has(backup),
          ),
        ).toBe(true)
      return removed.size > 0
    })
  })

  test('leaves at least as many good dailies as the policy says, and the newest ones', () => {
    forEveryWorld(0.3, (world) => {
      const removed = removedOf(planOf(world))
      const floor = goodDailies(world).slice(0, world.policy.keepAtLeast)
      expect(floor.filter((backup) => removed.has(backup))).toEqual([])
      return removed.size > 0
    })
  })

  test('removes nothing unless a good complete backup of the last 48 h stays', () => {
    forEveryWorld(0.3, (world) => {
      const { keep, remove } = planOf(world)
      if (remove.length === 0) return false
      const suspicions = suspicionsOf(world)
      const isFresh = ({ backup }: { readonly backup: Backup }): boolean =>
        isComplete(backup) &&
        !suspicions.has(backup.key) &&
        world.now.getTime() - Date.parse(backup.manifest.timestamp) <= 48 * hourMs
      expect(keep.some(isFresh)).toBe(true)
      return true
    })
  })

  test('removes nothing while any date lies in the future', () => {
    forEveryWorld(0.02, (world) => {
      const today = utcDate(world.now)
      const isFuture = world.catalog.some(
        (backup) =>
          backup.period > (isDaily(backup) ? today : monthOf(today)) ||
          (isComplete(backup) && Date.parse(backup.manifest.timestamp) > world.now.getTime() + hourMs),
      )
      if (isFuture || world.acks.some(({ date }) => date > today)) {
        expect(planOf(world).remove).toEqual([])
        return planOf(world).heldBack > 0
      }
      return false
    })
  })

  test('removes nothing while there is a gap among the newest nights, or the newest carries an anomaly', () => {
    forEveryWorld(0.08, (world) => {
      const dailies = world.catalog.filter(isDaily)
      const newest = dailies.find(isComplete)
      if (newest === undefined) return false
      const starts = dailies.flatMap((backup) =>
        isComplete(backup) || backup.state === 'unverified-older' ? [Date.parse(backup.manifest.timestamp)] : [],
      )
      const among = starts.slice(0, Math.max(2, world.policy.keepAtLeast))
      const hasGap = among.some((startMs, index) => (among[index - 1] ?? startMs) - startMs > 50 * hourMs)
      if (!hasGap && !suspicionsOf(world).has(newest.key)) return false
      expect(planOf(world).remove).toEqual([])
      return planOf(world).heldBack > 0
    })
  })

  test('removes nothing by a clock that has jumped since the last backup, back or ahead', () => {
    forEveryWorld(0.2, (world) => {
      const times = world.catalog.filter(isComplete).map(({ manifest }) => Date.parse(manifest.timestamp))
      const newest = Math.max(0, ...times)
      const jumpMs = ((world.dice[0] ?? 0) % (20 * 365)) * dayMs + ((world.dice[1] ?? 0) % 1000)
      for (const instant of [newest + 48 * hourMs + 1 + jumpMs, newest - hourMs - 1 - jumpMs])
        if (times.length > 0 && instant > 0) expect(planOf({ ...world, now: new Date(instant) }).remove).toEqual([])
      return planOf(world).remove.length > 0
    })
  })

  test('removes no daily that is older than an anomaly of these days that nobody has accepted', () => {
    forEveryWorld(0.04, (world) => {
      const last = lastSuspiciousOf(world)
      if (last === undefined) return false
      const removed = [...removedOf(planOf(world))]
      // Orphans of ours belong to no day: the day has another backup, or never had one.
      expect(removed.filter((backup) => isDaily(backup) && backup.period < last && !isOurOrphan(backup))).toEqual([])
      return world.catalog.some((backup) => isDaily(backup) && backup.period < last)
    })
  })

  test('keeps the first good daily of every month of the policy that has no complete monthly', () => {
    forEveryWorld(0.2, (world) => {
      const removed = removedOf(planOf(world))
      const suspicions = suspicionsOf(world)
      const good = world.catalog.filter(
        (backup) => isDaily(backup) && isComplete(backup) && !suspicions.has(backup.key),
      )
      const months = new Set(good.map(({ period }) => monthOf(period)))
      for (const month of months) {
        if (month < firstMonthOf(world) || hasMonthlyOf(world.catalog, month)) continue
        const [first] = good.filter(({ period }) => monthOf(period) === month).toReversed()
        if (first === undefined) throw new Error('a month of no day')
        expect(removed.has(first)).toBe(false)
      }
      return removed.size > 0
    })
  })

  test('keeps the first complete daily of every month of the policy that has nothing better', () => {
    forEveryWorld(0.008, (world) => {
      const { remove } = planOf(world)
      const removed = removedOf(planOf(world))
      const complete = world.catalog.filter(isDaily).filter(isComplete)
      const suspicions = suspicionsOf(world)
      let isTelling = false
      for (const month of new Set(complete.map(({ period }) => monthOf(period)))) {
        const ofMonth = complete.filter(({ period }) => monthOf(period) === month)
        const hasBetter = hasMonthlyOf(world.catalog, month) || ofMonth.some(({ key }) => !suspicions.has(key))
        const first = ofMonth.at(-1)
        if (month < firstMonthOf(world) || hasBetter || first === undefined) continue
        expect(removed.has(first)).toBe(false)
        isTelling ||= remove.length > 0
      }
      return isTelling
    })
  })

  test('takes the last of no month of the policy, complete backup or archive that has lost its manifest', () => {
    forEveryWorld(0.3, (world) => {
      const removed = removedOf(planOf(world))
      const left = world.catalog.filter((backup) => !removed.has(backup))
      const months = new Set(world.catalog.map(({ period }) => monthOf(period)))
      const lost = [...months].filter(
        (month) => month >= firstMonthOf(world) && holdsMonth(world.catalog, month) && !holdsMonth(left, month),
      )
      expect(lost).toEqual([])
      return removed.size > 0
    })
  })

  test("keeps every monthly of the policy's months, whatever its state, but for objects of ours that have none", () => {
    forEveryWorld(0.3, (world) => {
      const { remove } = planOf(world)
      const monthlies = remove.filter(({ backup }) => backup.tier === 'monthly' && !isOurOrphan(backup))
      expect(monthlies.filter(({ backup }) => backup.period >= firstMonthOf(world))).toEqual([])
      return remove.length > 0
    })
  })

  test("keeps every daily of the policy's days, whatever its state, and no orphan of ours for longer than 48 h unless it is all of its month, or its manifest cannot be believed", () => {
    forEveryWorld(0.3, (world) => {
      const firstDay = daysBefore(utcDate(world.now), world.policy.dailyDays - 1)
      const { keep, remove, held } = planOf(world)
      const going = remove.map(({ backup }) => backup)
      expect(going.filter((one) => isDaily(one) && !isOurOrphan(one) && one.period >= firstDay)).toEqual([])
      const isOld = (backup: Backup): boolean =>
        backup.state === 'orphan' && world.now.getTime() - backup.lastModified.getTime() > 48 * hourMs
      expect(going.filter((one) => one.state === 'orphan' && !isOld(one))).toEqual([])
      const isDisputed = ({ tier, period }: Backup): boolean =>
        world.catalog.some(
          (other) =>
            other.state === 'damaged' &&
            other.fault !== 'object' &&
            other.fault !== 'missing-object' &&
            other.tier === tier &&
            other.period === period,
        )
      const isOnlyLeft = (backup: Backup): boolean =>
        isDisputed(backup) || (isAllOfItsMonth(world.catalog, backup) && backup.period >= firstMonthOf(world))
      if (held.length === 0)
        expect(keep.filter(({ backup }) => isOurOrphan(backup) && isOld(backup) && !isOnlyLeft(backup))).toEqual([])
      return remove.length > 0
    })
  })

  test('names no key of another period, whatever a manifest says', () => {
    forEveryWorld(0.3, (world) => {
      const { remove } = planOf(world)
      const named = remove.flatMap(({ backup }) =>
        [backup.key, ...(backup.state === 'orphan' ? [] : [backup.manifestKey])].map((key) => ({ backup, key })),
      )
      const isOwn = ({ backup, key }: (typeof named)[number]): boolean => {
        const parts = parseKey(layout, key)
        return (
          (parts?.kind === 'data' || parts?.kind === 'manifest') &&
          parts.tier === backup.tier &&
          parts.period === backup.period
        )
      }
      expect(named.filter((one) => !isOwn(one))).toEqual([])
      return remove.length > 0
    })
  })

  test('lets damaged backups and orphans vouch for nothing: without them no good one would stay that now goes', () => {
    forEveryWorld(0.1, (world) => {
      const good = (backup: Backup): boolean => backup.state === 'complete' || backup.state === 'unverified-older'
      const alone = removedOf(planOf({ ...world, catalog: world.catalog.filter(good) }))
      const removed = [...removedOf(planOf(world))].filter(good)
      expect(removed.filter((backup) => !alone.has(backup))).toEqual([])
      return removed.length > 0 && world.catalog.some((backup) => !good(backup))
    })
  })

  test('lets those of the previous system vouch for nothing where keys are trusted, but that there were nights', () => {
    forEveryWorld(0.01, (world) => {
      const isOlder = ({ state }: Backup): boolean => state === 'unverified-older'
      if (world.policy.olderCount || !world.catalog.some(isOlder)) return false
      const without = { ...world, catalog: world.catalog.filter((backup) => !isOlder(backup)) }
      // They close gaps, or make one; nothing else.
      if (planOf(without).held.some((sentence) => sentence.startsWith('There is a gap'))) return false
      const alone = removedOf(planOf(without))
      expect([...removedOf(planOf(world))].filter((backup) => !isOlder(backup) && !alone.has(backup))).toEqual([])
      return planOf(world).remove.length > 0
    })
  })

  test('is the same in whatever order things were found', () => {
    forEveryWorld(0.3, (world) => {
      const shuffled = <T>(list: Iterable<T>): T[] =>
        [...list]
          .map((one, index) => [((world.dice[index % 16] ?? 0) + index * index) % 97, one] as const)
          .toSorted(([a], [b]) => a - b)
          .map(([, one]) => one)
      const other = {
        ...inStore(world, {
          objects: shuffled(world.holdings.objects),
          manifests: new Map(shuffled(world.holdings.manifests)),
        }),
        acks: shuffled(world.acks),
      }
      const told = ({ keep, remove, held }: RetentionPlan) => ({ keep, remove, held })
      expect(JSON.stringify(told(planOf(other)))).toBe(JSON.stringify(told(planOf(world))))
      expect(JSON.stringify(promotionOf(other))).toBe(JSON.stringify(promotionOf(world)))
      return planOf(world).remove.length > 0
    })
  })

  test('changes nothing that it is given', () => {
    // Every world here is frozen to its last field, so a change would throw; dates alone cannot be frozen.
    forEveryWorld(0.9, (world) => {
      const { catalog, now } = world
      const instant = now.getTime()
      planRetention(layout, world, world.policy, now)
      planPromotion(world, world.policy, now)
      expect(now.getTime()).toBe(instant)
      return catalog.length > 0 && Object.isFrozen(catalog) && Object.isFrozen(catalog[0])
    })
  })

  test('leaves what it leaves: planned again at once, it removes nothing', () => {
    forEveryWorld(0.2, (world) => {
      const removed = removedOf(planOf(world))
      const left = { ...world, catalog: world.catalog.filter((backup) => !removed.has(backup)) }
      // One that looked ruined may be judged anew when what it is compared with has gone: see the next property.
      if (suspiciousKeys(world, left.catalog) !== suspiciousKeys(left, left.catalog)) return false
      const again = planOf(left)
      expect(again.remove).toEqual([])
      expect(again.heldBack).toBe(removed.size > 0 ? 0 : planOf(world).heldBack)
      return removed.size > 0
    })
  })

  test('comes to rest with the second time, also where something is judged anew', () => {
    let judgedAnew = 0
    forEveryWorld(0.3, (world) => {
      const leftBy = (state: World): World => {
        const removed = removedOf(planOf(state))
        return { ...state, catalog: state.catalog.filter((backup) => !removed.has(backup)) }
      }
      const once = leftBy(world)
      judgedAnew += suspiciousKeys(world, once.catalog) === suspiciousKeys(once, once.catalog) ? 0 : 1
      expect(planOf(leftBy(once)).remove).toEqual([])
      return planOf(world).remove.length > 0
    })
    expect(judgedAnew).toBeGreaterThan(5)
  })
})

describe('a promotion plan', () => {
  test('promotes good dailies of the past, each into its own month of the policy, and each month once', () => {
    forEveryWorld(0.3, (world) => {
      const { promote } = promotionOf(world)
      const suspicions = suspicionsOf(world)
      const isFit = ({ month, from }: (typeof promote)[number]): boolean =>
        isComplete(from) &&
        isDaily(from) &&
        world.catalog.includes(from) &&
        !suspicions.has(from.key) &&
        monthOf(from.period) === month &&
        from.period <= utcDate(world.now) &&
        month >= firstMonthOf(world) &&
        !hasMonthlyOf(world.catalog, month)
      expect(promote.filter((one) => !isFit(one))).toEqual([])
      expect(new Set(promote.map(({ month }) => month)).size).toBe(promote.length)
      return promote.length > 0
    })
  })

  test('forgets no month: each that has a good daily has a monthly, gets one, or is told with the reason', () => {
    forEveryWorld(0.3, (world) => {
      const { promote, held } = promotionOf(world)
      const suspicions = suspicionsOf(world)
      const told = [...promote, ...held].map(({ month }) => month)
      const months = world.catalog.flatMap((backup) =>
        isDaily(backup) && isComplete(backup) && !suspicions.has(backup.key) ? [monthOf(backup.period)] : [],
      )
      const due = months.filter((month) => month >= firstMonthOf(world) && !hasMonthlyOf(world.catalog, month))
      expect(new Set(told)).toEqual(new Set(due))
      expect(told).toHaveLength(new Set(told).size)
      expect(held.filter(({ why }) => why === '')).toEqual([])
      return told.length > 1
    })
  })

  test('promotes nothing that is older than an anomaly of these days that nobody has accepted', () => {
    forEveryWorld(0.03, (world) => {
      const last = lastSuspiciousOf(world)
      const { promote, held } = promotionOf(world)
      if (last === undefined) return false
      expect(promote.filter(({ from }) => from.period <= last)).toEqual([])
      return held.length > 0
    })
  })

  test('takes exactly what retention has kept for it', () => {
    forEveryWorld(0.3, (world) => {
      const kept = new Map(planOf(world).keep.map(({ backup, because }) => [backup.key, because]))
      const { promote, held } = promotionOf(world)
      const isKept = ({ month, from }: (typeof promote)[number]): boolean =>
        kept.get(from.key)?.includes(`the first good one of ${month}, which has no good monthly yet`) ?? false
      expect([...promote, ...held].filter((one) => !isKept(one))).toEqual([])
      return promote.length > 0
    })
  })

  test('writes over nothing that could be of use', () => {
    forEveryWorld(0.3, (world) => {
      const { promote } = promotionOf(world)
      const months = new Set(promote.map(({ month }) => month))
      const inTheWay = world.catalog.filter(({ tier, period }) => tier === 'monthly' && months.has(period))
      const isOfNoUse = (backup: Backup): boolean =>
        backup.state === 'orphan' || (backup.state === 'damaged' && backup.fault === 'missing-object')
      expect(inTheWay.filter((backup) => !isOfNoUse(backup))).toEqual([])
      return promote.length > 0
    })
  })
})

describe('promoting and then pruning', () => {
  const night = remembered((world): World => withoutRemoved(withPromoted(world)))
  const storedKeys = ({ holdings }: World): string[] => holdings.objects.map(({ key }) => key).toSorted()

  test('done again at once, changes nothing', () => {
    forEveryWorld(0.2, (world) => {
      const promoted = withPromoted(world)
      const once = night(world)
      // Two things need a second night: what is judged anew (as above), and the data of a manifest that nobody can read.
      if (suspiciousKeys(promoted, once.catalog) !== suspiciousKeys(once, once.catalog)) return false
      const isUnread = (backup: Backup): boolean => backup.state === 'damaged' && backup.key === backup.manifestKey
      if (planOf(promoted).remove.some(({ backup }) => isUnread(backup))) return false
      expect(storedKeys(night(once))).toEqual(storedKeys(once))
      return storedKeys(once).length !== storedKeys(world).length
    })
  })

  test('comes to rest, and has still the good ones that it had to keep', () => {
    forEveryWorld(0.2, (world) => {
      const good = goodDailies(world)
      let state = world
      let rounds = 0
      let isJudgedAnew = false
      for (let next = night(state); storedKeys(next).join() !== storedKeys(state).join(); next = night(state)) {
        state = next
        rounds += 1
        if (rounds > world.catalog.length + 2) throw new Error('it comes to no rest')
        const suspicions = suspicionsOf(state)
        isJudgedAnew ||= good.some(({ key }) => suspicions.has(key))
      }
      // One that looked ruined was good only beside an older one that has gone. Each plan kept what was good for it.
      if (isJudgedAnew) return false
      const left = new Set(state.catalog.filter((one) => one.state !== 'damaged').map(({ key }) => key))
      expect(good.filter(({ key }) => left.has(key)).length).toBeGreaterThanOrEqual(
        Math.min(world.policy.keepAtLeast, good.length),
      )
      return rounds > 0
    })
  })

  test('never loses a month: one that had a good daily has a complete monthly or still the daily', () => {
    forEveryWorld(0.2, (world) => {
      const after = night(world)
      const suspicions = suspicionsOf(world)
      for (const backup of world.catalog) {
        const month = monthOf(backup.period)
        if (!isDaily(backup) || !isComplete(backup) || suspicions.has(backup.key) || month < firstMonthOf(world))
          continue
        const stays = after.catalog.some((one) => isComplete(one) && monthOf(one.period) === month)
        expect(stays).toBe(true)
      }
      return storedKeys(after).length !== storedKeys(world).length
    })
  })
})

/** A registry's life, night by night, with the promotions and prunings that each brings. */
describe('however the nights go', () => {
  type Night = 'good' | 'ruined' | 'missed' | 'damaged' | 'accepted'
  const lives = fc.record({
    start: todays,
    policy: policies,
    nights: fc.array(
      fc
        .tuple(
          fc.oneof(
            { weight: 12, arbitrary: fc.constant<Night>('good') },
            { weight: 3, arbitrary: fc.constantFrom<Night>('ruined', 'missed', 'damaged') },
            { weight: 1, arbitrary: fc.constant<Night>('accepted') },
          ),
          fc.integer({ min: 1, max: 9 }),
        )
        .map(([what, times]) => Array.from({ length: times }, () => what)),
      { minLength: 2, maxLength: 12 },
    ),
  })
  /** Marked as `run` does it: by the newest in the store that nothing speaks against. */
  const itemOfNight = ({ catalog, acks }: World, period: string, what: Night): Item => {
    const rows = what === 'good' ? 100 : 10
    const { baseline } = judgeDailies(catalog, acks)
    const tonight = manifestOf(period, rowsOf({ rows, mark: 'none' }))
    const isRuined = baseline !== undefined && anomaliesBetween(tonight, baseline.manifest, '').length > 0
    return {
      kind: what === 'damaged' ? 'damaged' : 'good',
      period,
      rows,
      mark: isRuined ? 'told' : 'none',
      startHour: 0,
      ageMs: 0,
      sealing: 'age',
      revision: 1,
    }
  }

  test('the good nights before a ruin stay until it is accepted or made good, and every month stays', () => {
    let removals = 0
    let ruins = 0
    fc.assert(
      fc.property(lives, ({ start, policy, nights }) => {
        let world: World = {
          holdings: { objects: [], manifests: new Map() },
          catalog: [],
          acks: [],
          policy: { ...policy, olderCount: true },
          now: new Date(0),
          isTrusting: false,
          dice: [],
        }
        const good: string[] = []
        const foundGood: ObjectKey[] = []
        let eve: string[] | undefined
        for (const [index, what] of nights.flat().entries()) {
          const day = daysBefore(start, -index)
          const now = new Date(`${day}T01:05:00.000Z`)
          const tonight = what === 'missed' ? undefined : holdingsOf([itemOfNight(world, day, what)], now, false)
          world = inStore(
            { ...world, now },
            {
              objects: [...world.holdings.objects, ...(tonight?.objects ?? [])],
              manifests: new Map([...world.holdings.manifests, ...(tonight?.manifests ?? [])]),
            },
          )
          if (what === 'good') good.push(day)
          if (what === 'accepted')
            world = {
              ...world,
              acks: [
                ...world.acks,
                acceptanceOf(completeBackup(day), {
                  neighbours: [],
                  anomalies: [],
                  reason: 'meant',
                  now,
                  key: undefined,
                }),
              ],
            }
          // What is good on the eve of a ruin must be there as long as the ruin is the newest.
          const suspicions = suspicionsOf(world)
          const newest = world.catalog.find((backup) => isDaily(backup) && isComplete(backup))
          const isRuin = newest !== undefined && suspicions.has(newest.key)
          const before = storedDays(world, good)
          const countedGood = goodDailies(world).map(({ key }) => key)
          if (!isRuin) eve = undefined
          else eve ??= before
          ruins += isRuin ? 1 : 0
          // What was found good when it was made is good for ever.
          for (const key of foundGood) expect(suspicions.has(key)).toBe(false)
          if (newest?.period === day && !isRuin) foundGood.push(newest.key)

          world = withoutRemoved(withPromoted(world))
          const left = storedDays(world, good)
          removals += before.length - left.length
          if (eve !== undefined) expect(left).toEqual(expect.arrayContaining(eve))
          const stillThere = new Set(world.catalog.map(({ key }) => key))
          expect(countedGood.filter((key) => stillThere.has(key)).length).toBeGreaterThanOrEqual(
            Math.min(policy.keepAtLeast, countedGood.length),
          )
          for (const month of new Set(good.map(monthOf)))
            if (month >= firstMonthOf(world))
              expect(world.catalog.some((backup) => isComplete(backup) && monthOf(backup.period) === month)).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
    expect(removals).toBeGreaterThan(500)
    expect(ruins).toBeGreaterThan(100)
  })

  const storedDays = ({ catalog }: World, days: readonly string[]): string[] => {
    const stored = new Set(
      catalog.filter((backup) => isDaily(backup) && isComplete(backup)).map(({ period }) => period),
    )
    return days.filter((day) => stored.has(day))
  }
})
