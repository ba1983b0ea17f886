import type { Ack } from './ack.ts'
import { judgeDailies, type Suspicions } from './anomaly.ts'
import { daysBefore, monthOf, monthsBefore, utcDate } from './calendar.ts'
import { isComplete, type Backup, type Catalog, type CompleteBackup } from './catalog.ts'
import type { RetentionPeriods } from './freshness.ts'
import { parseKey, type Layout, type ObjectKey } from './key.ts'
import { formatDuration } from './units.ts'

/** Retention: what stays, what goes, and why. Pure: the catalog, the policy and the time say everything. */

/** The backups there are, and the anomalies that somebody has accepted. */
export interface Judged {
  readonly catalog: Catalog
  readonly acks: readonly Ack[]
}

export interface RetentionPolicy extends RetentionPeriods {
  /** This many good dailies stay, however old. */
  readonly keepAtLeast: number
  /** Whether backups that nothing vouches for count as good ones: only where no keys are trusted. */
  readonly olderCount: boolean
}

/** A backup and the reasons for its fate, as sentences or parts of them. */
export interface Decision {
  readonly backup: Backup
  readonly because: readonly string[]
}

export interface RetentionPlan {
  readonly keep: readonly Decision[]
  readonly remove: readonly Decision[]
  /** Sentences: why nothing at all may be removed now. Then `remove` is empty. */
  readonly held: readonly string[]
  /** How many backups would go if nothing were held. */
  readonly heldBack: number
}

/** Data without a manifest may be on its way, or be looked at by a person, for so long. */
export const orphanMaxAgeMs = 48 * 3_600_000
/** Without a good backup of about the last two nights, older ones may be all there is. */
export const staleAfterMs = 48 * 3_600_000
/** Two nights lie further apart when one between them has failed. */
const gapMs = 50 * 3_600_000
/** Clocks of two hosts may differ by this much. */
const clockSlackMs = 3_600_000

export const planRetention = (
  layout: Layout,
  { catalog, acks }: Judged,
  policy: RetentionPolicy,
  now: Date,
): RetentionPlan => {
  const { suspicions } = judgeDailies(catalog, acks)
  const reasonsToKeep = keepRules(layout, catalog, suspicions, policy, now)
  const decisions = catalog.map((backup) => ({ backup, because: reasonsToKeep(backup) }))
  const kept = decisions.filter(({ because }) => because.length > 0)
  const going = decisions
    .filter(({ because }) => because.length === 0)
    .map(({ backup }) => ({ backup, because: [reasonToGo(layout, catalog, backup, policy)] }))
  const held = [
    ...holds(catalog, acks, suspicions, policy, now),
    ...(going.length > 0 && !kept.some(({ backup }) => isComplete(backup))
      ? ['The plan would remove every good backup there is.']
      : []),
  ]
  if (held.length === 0) return { keep: kept, remove: going, held, heldBack: 0 }
  const heldBack = going.map(({ backup, because }) => ({
    backup,
    because: because.map((why) => `held back; would go: ${why}`),
  }))
  return { keep: [...kept, ...heldBack], remove: [], held, heldBack: heldBack.length }
}

