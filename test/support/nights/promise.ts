import { dayMs, dayNumber, hourMs, monthNumber, nameOf } from './calendar.ts'
import type { Entry, Ledger } from './ledger.ts'

/** What section 5 of the design promises, in the model's own words. */

export const policy = { dailyDays: 7, monthlyMonths: 84, keepAtLeast: 3 }

const dayOf = (entry: Entry): number => dayNumber(Date.parse(entry.period))
/** First month that is kept. */
const firstMonth = (nowMs: number): number => monthNumber(new Date(nowMs).toISOString()) - (policy.monthlyMonths - 1)

const alive = (ledger: Ledger): Entry[] =>
  ledger.entries.filter(({ state }) => state === 'present' || state === 'going')

/** Newest first; what was in the store at some moment of this step, and was not damaged. */
export const dailies = (ledger: Ledger): Entry[] =>
  alive(ledger)
    .filter(({ tier }) => tier === 'daily')
    .toSorted((a, b) => (a.period < b.period ? 1 : -1))

/** True when the newest night carries a loss that nobody has accepted. */
export const isFrozen = (ledger: Ledger): boolean => {
  const newest = dailies(ledger).find(({ older }) => !older)
  return newest !== undefined && !ledger.isGood(newest)
}

export interface Asked {
  readonly nowMs: number
  /** What the clock of this step showed. */
  readonly shownMs: number
  /**
   * What the clock showed in this step, where it was fast by less than 48 h, else `nowMs`. A small error cannot be told
   * from the truth, and may let go a daily, or a monthly of 84 months, by so much too early; never one of the newest good
   * ones. Any larger error must do nothing.
   */
  readonly calendarMs: number
  /** Whether keys are trusted: then what the previous system wrote, unsigned, counts for no floor. */
  readonly trusted: boolean
}

/** Everything that must be there, and why. True time decides, whatever clock the code was shown. */
export const required = (ledger: Ledger, { calendarMs, trusted }: Asked): Map<Entry, string> => {
  const why = new Map<Entry, string>()
  const keep = (entry: Entry, because: string): void => {
    if (!why.has(entry)) why.set(entry, because)
  }
  const all = dailies(ledger)
  const today = dayNumber(calendarMs)
  for (const entry of all) if (dayOf(entry) > today - policy.dailyDays) keep(entry, 'promise 1: the last 7 days')
  const good = all.filter((entry) => ledger.isGood(entry) && (!entry.older || !trusted))
  for (const entry of good.slice(0, policy.keepAtLeast)) keep(entry, 'promise 1: the newest 3 good ones')

  const monthlies = alive(ledger).filter(({ tier }) => tier === 'monthly')
  for (const entry of monthlies)
    if (monthNumber(entry.period) >= firstMonth(calendarMs)) keep(entry, 'promise 1: monthlies of 84 months')

  const done = new Set(monthlies.filter(({ older }) => !older).map(({ period }) => monthNumber(period)))
  for (const entry of all.toReversed()) {
    const month = monthNumber(entry.period)
    if (entry.older || !ledger.isGood(entry) || done.has(month) || month < firstMonth(calendarMs)) continue
    done.add(month)
    keep(entry, 'promise 1: the first good one of a month without monthly')
  }
  const lastSuspect = all.find((entry) => !ledger.isGood(entry) && dayOf(entry) > today - policy.dailyDays)
  if (lastSuspect !== undefined)
    for (const entry of all) if (entry.period < lastSuspect.period) keep(entry, 'promise 2: older than a ruined night')
  if (isFrozen(ledger)) for (const entry of alive(ledger)) keep(entry, 'promise 2: the newest night is ruined')
  return why
}

