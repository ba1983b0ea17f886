import { Command } from 'commander'
import type { Edge } from '../edge.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { statusTable, type Add, type Begin } from './flags.ts'
import { addEnvTemplate, addEnvValue } from './for-install.ts'
import { addList } from './list.ts'
import { addPromote } from './promote.ts'
import { addPrune } from './prune.ts'
import { addRestore } from './restore.ts'
import { addRun } from './run.ts'
import { addAlert, addRetryWait } from './units.ts'
import { addVerify } from './verify.ts'

/** The commander tree. Each command has a file of its own; what it needs is read only when it is asked for. */

export const hasColour = (edge: Edge): boolean => edge.stdout.isTerminal && (edge.environment['NO_COLOR'] ?? '') === ''

const commands: readonly (readonly [name: string, description: string, add: Add])[] = [
  ['run', 'Take a backup: dump, seal, store, prove, commit its manifest; then promote and prune.', addRun],
  ['list', 'Show what backups there are, and whether that is good enough. Needs no database.', addList],
  ['restore', 'Bring a backup back: into a new or an empty database, or in the place of one that is kept.', addRestore],
  [
    'verify',
    'The drill: bring a backup back into a scratch database, compare, report. Or only look at what is stored: --depth.',
    addVerify,
  ],
  ['promote', 'Give each month without a monthly its first good daily.', addPromote],
  ['prune', 'Remove what the retention policy no longer keeps, or accept an anomaly.', addPrune],
]
export const commandNames: readonly string[] = commands.map(([name]) => name)

/** Not for people, and not in the help. */
const hiddenCommands: typeof commands = [
  [
    'retry-wait',
    "Called by the units of systemd/ before an attempt: wait until it is that attempt's time.",
    addRetryWait,
  ],
  ['alert', 'Called by the units of systemd/ when one has failed: tell people, if they must be told.', addAlert],
  [
    'env-template',
    'Called by install.sh: print a configuration file in which every name is explained.',
    addEnvTemplate,
  ],
  ['env-value', 'Called by install.sh: print one value of the configuration, if it is no secret.', addEnvValue],
]

export const build = (edge: Edge, begin: Begin): Command => {
  const program = new Command('oslrs-backup')
  program
    .description('Backs up a PostgreSQL database: encrypted, signed, proved, and able to come back.')
    .version(packageJson.version, '--version', 'print the version')
    .helpOption('--help', 'explain this command')
    .helpCommand(false)
    .addHelpText('after', `\nEach command explains itself: oslrs-backup run --help\n\nExit statuses:\n${statusTable()}`)
  for (const [name, description, add] of [...commands, ...hiddenCommands])
    add(
      program
        .command(name, { hidden: !commandNames.includes(name) })
        .description(description)
        .helpOption('--help', 'explain this command')
        .allowExcessArguments(false)
        .option('--json', 'print one JSON document, also on failure')
        .option('--env-file <path>', 'read the configuration from this file')
        .option('--verbose', 'tell more'),
      edge,
      begin,
    )
  for (const command of [program, ...program.commands])
    command.exitOverride().configureOutput({
      writeOut: edge.stdout.write,
      writeErr: () => undefined,
      getOutHasColors: () => hasColour(edge),
    })
  return program
}
