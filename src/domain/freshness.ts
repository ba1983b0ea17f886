import { daysBefore, monthOf, monthsBefore, utcDate } from './calendar.ts'
import { isComplete, type Catalog, type CompleteBackup } from './catalog.ts'

export interface RetentionPeriods {
  readonly dailyDays: number
  readonly monthlyMonths: number
}

/** The catalog's verdict: is there a backup young enough, and what is missing. */
export interface Verdict {
  readonly fresh: boolean
  readonly maxAgeMs: number
  readonly newest: CompleteBackup | undefined
  /** Age of the newest complete backup; undefined when there is none. */
  readonly newestAgeMs: number | undefined
  /** Days and months without a complete backup, since the first one there is; the period now running is no gap. */
  readonly missingDays: readonly string[]
  readonly missingMonths: readonly string[]
}

/** A night's backup is due 24 h after the last; two hours are for the run itself and its retries. */
export const standardMaxAgeMs = 26 * 3_600_000

export const verdictOf = (catalog: Catalog, periods: RetentionPeriods, maxAgeMs: number, now: Date): Verdict => {
  const complete = catalog.filter(isComplete)
  const [newest] = complete.toSorted((a, b) => Date.parse(b.manifest.timestamp) - Date.parse(a.manifest.timestamp))
  const newestAgeMs = newest === undefined ? undefined : now.getTime() - Date.parse(newest.manifest.timestamp)
  const today = utcDate(now)
  return {
    // A backup from the future is no comfort: somebody's clock is wrong, so its age is not known.
    fresh: newestAgeMs !== undefined && newestAgeMs <= maxAgeMs && newestAgeMs > -3_600_000,
    maxAgeMs,
    newest,
    newestAgeMs,
    missingDays: gaps(
      periodsOf(complete, 'daily'),
      Array.from({ length: periods.dailyDays - 1 }, (_, index) => daysBefore(today, index + 1)),
    ),
    missingMonths: gaps(
      periodsOf(complete, 'monthly'),
      Array.from({ length: periods.monthlyMonths - 1 }, (_, index) => monthsBefore(monthOf(today), index + 1)),
    ),
  }
}

const periodsOf = (complete: readonly CompleteBackup[], tier: 'daily' | 'monthly'): ReadonlySet<string> =>
  new Set(complete.filter((backup) => backup.tier === tier).map((backup) => backup.period))

const gaps = (present: ReadonlySet<string>, wanted: readonly string[]): string[] => {
  const [first] = [...present].toSorted()
  return first === undefined ? [] : wanted.filter((period) => period > first && !present.has(period)).toSorted()
}
