import { Command, CommanderError, Option } from 'commander'
import type { Tier } from './domain/key.ts'
import { parseDuration } from './domain/units.ts'
import type { Edge } from './edge.ts'
import { asFault, Fault, type ExitStatus } from './errors.ts'
import {
  addCommandNotYet,
  common,
  examples,
  selectorsOf,
  statusTable,
  withFlagsNotYet,
  withSelectors,
  type Flags,
  type SelectorFlags,
} from './flags.ts'
import type { CommonOptions, Opened } from './context.ts'
import { faultDocument, faultText, outcomeDocument, type Outcome } from './present/outcome.ts'
import type { Paint } from './present/paint.ts'
import { redact, type Secret } from './secret.ts'
import packageJson from '../package.json' with { type: 'json' }

/** The command line: parses, opens a context, runs one command, prints its outcome. Returns the exit status. */
export const main = async (edge: Edge): Promise<ExitStatus> => {
  const wantsJson = edge.argv.includes('--json')
  let command = 'oslrs-backup'
  let secrets: readonly Secret[] = []
  const begin = async <T>(
    name: string,
    options: CommonOptions,
    open: () => Promise<Opened<T>>,
    work: (context: T, paint: Paint) => Promise<Outcome>,
  ): Promise<void> => {
    command = name
    const { context, secrets: found } = await open()
    secrets = found
    const { paintFor } = await import('./present/paint.ts')
    const outcome = await work(context, paintFor(hasColour(edge)))
    edge.stdout.write(options.json ? outcomeDocument(name, outcome) : outcome.text)
    status = outcome.exitStatus
  }
  let status: ExitStatus = 0
  try {
    await build(edge, begin).parseAsync([...edge.argv], { from: 'user' })
    return status
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
    // A signal reaches our programs as well (Ctrl-C, systemctl stop), and their end is no news then.
    const cause: unknown = edge.stop.aborted ? edge.stop.reason : thrown
    const fault = cause instanceof CommanderError ? usageFault(cause, edge.argv) : asFault(cause)
    const tell = (text: string): string => redact(text, secrets)
    if (wantsJson) edge.stdout.write(tell(faultDocument(command, fault)))
    const mark = (edge.environment['JOURNAL_STREAM'] ?? '') === '' ? '' : '<3>'
    edge.stderr.write(
      tell(faultText(fault))
        .split('\n')
        .map((line) => `${mark}${line}\n`)
        .join(''),
    )
    if (edge.argv.includes('--verbose')) edge.stderr.write(tell(causes(fault)))
    return fault.exitStatus
  }
}

type Begin = <T>(
  name: string,
  options: CommonOptions,
  open: () => Promise<Opened<T>>,
  work: (context: T, paint: Paint) => Promise<Outcome>,
) => Promise<void>

const hasColour = (edge: Edge): boolean => edge.stdout.isTerminal && (edge.environment['NO_COLOR'] ?? '') === ''

/** The chain of errors underneath; only with --verbose, for whoever looks for the fault in this program or a server. */
const causes = (fault: Fault): string => {
  const lines: string[] = []
  for (let at: unknown = fault; at instanceof Error; at = at.cause) {
    const code = 'code' in at && typeof at.code === 'string' ? ` [${at.code}]` : ''
    // A server's own words may quote a row; its code and where we asked are enough.
    lines.push(
      at === fault
        ? `Stack: ${at.stack ?? ''}`
        : `Caused by ${at.name}${code} ${(at.stack ?? '').split('\n').slice(1, 6).join('\n')}`,
    )
  }
  return `${lines.join('\n')}\n`
}

const usageFault = (error: CommanderError, argv: readonly string[]): Fault => {
  const [first] = argv.filter((word) => !word.startsWith('-'))
  const known = first !== undefined && commandNames.some((name) => name === first)
  const message = error.message.replace(/^error: /, '').replace(/\n/g, ' ')
  const sentence =
    error.code === 'commander.help'
      ? 'No command was given.'
      : `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.)]$/.test(message) ? '' : '.'}`
  return new Fault('usage', sentence, { hint: `oslrs-backup ${known ? `${first} ` : ''}--help` })
}

const commandNames = ['run', 'list', 'restore', 'verify'] as const

const build = (edge: Edge, begin: Begin): Command => {
  const program = new Command('oslrs-backup')
  program
    .description('Backs up a PostgreSQL database: encrypted, signed, proved, and able to come back.')
    .version(packageJson.version, '--version', 'print the version')
    .helpOption('--help', 'explain this command')
    .helpCommand(false)
    .addHelpText('after', `\nEach command explains itself: oslrs-backup run --help\n\nExit statuses:\n${statusTable()}`)
  const add = (name: (typeof commandNames)[number], description: string): Command =>
    program
      .command(name)
      .description(description)
      .helpOption('--help', 'explain this command')
      .allowExcessArguments(false)
      .option('--json', 'print one JSON document, also on failure')
      .option('--env-file <path>', 'read the configuration from this file')
      .option('--verbose', 'tell more')

  addRun(add('run', 'Take a backup: dump, seal, store, prove, commit its manifest.'), edge, begin)
  addList(add('list', 'Show what backups there are, and whether that is good enough. Needs no database.'), edge, begin)
  addRestore(add('restore', 'Bring a backup back, into a database that does not exist yet or is empty.'), edge, begin)
  addVerify(add('verify', 'Check backups as they lie in the store. Changes nothing.'), edge, begin)

  for (const name of ['prune', 'promote']) addCommandNotYet(program, name)

  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({
      writeOut: edge.stdout.write,
      writeErr: () => undefined,
      getOutHasColors: () => hasColour(edge),
    })
  return program
}

