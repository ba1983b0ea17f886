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

export const addRestore: Add = (command, edge, begin) => {
  withSelectors(command)
    .option('--target-db <url>', 'restore into this database (default: DATABASE_URL)')
    .option('--to-file <path>', 'write the SQL into this new file (mode 0600) instead; needs no database')
    .option('--confirm', 'replace a database that holds anything; it is kept under another name')
    .option('--owner <role>', 'whose a database that does not exist yet shall be')
    .option('--dry-run', 'do all of it but writing: fetch, open and read the archive to its end')
    .option('--allow-unverified', 'take a backup of the previous system, or one that has no manifest')
    .addHelpText(
      'after',
      examples(
        [
          'oslrs-backup restore --latest --target-db postgres://me@127.0.0.1/app_db_restored',
          'beside the live database',
        ],
        [
          'oslrs-backup restore --latest --confirm',
          'in the place of the live database, which is kept under another name',
        ],
        ['oslrs-backup restore --date 2026-02-24 --target-db postgres://…', 'the state of that night'],
        ['oslrs-backup restore --latest --target-db postgres://… --dry-run', 'would it work? Changes nothing'],
        ['oslrs-backup restore --monthly 2026-02 --to-file /root/2026-02.sql', 'as plain SQL'],
      ),
    )
    .action(async (flags: RestoreFlags) => {
      const selector = selectorOf(flags)
      const allowUnverified = flags.allowUnverified === true
      if (flags.toFile !== undefined) return toFile(flags.toFile, { selector, allowUnverified }, flags, edge, begin)
      const { openRestore } = await import('../context/restore.ts')
      return begin(
        'restore',
        common(flags),
        () => openRestore(edge, common(flags), flags.targetDb),
        async (context, paint) => {
          const [{ restore }, { restoreOutcome }] = await Promise.all([
            import('../commands/restore.ts'),
            import('../present/restore.ts'),
          ])
          const asked = {
            selector,
            allowUnverified,
            dryRun: flags.dryRun === true,
            confirm: flags.confirm === true,
            owner: flags.owner,
          }
          return restoreOutcome(await restore(context, asked), paint)
        },
      )
    })
}

type RestoreFlags = Flags &
  SelectorFlags & {
    targetDb?: string
    toFile?: string
    dryRun?: true
    confirm?: true
    owner?: string
    allowUnverified?: true
  }

const selectorOf = (flags: SelectorFlags): Selector => {
  const [selector, ...more] = selectorsOf(flags)
  if (selector !== undefined && more.length === 0) return selector
  throw new Fault(
    'usage',
    selector === undefined ? 'Which backup? None is chosen unasked.' : 'More than one backup was named.',
    {
      hint: 'One of --latest, --date YYYY-MM-DD, --monthly YYYY-MM, --key KEY. What there is: oslrs-backup list',
    },
  )
}

const toFile = async (
  path: string,
  asked: { readonly selector: Selector; readonly allowUnverified: boolean },
  flags: RestoreFlags,
  edge: Edge,
  begin: Begin,
): Promise<void> => {
  if ([flags.targetDb, flags.dryRun, flags.confirm, flags.owner].some((flag) => flag !== undefined))
    throw new Fault(
      'usage',
      '--to-file goes with none of --target-db, --dry-run, --confirm and --owner: it touches no database.',
      {
        hint: 'For example: oslrs-backup restore --latest --to-file /root/app_db.sql',
      },
    )
  const { openRestoreToFile } = await import('../context/restore.ts')
  await begin(
    'restore',
    common(flags),
    () => openRestoreToFile(edge, common(flags)),
    async (context, paint) => {
      const [{ restoreToFile }, { fileOutcome }] = await Promise.all([
        import('../commands/restore-to-file.ts'),
        import('../present/restore.ts'),
      ])
      return fileOutcome(await restoreToFile(context, { ...asked, path }), paint)
    },
  )
}