/** Sentences: what the store should hold, and does not. */
export const broken = (ledger: Ledger, asked: Asked): string[] => {
  const said = [...ledger.wrongs]
  for (const month of ledger.replacedMonths) forgiveDamage(ledger, month)
  for (const [entry, because] of required(ledger, asked)) {
    const isWhole =
      ledger.objects.get(entry.manifestKey)?.equals(entry.manifest) === true &&
      ledger.objects.get(entry.dataKey)?.equals(entry.data) === true
    if (entry.state !== 'present' || !isWhole) said.push(`${because}: ${entry.manifestKey} is not there, whole`)
  }
  const stop = isFrozen(ledger)
    ? 'promise 2: the newest night is ruined'
    : isAnythingInFuture(ledger, asked.shownMs, hourMs)
      ? 'promise 10: something is dated in the future'
      : undefined
  if (stop !== undefined) for (const key of removedOf(ledger)) said.push(`${stop}, and yet ${key} was removed`)
  for (const { key, cameMs } of ledger.removedOrphans)
    if (asked.shownMs - cameMs < 2 * dayMs && !isMadeInThisStep(ledger, key))
      said.push(`promise 8: ${key} may have been on its way, and was removed`)
  for (const entry of ledger.present())
    if (!ledger.objects.has(entry.dataKey)) said.push(`promise 6: ${entry.manifestKey} has no data`)
  for (const [name, bytes] of ledger.foreign)
    if (ledger.objects.get(name)?.equals(bytes) !== true) said.push(`promise 5: the foreign ${name} was touched`)
  for (const month of monthsLost(ledger, asked.calendarMs))
    said.push(`promise 3: the month ${String(Math.floor((month - 1) / 12))}-${String(((month - 1) % 12) + 1)} is lost`)
  for (const doing of ledger.doings)
    if (isEarlyForRecord(doing, asked.calendarMs)) said.push(`a record went early: ${doing}`)
  return said
}

/** What a step made itself, and could not finish, it may take away again. */
const removedOf = (ledger: Ledger): string[] =>
  ledger.doings.flatMap((doing) => {
    const key = doing.startsWith('delete ') ? doing.slice('delete '.length) : undefined
    return key === undefined || isMadeInThisStep(ledger, key) ? [] : [key]
  })
const isMadeInThisStep = ({ doings }: Ledger, key: string): boolean =>
  doings.some((doing) => doing === `copy ${key}` || doing === `put ${key}`)

/** Reports of drills and acceptances stay as long as monthlies do. */
const isEarlyForRecord = (doing: string, nowMs: number): boolean => {
  const name = doing.startsWith('delete ') ? nameOf(doing.slice('delete '.length)) : undefined
  return (name?.what === 'ack' || name?.what === 'drill') && monthNumber(name.period) >= firstMonth(nowMs)
}

/** What the previous system left is let go by the calendar, so only our own backups make this promise. */
const monthsLost = (ledger: Ledger, nowMs: number): number[] => {
  const good = alive(ledger).filter((entry) => !entry.older && ledger.isGood(entry))
  // What was good at the moment at which it went has made the promise too.
  for (const { period } of good) ledger.months.add(monthNumber(period))
  const there = new Set(good.flatMap(({ state, period }) => (state === 'present' ? [monthNumber(period)] : [])))
  return [...ledger.months].filter((month) => month >= firstMonth(nowMs) && !there.has(month))
}

/** After the step: what went rightly is gone for good. */
export const settle = (ledger: Ledger): void => {
  for (const entry of ledger.entries) if (entry.state === 'going') entry.state = 'gone'
  ledger.doings = []
  ledger.replacedMonths = []
  ledger.removedOrphans = []
}

/** The model has lost this month itself. */
export const forgiveDamage = (ledger: Ledger, month: number): void => {
  const isLeft = ledger
    .present()
    .some((entry) => monthNumber(entry.period) === month && !entry.older && ledger.isGood(entry))
  if (!isLeft) ledger.months.delete(month)
}

/** Whether nothing may be removed now: then there is no telling what should be gone. */
export const isHeld = (ledger: Ledger, nowMs: number): boolean => {
  const nights = dailies(ledger)
  const newest = nights.find(({ older }) => !older)
  const isStale = newest === undefined || nowMs - newest.startedMs > 2 * dayMs
  // After a gap, as many nights must follow as are kept whatever their age.
  const hasGap = nights
    .slice(0, policy.keepAtLeast)
    .some(({ startedMs }, at) => startedMs - (nights[at + 1]?.startedMs ?? startedMs) > 2 * dayMs)
  return isStale || hasGap || isFrozen(ledger) || isAnythingInFuture(ledger, nowMs, 0)
}

