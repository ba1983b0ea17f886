import type { Command } from 'commander'
import type { CommonOptions, Opened } from '../context/parts.ts'
import { isDate, isMonth } from '../domain/calendar.ts'
import type { Selector } from '../domain/selection.ts'
import type { Edge } from '../edge.ts'
import { exitStatuses, Fault } from '../errors.ts'
import type { Outcome } from '../present/outcome.ts'
import type { Paint } from '../present/paint.ts'

/** Flags that several commands have, and what they mean. */

/** Opens a command's context, does its work, and prints the outcome. */
export type Begin = <T>(
  name: string,
  options: CommonOptions,
  open: () => Promise<Opened<T>>,
  work: (context: T, paint: Paint) => Promise<Outcome>,
) => Promise<void>

/** Adds a command's flags, help and action. */
export type Add = (command: Command, edge: Edge, begin: Begin) => void

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
