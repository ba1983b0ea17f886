import { isMonth } from '../domain/calendar.ts'
import { Fault } from '../errors.ts'
import { common, examples, type Add, type Flags } from './flags.ts'

export const addPromote: Add = (command, edge, begin) => {
  command
    .option('--month <YYYY-MM>', 'this month alone')
    .option('--dry-run', 'say what would be done, and do nothing')
    .addHelpText(
      'after',
      examples(
        ['oslrs-backup promote', 'every month that has no monthly yet'],
        ['oslrs-backup promote --month 2026-02', 'that month'],
        ['oslrs-backup promote --dry-run', 'what would be promoted, and what not, and why'],
      ),
    )
    .action(async (flags: Flags & { month?: string; dryRun?: true }) => {
      if (flags.month !== undefined && !isMonth(flags.month))
        throw new Fault('usage', `--month ${flags.month} is not a month.`, { hint: 'For example: --month 2026-02' })
      const { openOrder } = await import('../context/order.ts')
      await begin(
        'promote',
        common(flags),
        () => openOrder(edge, common(flags)),
        async (context, paint) => {
          const [{ promote }, { promoteOutcome }] = await Promise.all([
            import('../commands/promote.ts'),
            import('../present/order.ts'),
          ])
          return promoteOutcome(await promote(context, { dryRun: flags.dryRun === true, month: flags.month }), paint)
        },
      )
    })
}