/** By its name, or by the start that its manifest states: there two clocks may differ a little. */
const isAnythingInFuture = (ledger: Ledger, nowMs: number, slackMs: number): boolean => {
  const today = new Date(nowMs).toISOString()
  return (
    ledger.present().some(({ older, startedMs }) => !older && startedMs > nowMs + slackMs) ||
    [...ledger.objects.keys()].some((key) => {
      const name = ledger.foreign.has(key) ? undefined : nameOf(key)
      return name !== undefined && name.what !== 'drill' && name.period > today.slice(0, name.period.length)
    })
  )
}

/**
 * After a night on which all went well and nothing was held: what is left over is swept, no month waits for its monthly,
 * and no daily stays that no rule keeps.
 */
export const notHealed = (
  ledger: Ledger,
  asked: Asked,
  left: {
    readonly objects: readonly { readonly key: string; readonly lastModified: Date }[]
    readonly uploads: readonly { readonly key: string; readonly startedAt: Date }[]
    readonly didPrune: boolean
    readonly didPromote: boolean
  },
): string[] => {
  const said: string[] = []
  const { nowMs } = asked
  const spoken = new Set(ledger.present().flatMap(({ dataKey, manifestKey }) => [dataKey, manifestKey]))
  if (left.didPrune) {
    for (const { key, startedAt } of left.uploads)
      if (nowMs - startedAt.getTime() > dayMs) said.push(`promise 8: an unfinished upload of ${key} is left`)
    for (const { key, lastModified } of left.objects) {
      const isOurs = /\.age$|\.r\d+\./.test(key) && nameOf(key)?.what === 'data'
      const isDamaged = ledger.entries.some((entry) => entry.state === 'damaged' && entry.dataKey === key)
      // A monthly that has lost its manifest, and is all that there is of its month, stays.
      const isAllThereIs = !ledger.present().some(({ period }) => period.startsWith(nameOf(key)?.period ?? ''))
      if (
        isOurs &&
        !isDamaged &&
        !isAllThereIs &&
        !spoken.has(key) &&
        nowMs - lastModified.getTime() > 2 * dayMs + hourMs
      )
        said.push(`promise 8: nobody speaks for ${key}, and it is left`)
    }
    const keep = required(ledger, asked)
    // As long as one was there, all before it stayed.
    const isAnySuspect = alive(ledger).some((entry) => !ledger.isGood(entry))
    if (!isAnySuspect)
      for (const entry of ledger.present())
        if (!keep.has(entry)) said.push(`${entry.manifestKey} is left, and no rule keeps it`)
  }
  if (left.didPromote)
    for (const period of monthsWaiting(ledger, nowMs))
      said.push(`promise 8: ${period} has a good daily, and no monthly`)
  return said
}

/** Months that should have got their monthly by now. */
const monthsWaiting = (ledger: Ledger, nowMs: number): string[] => {
  const ours = dailies(ledger).filter(({ older, state }) => !older && state === 'present')
  // One that went in this step was still there when the promotion was planned.
  const firstDay = dayNumber(nowMs) - policy.dailyDays
  const lastSuspect = dailies(ledger).find((entry) => !ledger.isGood(entry) && dayOf(entry) > firstDay)?.period ?? ''
  const firstGood = new Map<string, string>()
  for (const entry of ours) if (ledger.isGood(entry)) firstGood.set(entry.period.slice(0, 7), entry.period)
  return [...firstGood].flatMap(([month, day]) =>
    monthNumber(month) >= firstMonth(nowMs) &&
    // What came before a night that nobody has accepted waits for a person; what stands in the way is never removed.
    day > lastSuspect &&
    ![...ledger.objects.keys()].some(
      (key) =>
        key.startsWith(`backups/monthly/${month}-`) || key === `backups/manifests/monthly/${month}-manifest.json`,
    )
      ? [month]
      : [],
  )
}
