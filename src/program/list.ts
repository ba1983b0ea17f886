import { Option } from 'commander'
import type { Tier } from '../domain/key.ts'
import { parseDuration } from '../domain/units.ts'
import { Fault } from '../errors.ts'
import { common, examples, type Add, type Flags } from './flags.ts'

export const addList: Add = (command, edge, begin) => {
  command
    .addOption(new Option('--tier <tier>', 'show only these').choices(['daily', 'monthly']))
    .option('--max-age <age>', 'exit 65 when the newest complete backup is older: 26h, 90m, 3d')
    .addHelpText(
      'after',
      examples(
        ['oslrs-backup list', 'everything, and a verdict'],
        ['oslrs-backup list --max-age 26h', 'for a watchman: 65 when stale'],
        ['oslrs-backup list --json', 'for programs'],
      ),
    )
    .action(async (flags: Flags & { tier?: Tier; maxAge?: string }) => {
      const maxAgeMs = flags.maxAge === undefined ? undefined : parseDuration(flags.maxAge)
      if (flags.maxAge !== undefined && maxAgeMs === undefined)
        throw new Fault('usage', `--max-age ${flags.maxAge} is not a duration.`, {
          hint: 'For example: --max-age 26h (s, m, h, d)',
        })
      const { openList } = await import('../context/list.ts')
      await begin(
        'list',
        common(flags),
        () => openList(edge, common(flags)),
        async (context, paint) => {
          const [{ list }, { listOutcome }] = await Promise.all([
            import('../commands/list.ts'),
            import('../present/list.ts'),
          ])
          return listOutcome(await list(context, { tier: flags.tier, maxAgeMs }), paint)
        },
      )
    })
}
