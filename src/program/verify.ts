import { Option } from 'commander'
import type { Selector } from '../domain/selection.ts'
import type { Edge } from '../edge.ts'
import { Fault } from '../errors.ts'
import {
  common,
  examples,
  selectorsOf,
  withSelectors,
  type Add,
  type Begin,
  type Flags,
  type SelectorFlags,
} from './flags.ts'

export const addVerify: Add = (command, edge, begin) => {
  withSelectors(command)
    .option('--all', 'every backup')
    .addOption(
      new Option(
        '--depth <depth>',
        'stored: the stored bytes (needs no key); archive: also open and read it; restore: the whole drill',
      )
        .choices(['stored', 'archive', 'restore'])
        .default('restore'),
    )
    .option('--target-db <url>', 'restore into this database, which must not exist or be empty, and keep it')
    .addHelpText(
      'after',
      examples(
        ['oslrs-backup verify', 'the drill: bring the newest backup back, compare, report'],
        ['oslrs-backup verify --monthly 2026-02', "the drill of a month's backup"],
        ['oslrs-backup verify --depth stored --all', 'is every stored byte the one that was written?'],
        ['oslrs-backup verify --depth archive', 'the newest one: does it open, and is every row in it?'],
      ),
    )
    .action(async (flags: VerifyFlags) => {
      const which = whichOf(flags)
      if (flags.depth === 'restore') return drillOf(which, flags, edge, begin)
      if (flags.targetDb !== undefined)
        throw new Fault('usage', `--target-db does not go with --depth ${flags.depth}: it restores nothing.`, {
          hint: 'Leave --depth away for the whole drill.',
        })
      const { depth } = flags
      const { openVerify } = await import('../context/verify.ts')
      return begin(
        'verify',
        common(flags),
        () => openVerify(edge, common(flags)),
        async (context, paint) => {
          const [{ verify }, { verifyOutcome }] = await Promise.all([
            import('../commands/verify.ts'),
            import('../present/checks.ts'),
          ])
          return verifyOutcome(await verify(context, { which, depth }), paint)
        },
      )
    })
}

type VerifyFlags = Flags & SelectorFlags & { all?: true; depth: 'stored' | 'archive' | 'restore'; targetDb?: string }

const whichOf = (flags: VerifyFlags): Selector | 'all' => {
  const selectors = selectorsOf(flags)
  if (selectors.length + (flags.all === true ? 1 : 0) > 1)
    throw new Fault('usage', 'More than one backup was named.', {
      hint: 'One of --latest, --date, --monthly, --key, --all',
    })
  if (flags.all === true && flags.targetDb !== undefined)
    throw new Fault('usage', '--target-db takes one backup, and --all names every one.', {
      hint: 'Leave one of them away.',
    })
  return flags.all === true ? 'all' : (selectors[0] ?? { by: 'latest' })
}

const drillOf = async (which: Selector | 'all', flags: VerifyFlags, edge: Edge, begin: Begin): Promise<void> => {
  const { openDrill } = await import('../context/drill.ts')
  await begin(
    'verify',
    common(flags),
    () => openDrill(edge, common(flags), flags.targetDb),
    async (context, paint) => {
      const [{ drills }, { drillOutcome }] = await Promise.all([
        import('../commands/drills.ts'),
        import('../present/drill.ts'),
      ])
      return drillOutcome(await drills(context, which), paint)
    },
  )
}
