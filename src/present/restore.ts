import type { ComparedTable } from '../domain/rows.ts'
import { formatBytes, formatCount, formatDuration } from '../domain/units.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'
import { harmless } from '../domain/harmless.ts'

export interface RestoredView {
  readonly key: string
  readonly backupStartedAt: Date
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  readonly way: 'create' | 'fill' | 'replace'
  readonly before: string | undefined
  readonly dryRun: boolean
  readonly durationMs: number
  readonly tables: readonly ComparedTable[]
  readonly largeObjects: number
  readonly notContained: readonly string[]
  readonly needsAdoption: boolean
  readonly warnings: readonly string[]
  readonly now: Date
}

export interface FileView {
  readonly key: string
  readonly backupStartedAt: Date
  readonly path: string
  readonly sizeBytes: number
  readonly durationMs: number
  readonly tables: readonly { readonly name: string; readonly rows: number }[]
  readonly warnings: readonly string[]
  readonly now: Date
}

/** The recovery time objective: a registry is back within the hour. */
const rtoMs = 3_600_000

const ageText = (view: { readonly now: Date; readonly backupStartedAt: Date }): string =>
  `It is the state of ${view.backupStartedAt.toISOString()}, ${formatDuration(view.now.getTime() - view.backupStartedAt.getTime())} ago.`

const notes = (warnings: readonly string[], paint: Paint): string[] =>
  warnings.map((warning) => paint.yellow(`Note: ${harmless(warning)}`))

/** As a shell reads it as one word: to be pasted. */
const shellWord = (text: string): string => (/^[\w./@%+:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

/** A line to paste. It asks for the password, where one is needed. */
const psqlLine = ({ host, port, user, database }: RestoredView, ...statements: readonly string[]): string =>
  [
    `psql -X -v ON_ERROR_STOP=1 -h ${shellWord(host)} -p ${String(port)} -U ${shellWord(user)}`,
    `-d ${database === 'postgres' ? 'template1' : 'postgres'}${statements.length > 1 ? ' -1' : ''}`,
    ...statements.map((statement) => `-c ${shellWord(statement)}`),
  ].join(' ')

const name = (database: string): string => `"${database.replaceAll('"', '""')}"`

/**
 * A line for the shell. Whoever connects again between the end of its sessions and the renaming holds that up for five
 * seconds, and then nothing was changed: it is tried three times.
 */
const swapBackLine = (view: RestoredView, before: string): string => {
  const once = psqlLine(
    view,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${view.database.replaceAll("'", "''")}'`,
    `ALTER DATABASE ${name(view.database)} RENAME TO ${name(before.replace(/_before_(?=[^_]*$)/, '_undone_'))}`,
    `ALTER DATABASE ${name(before)} RENAME TO ${name(view.database)}`,
  )
  return `for try in 1 2 3; do ${once} && break; done`
}

const nextSteps = (view: RestoredView): string[] => [
  ...(view.before === undefined
    ? ['Next: grant the application’s role its rights (a backup holds no grants), then let it connect.']
    : [
        'Next: restart the application, so that it connects afresh.',
        `What was there before is kept as ${view.before}. It holds personal data: when all is well, remove it:`,
        `  ${psqlLine(view, `DROP DATABASE ${name(view.before)}`)}`,
        'To undo the restore, stop the application and swap back:',
        `  ${swapBackLine(view, view.before)}`,
      ]),
  ...(view.needsAdoption
    ? [
        'If this is to be backed up from now on, the next backup must be told that it is meant: oslrs-backup run --adopt',
      ]
    : []),
]

const whereTo: Readonly<Record<RestoredView['way'], (database: string) => string>> = {
  create: (database) => `into the new database ${database}`,
  fill: (database) => `into the database ${database}`,
  replace: (database) => `in the place of the database ${database}`,
}

export const restoreOutcome = (view: RestoredView, paint: Paint): Outcome => {
  const rows = view.tables.map((one) => [
    paint.green('ok'),
    harmless(one.name),
    formatCount(one.expected),
    view.dryRun ? '' : one.found === null ? 'missing' : formatCount(one.found),
  ])
  const where = `${whereTo[view.way](harmless(view.database))} on ${harmless(view.host)}`
  const took = `${formatDuration(view.durationMs)} (${view.durationMs <= rtoMs ? 'within' : 'NOT within'} the hour that a restore may take).`
  const sentences = [
    ...notes(view.warnings, paint),
    ...view.notContained.map((missing) => `Not in a backup: ${harmless(missing)}.`),
    ...(view.dryRun
      ? [
          paint.green(`${view.key} opens and is whole to its last row. It would be restored ${where}.`),
          `${ageText(view)} Reading it took ${formatDuration(view.durationMs)}.`,
          `Nothing was changed. The same line without --dry-run${view.way === 'replace' ? ', and with --confirm,' : ''} restores it.`,
        ]
      : [
          paint.green(`Restored ${view.key} ${where}: every table's rows agree.`),
          `${ageText(view)} The restore took ${took}`,
          ...nextSteps(view).map(harmless),
        ]),
  ]
  return {
    exitStatus: 0,
    text: `${columns(['', 'TABLE', 'EXPECTED', view.dryRun ? '' : 'FOUND'], rows, [2, 3])}\n\n${sentences.join('\n')}\n`,
    document: {
      key: view.key,
      backupStartedAt: view.backupStartedAt.toISOString(),
      host: view.host,
      database: view.database,
      way: view.way,
      created: view.way === 'create',
      before: view.before ?? null,
      swapBack: view.before === undefined ? null : swapBackLine(view, view.before),
      dryRun: view.dryRun,
      durationMs: view.durationMs,
      tables: view.tables.map((one) => ({ ...one })),
      largeObjects: view.largeObjects,
      notContained: view.notContained,
      needsAdoption: view.needsAdoption,
      warnings: view.warnings,
    },
  }
}

export const fileOutcome = (view: FileView, paint: Paint): Outcome => ({
  exitStatus: 0,
  text: `${[
    ...notes(view.warnings, paint),
    paint.green(
      `Wrote ${view.key} as plain SQL to ${harmless(view.path)} (${formatBytes(view.sizeBytes)}, mode 0600).`,
    ),
    ageText(view),
    'It holds personal data in plain text: remove it when it is no longer needed. Into a new database:',
    `  psql -X -v ON_ERROR_STOP=1 -f ${shellWord(harmless(view.path))} newdb`,
  ].join('\n')}\n`,
  document: {
    key: view.key,
    backupStartedAt: view.backupStartedAt.toISOString(),
    path: view.path,
    sizeBytes: view.sizeBytes,
    durationMs: view.durationMs,
    tables: view.tables.map((one) => ({ ...one })),
    warnings: view.warnings,
  },
})
