import { isDate } from '../domain/calendar.ts'
import { Fault } from '../errors.ts'
import { common, examples, type Add, type Flags } from './flags.ts'

export const addPrune: Add = (command, edge, begin) => {
  command
    .option('--dry-run', 'print what would go and what stays, each with its reason, and remove nothing')
    .option('--accept-anomaly <YYYY-MM-DD>', "what that day's backup has lost is meant; remove nothing now")
    .option('--reason <text>', 'why it is meant: kept beside the backups')
    .addHelpText(
      'after',
      examples(
        ['oslrs-backup prune --dry-run', 'what would go, what stays, and why'],
        ['oslrs-backup prune', 'apply the retention policy'],
        ["oslrs-backup prune --accept-anomaly 2026-02-24 --reason 'test accounts removed'", 'thaw'],
      ),
    )
    .action(async (flags: Flags & { dryRun?: true; acceptAnomaly?: string; reason?: string }) => {
      const acceptance = acceptanceOf(flags)
      const { openOrder } = await import('../context/order.ts')
      await begin(
        'prune',
        common(flags),
        () => openOrder(edge, common(flags)),
        async (context, paint) => {
          const [{ prune }, { acceptAnomaly }, { pruneOutcome, acceptanceOutcome }] = await Promise.all([
            import('../commands/prune.ts'),
            import('../commands/accept-anomaly.ts'),
            import('../present/order.ts'),
          ])
          return acceptance === undefined
            ? pruneOutcome(await prune(context, { dryRun: flags.dryRun === true }), paint)
            : acceptanceOutcome(acceptance, await acceptAnomaly(context, acceptance), paint)
        },
      )
    })
}

const acceptanceOf = (flags: {
  readonly dryRun?: true
  readonly acceptAnomaly?: string
  readonly reason?: string
}): { readonly date: string; readonly reason: string } | undefined => {
  const { acceptAnomaly: date, reason } = flags
  if (date === undefined && reason === undefined) return undefined
  const example = "For example: oslrs-backup prune --accept-anomaly 2026-02-24 --reason 'test accounts removed'"
  if (date === undefined) throw new Fault('usage', '--reason belongs to --accept-anomaly.', { hint: example })
  if (reason === undefined || reason.trim() === '')
    throw new Fault('usage', '--accept-anomaly needs a --reason: somebody will ask in seven years.', { hint: example })
  if (!isDate(date)) throw new Fault('usage', `--accept-anomaly ${date} is not a day.`, { hint: example })
  if (reason.length > 1000) throw new Fault('usage', '--reason is longer than 1,000 characters.', { hint: example })
  if (flags.dryRun === true)
    throw new Fault('usage', '--dry-run does not go with --accept-anomaly, which removes nothing by itself.', {
      hint: example,
    })
  return { date, reason: reason.trim() }
}
