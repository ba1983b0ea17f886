import type { ComparedTable } from '../domain/rows.ts'
import { formatCount, formatDuration } from '../domain/units.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'
import { harmless } from '../domain/harmless.ts'

export interface RestoredView {
  readonly key: string
  readonly backupStartedAt: Date
  readonly host: string
  readonly database: string
  readonly created: boolean
  readonly durationMs: number
  readonly tables: readonly ComparedTable[]
  readonly largeObjects: number
  readonly notContained: readonly string[]
  readonly warnings: readonly string[]
  readonly now: Date
}

export const restoreOutcome = (view: RestoredView, paint: Paint): Outcome => {
  const rows = view.tables.map((one) => [
    paint.green('ok'),
    harmless(one.name),
    formatCount(one.expected),
    one.found === null ? 'missing' : formatCount(one.found),
  ])
  const age = formatDuration(view.now.getTime() - view.backupStartedAt.getTime())
  const sentences = [
    ...view.warnings.map((warning) => paint.yellow(`Note: ${harmless(warning)}`)),
    ...view.notContained.map((missing) => `Not in a backup: ${harmless(missing)}.`),
    paint.green(
      `Restored ${view.key} into the ${view.created ? 'new ' : ''}database ${harmless(view.database)} on ${harmless(view.host)}: every table's rows agree.`,
    ),
    `It is the state of ${view.backupStartedAt.toISOString()}, ${age} ago. The restore took ${formatDuration(view.durationMs)}.`,
    'Next: grant the application’s role its rights (a backup holds no grants), then let it connect; if this is to be backed up from now on: oslrs-backup run --adopt',
  ]
  return {
    exitStatus: 0,
    text: `${columns(['', 'TABLE', 'EXPECTED', 'FOUND'], rows, [2, 3])}\n\n${sentences.join('\n')}\n`,
    document: {
      key: view.key,
      backupStartedAt: view.backupStartedAt.toISOString(),
      host: view.host,
      database: view.database,
      created: view.created,
      durationMs: view.durationMs,
      tables: view.tables.map((one) => ({ ...one })),
      largeObjects: view.largeObjects,
      notContained: view.notContained,
      warnings: view.warnings,
    },
  }
}
