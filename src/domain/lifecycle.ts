import type { RetentionPeriods } from './freshness.ts'
import type { Layout } from './key.ts'

/** A rule by which a bucket removes objects on its own, as far as it matters here. */
export interface ExpiryRule {
  readonly name: string
  /** The rule is for keys that begin with this; empty: for all. */
  readonly prefix: string
  /** Age in days at which objects go; 0 for a rule with a fixed date. */
  readonly afterDays: number
}

const daysOfMonths = (months: number): number => months * 31

/** Sentences about rules that would remove a backup before the policy does: the seven-year copies, after 90 days, unasked. */
export const earlyExpiries = (
  rules: readonly ExpiryRule[],
  layout: Pick<Layout, 'prefix'>,
  periods: RetentionPeriods,
): string[] => {
  const kept: readonly (readonly [string, number])[] = [
    ['daily/', periods.dailyDays],
    ...['monthly/', 'manifests/', 'drills/', 'acks/'].map(
      (folder) => [folder, daysOfMonths(periods.monthlyMonths)] as const,
    ),
  ]
  return rules.flatMap((rule) => {
    const hit = kept.filter(
      ([folder, days]) => rule.afterDays < days && overlap(rule.prefix, `${layout.prefix}${folder}`),
    )
    if (hit.length === 0) return []
    const when = rule.afterDays === 0 ? 'on a fixed date' : `after ${String(rule.afterDays)} days`
    return [
      `The bucket's own lifecycle rule "${rule.name}" removes objects ${when} under ${hit.map(([folder]) => layout.prefix + folder).join(', ')}, before the retention policy does.`,
    ]
  })
}

const overlap = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a)