/** Sentences: what makes any removal wrong at this time. */
const holds = (
  catalog: Catalog,
  acks: readonly Ack[],
  suspicions: Suspicions,
  policy: RetentionPolicy,
  now: Date,
): string[] => {
  const newest = newestComplete(catalog)
  const newestAgeMs = newest === undefined ? undefined : now.getTime() - Date.parse(newest.manifest.timestamp)
  const stale =
    newestAgeMs === undefined
      ? ['There is no complete backup.']
      : newestAgeMs > staleAfterMs
        ? [`The newest complete backup is ${formatDuration(newestAgeMs)} old, more than 48 h.`]
        : []
  const newestDaily = catalog.filter(isComplete).find(({ tier }) => tier === 'daily')
  const starts = catalog
    .filter((backup) => backup.state === 'complete' || backup.state === 'unverified-older')
    .filter(({ tier }) => tier === 'daily')
    .map(({ period, manifest }) => ({ period, startMs: Date.parse(manifest.timestamp) }))
  // Tonight's backup is always fresh. After a jump of this machine's clock, only a gap between the nights tells; those of
  // the previous system were nights as well.
  const nights = Math.max(2, policy.keepAtLeast)
  const gap = starts
    .slice(0, nights - 1)
    .flatMap((after, index) => {
      const before = starts[index + 1]
      return before === undefined ? [] : [{ after, lengthMs: after.startMs - before.startMs }]
    })
    .find(({ lengthMs }) => lengthMs > gapMs)
  const alone =
    gap === undefined
      ? []
      : [
          `There is a gap of ${formatDuration(gap.lengthMs)} before the backup of ${gap.after.period}: after an outage, or because a clock is wrong. Nothing is removed until ${String(nights)} nights have followed it.`,
        ]
  const suspicious = newestDaily === undefined ? undefined : suspicions.get(newestDaily.key)
  const ruined =
    newestDaily === undefined || suspicious === undefined
      ? []
      : [
          `The newest backup, of ${newestDaily.period}, carries an anomaly that nobody has accepted: ${suspicious[0] ?? ''}`,
        ]
  const today = utcDate(now)
  const future = [
    ...catalog.flatMap((backup) => (isInFuture(backup, today, now) ? [backup.key] : [])),
    ...acks.flatMap(({ date, backups }) => (date > today ? backups.slice(0, 1).map(({ s3Key }) => s3Key) : [])),
  ]
  return [
    ...stale,
    ...alone,
    ...ruined,
    ...(future.length > 0
      ? [
          `${future[0] ?? ''} is dated in the future: some clock is wrong, perhaps this one (it is ${now.toISOString()}).`,
        ]
      : []),
  ]
}

const isInFuture = (backup: Backup, today: string, now: Date): boolean =>
  backup.period > (backup.tier === 'daily' ? today : monthOf(today)) ||
  (isComplete(backup) && Date.parse(backup.manifest.timestamp) > now.getTime() + clockSlackMs)

/** By its start, whatever its tier: a monthly is a copy of a daily. */
const newestComplete = (catalog: Catalog): CompleteBackup | undefined =>
  catalog.filter(isComplete).toSorted((a, b) => Date.parse(b.manifest.timestamp) - Date.parse(a.manifest.timestamp))[0]

const keepRules = (
  layout: Layout,
  catalog: Catalog,
  suspicions: Suspicions,
  policy: RetentionPolicy,
  now: Date,
): ((backup: Backup) => string[]) => {
  const today = utcDate(now)
  const firstDay = daysBefore(today, policy.dailyDays - 1)
  const firstMonth = monthsBefore(monthOf(today), policy.monthlyMonths - 1)
  const [newest] = catalog.filter((backup) => isComplete(backup) && backup.tier === 'daily')
  const floor = new Set(
    catalog
      .filter((backup) => backup.tier === 'daily' && countsForFloor(backup, suspicions, policy))
      .slice(0, policy.keepAtLeast)
      .map(({ key }) => key),
  )
  const forTheirMonth = new Map(
    [
      ...candidatesOf(catalog, suspicions).map((first) => ({
        first,
        is: 'the first good one',
        has: 'no good monthly yet',
      })),
      ...lastResorts(catalog, suspicions).map((first) => ({ first, is: 'the first one', has: 'nothing better' })),
    ].flatMap(({ first: { key, period }, is, has }) => {
      const month = monthOf(period)
      return month >= firstMonth ? [[key, `${is} of ${month}, which has ${has}`]] : []
    }),
  )
  // While the newest one is suspicious everything is held; later only what came before the suspicious one.
  const lastSuspicious =
    newest === undefined || suspicions.has(newest.key) ? undefined : newestSuspicious(catalog, suspicions, policy, now)

  return (backup) => {
    const onItsWay =
      backup.state === 'orphan' && now.getTime() - backup.lastModified.getTime() <= orphanMaxAgeMs
        ? ['no manifest speaks for it; younger than 48 h, so it may be on its way']
        : []
    if (backup.state === 'orphan' && !goesByCalendar(layout, catalog, backup) && !isAllOfItsMonth(catalog, backup))
      return onItsWay
    const forItsMonth = forTheirMonth.get(backup.key)
    const byCalendar =
      backup.tier === 'daily'
        ? backup.period >= firstDay
          ? [`within the last ${String(policy.dailyDays)} days`]
          : []
        : backup.period >= firstMonth
          ? [`within the last ${String(policy.monthlyMonths)} months`]
          : []
    return [
      ...byCalendar,
      ...onItsWay,
      ...(backup.key === newest?.key ? ['the newest complete one'] : []),
      ...(floor.has(backup.key) ? [`one of the newest ${String(policy.keepAtLeast)} good ones`] : []),
      ...(forItsMonth === undefined ? [] : [forItsMonth]),
      ...(backup.tier === 'daily' && lastSuspicious !== undefined && backup.period < lastSuspicious
        ? [`older than the backup of ${lastSuspicious}, whose anomaly nobody has accepted`]
        : []),
    ]
  }
}

