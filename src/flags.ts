import { Option, type Command } from 'commander'
import type { CommonOptions } from './context.ts'
import { isDate, isMonth } from './domain/calendar.ts'
import type { Selector } from './domain/selection.ts'
import { exitStatuses, Fault } from './errors.ts'

/** Flags that several commands have, and what they mean. */

export const statusTable = (): string =>
  exitStatuses.map(({ status, meaning }) => `  ${String(status).padStart(3)}  ${meaning}`).join('\n')

/** What stands below each command's flags. */
export const examples = (...lines: readonly (readonly [string, string])[]): string => {
  const width = Math.max(...lines.map(([line]) => line.length))
  return `\nExamples:\n${lines.map(([line, means]) => `  ${line.padEnd(width)}  # ${means}`).join('\n')}\n\nExit statuses:\n${statusTable()}`
}

export interface Flags {
  readonly json?: true
  readonly verbose?: true
  readonly envFile?: string
}
export const common = (flags: Flags): CommonOptions => ({
  json: flags.json === true,
  verbose: flags.verbose === true,
  envFile: flags.envFile,
})

export interface SelectorFlags {
  readonly latest?: true
  readonly date?: string
  readonly monthly?: string
  readonly key?: string
}
export const withSelectors = (command: Command): Command =>
  command
    .option('--latest', 'the newest backup')
    .option('--date <YYYY-MM-DD>', 'the backup of that day (UTC)')
    .option('--monthly <YYYY-MM>', 'the monthly backup of that month')
    .option('--key <key>', 'the backup with that key, as `list --json` shows it')

export const selectorsOf = (flags: SelectorFlags): Selector[] => {
  if (flags.date !== undefined && !isDate(flags.date))
    throw new Fault('usage', `--date ${flags.date} is not a day.`, { hint: 'For example: --date 2026-02-24' })
  if (flags.monthly !== undefined && !isMonth(flags.monthly))
    throw new Fault('usage', `--monthly ${flags.monthly} is not a month.`, { hint: 'For example: --monthly 2026-02' })
  return [
    ...(flags.latest === true ? [{ by: 'latest' } as const] : []),
    ...(flags.date === undefined ? [] : [{ by: 'date', date: flags.date } as const]),
    ...(flags.monthly === undefined ? [] : [{ by: 'month', month: flags.monthly } as const]),
    ...(flags.key === undefined ? [] : [{ by: 'key', key: flags.key } as const]),
  ]
}

/** Flags and commands that are known and not built yet: refused in so many words, never ignored or done by half. */
const notYet = (what: string): never => {
  throw new Fault('not-in-this-version', `${what} is not in this version.`, {
    hint: 'Nothing was changed. What this version does: oslrs-backup --help',
  })
}
export const withFlagsNotYet = (command: Command, ...flags: readonly string[]): Command => {
  for (const flag of flags) command.addOption(new Option(flag).hideHelp())
  return command.hook('preAction', () => {
    const given: Readonly<Record<string, unknown>> = command.opts()
    const asked = command.options.find(
      (option) => flags.includes(option.flags) && given[option.attributeName()] !== undefined,
    )
    if (asked !== undefined) notYet(`${command.name()} ${asked.long ?? ''}`)
  })
}
export const addCommandNotYet = (program: Command, name: string): void => {
  program
    .command(name, { hidden: true })
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(() => notYet(name))
}
