import { Option } from 'commander'
import type { ScheduledContext } from '../commands/scheduled-run.ts'
import type { ToldOptions } from '../commands/tell-failure.ts'
import type { Opened } from '../context/parts.ts'
import type { Edge } from '../edge.ts'
import { asFault, Fault } from '../errors.ts'
import { common, examples, type Add, type Flags } from './flags.ts'

export const addRun: Add = (command, edge, begin) => {
  command
    .option('--scheduled', 'do nothing, successfully, when the backup that is due exists already; for the timer')
    // The unit that this runs in: systemd starts it again when it fails, counts, and sets off the alert in the end.
    .addOption(new Option('--unit <unit>').hideHelp())
    .option('--dry-run', 'exercise every part, from login to a canary in the store, and change nothing that stays')
    .option('--replace', 'let this backup replace a complete one of the same day')
    .option('--adopt', 'accept that the newest backup came from another database cluster or environment')
    .addHelpText(
      'after',
      examples(
        ['oslrs-backup run', "tonight's backup"],
        ['oslrs-backup run --dry-run', 'would it work? Connects, dumps the schema, stores a canary'],
        ['oslrs-backup run --replace', 'a second backup today'],
      ),
    )
    .action(async (flags: RunFlags) => {
      requireFlagsThatGoTogether(flags)
      const asked = {
        replace: flags.replace === true,
        adopt: flags.adopt === true,
        attempt: 1,
        lastAttempt: false,
        failureIsToldBy: flags.unit === undefined ? 'this run' : 'the unit',
      } as const
      await begin(
        'run',
        common(flags),
        () => opened(edge, flags, asked),
        async (context, paint) => {
          if (flags.dryRun === true) {
            const [{ preflight }, { preflightOutcome }] = await Promise.all([
              import('../commands/preflight.ts'),
              import('../present/checks.ts'),
            ])
            return preflightOutcome(await preflight(context, asked), paint)
          }
          const [{ runTold }, { scheduledRun }, { runOutcome, alreadyDoneOutcome }] = await Promise.all([
            import('../commands/run-told.ts'),
            import('../commands/scheduled-run.ts'),
            import('../present/run.ts'),
          ])
          if (flags.scheduled !== true) return runOutcome(await runTold(context, asked), paint)
          const result = await scheduledRun(context, { ...asked, unit: flags.unit })
          return 'due' in result ? alreadyDoneOutcome(result) : runOutcome(result, paint)
        },
      )
    })
}

type RunFlags = Flags & { scheduled?: true; unit?: string; dryRun?: true; replace?: true; adopt?: true }

const requireFlagsThatGoTogether = ({ scheduled, unit, dryRun, replace }: RunFlags): void => {
  if (scheduled === true && (replace === true || dryRun === true))
    throw new Fault(
      'usage',
      '--scheduled does not go with --replace or --dry-run: it asks whether anything is to be done.',
      { hint: 'One of: oslrs-backup run --scheduled, run --replace, run --dry-run' },
    )
  if (unit !== undefined && scheduled !== true)
    throw new Fault('usage', '--unit belongs to --scheduled: it is for the unit of systemd alone.', {
      hint: 'oslrs-backup run --help',
    })
}

/** A configuration that is at fault is a failed night as well: it is told by what of it still holds. */
const opened = async (
  edge: Edge,
  flags: Flags & { dryRun?: true },
  asked: ToldOptions,
): Promise<Opened<ScheduledContext>> => {
  const { openRun, openTelling } = await import('../context/run.ts')
  const startedAt = new Date()
  try {
    return await openRun(edge, common(flags))
  } catch (thrown) {
    if (flags.dryRun !== true) {
      const [{ context }, { tellFailure }] = await Promise.all([
        openTelling(edge, common(flags)),
        import('../commands/tell-failure.ts'),
      ])
      await tellFailure(context, { ...asked, startedAt, fault: asFault(thrown), stage: 'configuration' })
    }
    throw thrown
  }
}