const countsForFloor = (backup: Backup, suspicions: Suspicions, policy: RetentionPolicy): boolean => {
  switch (backup.state) {
    case 'complete':
      return !suspicions.has(backup.key)
    case 'unverified-older':
      return policy.olderCount
    case 'damaged':
    case 'orphan':
      return false
  }
}

/** For each month without a complete monthly, its first good daily: what a promotion takes. */
export const candidatesOf = (catalog: Catalog, suspicions: Suspicions): readonly CompleteBackup[] => {
  const done = new Set(
    catalog.filter((backup) => isComplete(backup) && backup.tier === 'monthly').map(({ period }) => period),
  )
  const first = new Map<string, CompleteBackup>()
  const good = catalog.filter(isComplete).filter(({ tier, key }) => tier === 'daily' && !suspicions.has(key))
  for (const daily of good.toSorted((a, b) => (a.period < b.period ? -1 : 1))) {
    const month = monthOf(daily.period)
    if (!done.has(month) && !first.has(month)) first.set(month, daily)
  }
  return [...first.values()]
}

/** Where a month has nothing better, its first complete daily, though it looks ruined: it is not promoted, and it stays. */
const lastResorts = (catalog: Catalog, suspicions: Suspicions): readonly CompleteBackup[] => {
  const all = candidatesOf(catalog, new Map())
  const good = new Set(candidatesOf(catalog, suspicions).map(({ period }) => monthOf(period)))
  return all.filter(({ period }) => !good.has(monthOf(period)))
}

/** The newest suspicious daily of the days that are kept; one that stays for its month alone hinders nothing. */
export const newestSuspicious = (
  catalog: Catalog,
  suspicions: Suspicions,
  { dailyDays }: RetentionPeriods,
  now: Date,
): string | undefined => {
  const firstDay = daysBefore(utcDate(now), dailyDays - 1)
  return catalog.find((backup) => suspicions.has(backup.key) && backup.period >= firstDay)?.period
}

/** A monthly archive that has lost its manifest, and no good backup of that month could replace it. */
const isAllOfItsMonth = (catalog: Catalog, { tier, period }: Backup): boolean =>
  tier === 'monthly' && !catalog.some((other) => isComplete(other) && other.period.startsWith(period))

/**
 * An object without a manifest that has a name of the previous system's may be one of its backups, and those stay as long
 * as all others. Ours alone end in `.age` or are replacements.
 */
const mayBeOlder = (layout: Layout, key: ObjectKey): boolean => {
  const parts = parseKey(layout, key)
  return parts?.kind === 'data' && parts.sealing !== 'age' && parts.revision === 1
}

/**
 * The manifest of its period cannot be believed: it may have been written over the one that spoke for this archive, by
 * somebody who may write and not remove.
 */
const isDisputed = (catalog: Catalog, { tier, period }: Backup): boolean =>
  catalog.some(
    (other) =>
      other.state === 'damaged' &&
      other.tier === tier &&
      other.period === period &&
      (other.fault === 'manifest' || other.fault === 'signature'),
  )

const goesByCalendar = (layout: Layout, catalog: Catalog, orphan: Backup): boolean =>
  mayBeOlder(layout, orphan.key) || isDisputed(catalog, orphan)

const reasonToGo = (layout: Layout, catalog: Catalog, backup: Backup, policy: RetentionPolicy): string => {
  const byCalendar =
    backup.tier === 'daily'
      ? `older than ${String(policy.dailyDays)} days`
      : `older than ${String(policy.monthlyMonths)} months`
  if (backup.state !== 'orphan') return byCalendar
  return `no manifest speaks for it, and it is ${goesByCalendar(layout, catalog, backup) ? byCalendar : 'older than 48 h'}`
}