const addRun = (command: Command, edge: Edge, begin: Begin): void => {
  withFlagsNotYet(command, '--scheduled')
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
    .action(async (flags: Flags & { dryRun?: true; replace?: true; adopt?: true }) => {
      const { openRun } = await import('./context.ts')
      const asked = { replace: flags.replace === true, adopt: flags.adopt === true, attempt: 1, lastAttempt: false }
      await begin(
        'run',
        common(flags),
        () => openRun(edge, common(flags)),
        async (context, paint) => {
          if (flags.dryRun === true) {
            const [{ preflight }, { preflightOutcome }] = await Promise.all([
              import('./commands/preflight.ts'),
              import('./present/checks.ts'),
            ])
            return preflightOutcome(await preflight(context, asked), paint)
          }
          const [{ run }, { runOutcome }] = await Promise.all([import('./commands/run.ts'), import('./present/run.ts')])
          return runOutcome(await run(context, asked), paint)
        },
      )
    })
}

const addList = (command: Command, edge: Edge, begin: Begin): void => {
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
      const { openList } = await import('./context.ts')
      await begin(
        'list',
        common(flags),
        () => openList(edge, common(flags)),
        async (context, paint) => {
          const [{ list }, { listOutcome }] = await Promise.all([
            import('./commands/list.ts'),
            import('./present/list.ts'),
          ])
          return listOutcome(await list(context, { tier: flags.tier, maxAgeMs }), paint)
        },
      )
    })
}

const addRestore = (command: Command, edge: Edge, begin: Begin): void => {
  withFlagsNotYet(command, '--confirm', '--dry-run', '--to-file <path>', '--owner <role>', '--allow-unverified')
  withSelectors(command)
    .option('--target-db <url>', 'restore into this database (default: DATABASE_URL)')
    .addHelpText(
      'after',
      examples(
        [
          'oslrs-backup restore --latest --target-db postgres://me@127.0.0.1/app_db_restored',
          'beside the live database',
        ],
        ['oslrs-backup restore --date 2026-02-24 --target-db postgres://…', 'the state of that night'],
      ),
    )
    .action(async (flags: Flags & SelectorFlags & { targetDb?: string }) => {
      const [selector, ...more] = selectorsOf(flags)
      if (selector === undefined || more.length > 0)
        throw new Fault(
          'usage',
          selector === undefined ? 'Which backup? None is chosen unasked.' : 'More than one backup was named.',
          {
            hint: 'One of --latest, --date YYYY-MM-DD, --monthly YYYY-MM, --key KEY. What there is: oslrs-backup list',
          },
        )
      const { openRestore } = await import('./context.ts')
      await begin(
        'restore',
        common(flags),
        () => openRestore(edge, common(flags), flags.targetDb),
        async (context, paint) => {
          const [{ restore }, { restoreOutcome }] = await Promise.all([
            import('./commands/restore.ts'),
            import('./present/restore.ts'),
          ])
          return restoreOutcome(await restore(context, selector), paint)
        },
      )
    })
}

const addVerify = (command: Command, edge: Edge, begin: Begin): void => {
  withSelectors(command)
    .option('--all', 'every backup')
    .addOption(
      new Option(
        '--depth <depth>',
        'stored: the stored bytes (needs no key); archive: also open and read it; restore: the whole drill (not in this version)',
      )
        .choices(['stored', 'archive', 'restore'])
        .default('restore'),
    )
    .addHelpText(
      'after',
      examples(
        ['oslrs-backup verify --depth stored --all', 'is every stored byte the one that was written?'],
        ['oslrs-backup verify --depth archive', 'the newest one: does it open, and is every row in it?'],
      ),
    )
    .action(async (flags: Flags & SelectorFlags & { all?: true; depth: 'stored' | 'archive' | 'restore' }) => {
      const selectors = selectorsOf(flags)
      if (selectors.length + (flags.all === true ? 1 : 0) > 1)
        throw new Fault('usage', 'More than one backup was named.', {
          hint: 'One of --latest, --date, --monthly, --key, --all',
        })
      const which = flags.all === true ? 'all' : (selectors[0] ?? { by: 'latest' })
      const { openVerify } = await import('./context.ts')
      await begin(
        'verify',
        common(flags),
        () => openVerify(edge, common(flags)),
        async (context, paint) => {
          const [{ verify }, { verifyOutcome }] = await Promise.all([
            import('./commands/verify.ts'),
            import('./present/checks.ts'),
          ])
          return verifyOutcome(await verify(context, { which, depth: flags.depth }), paint)
        },
      )
    })
}
