import { judgeDailies } from './anomaly.ts'
import { monthOf, monthsBefore, utcDate } from './calendar.ts'
import { isComplete, type Catalog, type CompleteBackup } from './catalog.ts'
import type { RetentionPeriods } from './freshness.ts'
import { candidatesOf, newestSuspicious, type Judged } from './retention.ts'

/** A month that gets its monthly, and the daily that becomes it. */
export interface Promotion {
  readonly month: string
  readonly from: CompleteBackup
}
/** A month that has a good daily and gets no monthly now. */
export interface HeldPromotion extends Promotion {
  /** As the end of a sentence. */
  readonly why: string
  /** False where all is as it should be. */
  readonly needsPerson: boolean
}

export interface PromotionPlan {
  readonly promote: readonly Promotion[]
  readonly held: readonly HeldPromotion[]
  /** False: there is no good backup at all, so that no month could have its monthly. */
  readonly anyGood: boolean
}

/** Which months are to be promoted: all of the policy's months that have a good daily and no complete monthly. Pure. */
export const planPromotion = ({ catalog, acks }: Judged, periods: RetentionPeriods, now: Date): PromotionPlan => {
  const { suspicions } = judgeDailies(catalog, acks)
  const today = utcDate(now)
  const firstMonth = monthsBefore(monthOf(today), periods.monthlyMonths - 1)
  const lastSuspicious = newestSuspicious(catalog, suspicions, periods, now)
  const months = candidatesOf(catalog, suspicions)
    .map((from) => ({ month: monthOf(from.period), from }))
    .filter(({ month }) => month >= firstMonth)
    .map((promotion): Promotion | HeldPromotion => {
      if (promotion.from.period > today)
        return { ...promotion, why: 'its day lies in the future: some clock is wrong', needsPerson: true }
      if (lastSuspicious !== undefined && promotion.from.period < lastSuspicious)
        return {
          ...promotion,
          why: `the backup of ${lastSuspicious} carries an anomaly that nobody has accepted`,
          needsPerson: true,
        }
      return { ...promotion, ...inTheWay(catalog, promotion.month) }
    })
  const isHeld = (one: Promotion | HeldPromotion): one is HeldPromotion => 'why' in one
  return {
    promote: months.filter((one) => !isHeld(one)),
    held: months.filter(isHeld),
    anyGood: catalog.some(isComplete),
  }
}

/** What is there is never written over. Only a monthly whose object is missing is made anew: nothing of it is left to lose. */
const inTheWay = (catalog: Catalog, month: string): Pick<HeldPromotion, 'why' | 'needsPerson'> | undefined => {
  const there = catalog.filter(({ tier, period }) => tier === 'monthly' && period === month)
  const older = there.find(({ state }) => state === 'unverified-older')
  if (older !== undefined)
    return { why: 'there is a monthly of the previous system, and it is not written over', needsPerson: false }
  const damaged = there.find((backup) => backup.state === 'damaged')
  return damaged === undefined || damaged.fault === 'missing-object'
    ? undefined
    : {
        why: `there is a monthly that cannot be used: ${damaged.why}. If it is of no use, remove ${damaged.manifestKey} and what belongs to it by hand`,
        needsPerson: true,
      }
}
