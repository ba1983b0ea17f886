import { monthOf, monthsBefore, utcDate } from './calendar.ts'
import type { RetentionPeriods } from './freshness.ts'
import { parseKey, type Layout, type ObjectKey } from './key.ts'

/** What is left over beside the backups: broken uploads, forgotten canaries, records that have outlived the backups. */

interface Upload {
  readonly id: string
  readonly key: ObjectKey
  readonly startedAt: Date
}
interface StoredRecord {
  readonly key: ObjectKey
  readonly lastModified: Date
}

export interface SweepPlan<U extends Upload> {
  readonly uploads: readonly { readonly upload: U; readonly because: string }[]
  readonly records: readonly { readonly key: ObjectKey; readonly because: string }[]
}

/** No upload and no preflight takes a day. */
export const leftoverMaxAgeMs = 24 * 3_600_000

/** Pure. Uploads and canaries go after a day; drill reports and acceptances stay as long as monthlies do. */
export const planSweep = <U extends Upload>(
  layout: Layout,
  left: { readonly records: readonly StoredRecord[]; readonly uploads: readonly U[] },
  periods: RetentionPeriods,
  now: Date,
): SweepPlan<U> => {
  const isLeftOver = (since: Date): boolean => now.getTime() - since.getTime() > leftoverMaxAgeMs
  const firstMonth = monthsBefore(monthOf(utcDate(now)), periods.monthlyMonths - 1)
  const outlived = `older than ${String(periods.monthlyMonths)} months`
  const reasonFor = ({ key, lastModified }: StoredRecord): string | undefined => {
    const parts = parseKey(layout, key)
    switch (parts?.kind) {
      case 'canary':
        return isLeftOver(lastModified) ? 'left by a preflight more than 24 h ago' : undefined
      case 'drill':
        return monthOf(utcDate(parts.startedAt)) < firstMonth ? outlived : undefined
      case 'ack':
        return monthOf(parts.date) < firstMonth ? outlived : undefined
      case 'data':
      case 'manifest':
      case undefined:
        return undefined
    }
  }
  return {
    uploads: left.uploads
      .filter(({ startedAt }) => isLeftOver(startedAt))
      .map((upload) => ({ upload, because: 'an upload that was begun more than 24 h ago and never ended' })),
    records: left.records.flatMap((record) => {
      const because = reasonFor(record)
      return because === undefined ? [] : [{ key: record.key, because }]
    }),
  }
}
