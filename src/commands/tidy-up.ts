import { asFault } from '../errors.ts'
import type { Course } from './course.ts'
import type { OrderContext } from './order-context.ts'
import { applyPromotion } from './promote.ts'
import { applyRetention } from './prune.ts'

/** What came after the commit of a night's manifest. */
export interface Aftermath {
  readonly promoted: readonly string[]
  /** Their sizes. */
  readonly promotedBytes: readonly number[]
  readonly removed: readonly string[]
  /** Sentences: what failed, and what was not done and why. Each is a fault of its own, never of the backup. */
  readonly notes: readonly string[]
}

/** Promote, then prune. Never throws: the backup is complete, and a second dump would mend nothing here. */
export const tidyUp = async (ctx: OrderContext, course: Course): Promise<Aftermath> => {
  const notes: string[] = []
  const note = (sentence: string): void => {
    notes.push(sentence)
    ctx.journal.warn(sentence)
  }
  const again = (command: 'promote' | 'prune'): string => `The next run tries again; at once: oslrs-backup ${command}`
  const trying = async <T>(what: string, command: 'promote' | 'prune', work: () => Promise<T>) => {
    try {
      return await work()
    } catch (thrown) {
      note(`${what} failed; the backup itself is complete. ${asFault(thrown).message} ${again(command)}`)
      return undefined
    }
  }
  course.enter('promote')
  const promoted = await trying('Promoting to monthlies', 'promote', () => applyPromotion(ctx))
  for (const { month, fault } of promoted?.faults ?? [])
    note(`The monthly of ${month} was not made; the backup itself is complete. ${fault.message} ${again('promote')}`)
  for (const { month, why, needsPerson } of promoted?.plan.held ?? [])
    if (needsPerson) note(`There is no monthly of ${month} yet: ${why}.`)

  course.figures({ promoted: promoted?.promoted.length ?? 0 })

  course.enter('prune')
  const pruned = ctx.mayRemove ? await trying('Pruning', 'prune', () => applyRetention(ctx)) : undefined
  for (const { key, fault } of pruned?.faults ?? []) note(`${key} was not removed. ${fault.message}`)
  if ((pruned?.plan.heldBack ?? 0) > 0)
    note(
      `Nothing was removed, though ${String(pruned?.plan.heldBack)} would be due. ${pruned?.plan.held.join(' ') ?? ''}`,
    )
  course.figures({ removed: pruned?.removed.length ?? 0 })
  course.end()
  return {
    promoted: promoted?.promoted.map(({ key }) => key) ?? [],
    promotedBytes: promoted?.promoted.map(({ sizeBytes }) => sizeBytes) ?? [],
    removed: pruned?.removed ?? [],
    notes,
  }
}
