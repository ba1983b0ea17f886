import type { Json } from '../domain/canonical.ts'
import type { Check } from '../domain/check.ts'
import type { DrillReport } from '../domain/drill-report.ts'
import { harmless } from '../domain/harmless.ts'
import { formatBytes, formatDuration } from '../domain/units.ts'
import type { ExitStatus } from '../errors.ts'
import { checkJson, checkRows } from './checks.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'

export interface DrillsView {
  readonly drills: readonly {
    readonly report: DrillReport
    readonly reportKey: string | null
    readonly after: readonly Check[]
  }[]
  readonly passedOver: readonly Check[]
  readonly warnings: readonly string[]
}

export const drillOutcome = (view: DrillsView, paint: Paint): Outcome => {
  const statuses = [
    ...view.drills.map(({ report }) => report.exitStatus as ExitStatus),
    ...[...view.passedOver, ...view.drills.flatMap(({ after }) => after)].map(({ exitStatus }) => exitStatus ?? 75),
  ]
  const exitStatus = statuses.find((status) => status === 65) ?? statuses.find((status) => status !== 0) ?? 0
  const blocks = view.drills.map(
    ({ report, reportKey, after }) =>
      `${reportText(report, paint)}\n${
        reportKey === null
          ? columns(['', '', ''], checkRows(after, paint)).trimStart()
          : `The report of this drill is ${reportKey}.`
      }`,
  )
  const passedOver =
    view.passedOver.length === 0 ? [] : [columns(['', '', ''], checkRows(view.passedOver, paint)).trimStart()]
  const summary = view.drills.length > 1 ? [summaryOf(view, paint)] : []
  return {
    exitStatus,
    text: `${[...blocks, ...passedOver, ...summary].join('\n\n')}\n${view.warnings.map((warning) => `${paint.yellow(harmless(warning))}\n`).join('')}`,
    document: {
      depth: 'restore',
      warnings: view.warnings,
      passedOver: view.passedOver.map(checkJson),
      backups: view.drills.map(({ report, reportKey, after }) => ({
        key: report.backup.key,
        ok: report.verdict === 'green' && after.length === 0,
        reportKey,
        // The report is plain JSON already; the round trip drops fields that are undefined.
        report: JSON.parse(JSON.stringify(report)) as Json,
        checks: [...report.checks.map((one) => ({ ...one })), ...after.map(checkJson)],
      })),
    },
  }
}

const summaryOf = ({ drills }: DrillsView, paint: Paint): string => {
  const green = drills.filter(({ report }) => report.verdict === 'green').length
  const text = `${String(green)} of ${String(drills.length)} drills are green.`
  return green === drills.length ? paint.green(text) : paint.red(text)
}

/** The report as an auditor reads it: what, when, where, by what; each check with its figure; the verdict. */
export const reportText = (report: DrillReport, paint: Paint): string => {
  const { backup, by, restoredInto, figures } = report
  const facts: [string, string][] = [
    ['backup', backup.key],
    ...(backup.startedAt === null ? [] : [['of', backup.startedAt] as [string, string]]),
    ...(backup.sizeBytes === null
      ? []
      : [['stored', `${formatBytes(backup.sizeBytes)}, ${backup.encryption ?? ''}`] as [string, string]]),
    ...(backup.sha256 === null ? [] : [['SHA-256', backup.sha256] as [string, string]]),
    ['signed by', backup.signedBy ?? 'nobody that is trusted here'],
    ['drilled', `${report.startedAt}, ${formatDuration(Date.parse(report.endedAt) - Date.parse(report.startedAt))}`],
    [
      'on',
      `${by.host} (${by.environment}), oslrs-backup ${by.tool}${by.pgDump === null ? '' : `, pg_dump ${by.pgDump}`}${by.psql === null ? '' : `, psql ${by.psql}`}`,
    ],
    ['into', restoredInto === null ? 'nothing: it did not come to that' : intoText(restoredInto)],
    ...(figures === null ? [] : [['holds', `${formatBytes(figures.plainBytes)} of SQL`] as [string, string]]),
    ['stages', report.stages.map(({ name, durationMs }) => `${name} ${formatDuration(durationMs)}`).join(', ')],
  ]
  const checks = report.checks.map(({ hint, ...one }): Check => (hint === null ? one : { ...one, hint }))
  const verdict =
    report.verdict === 'green' ? paint.green(harmless(report.sentence)) : paint.red(harmless(report.sentence))
  return [
    paint.bold('Report of a restore drill'),
    columns(
      ['', ''],
      facts.map((fact) => fact.map(harmless)),
    ).trimStart(),
    columns(['', '', ''], checkRows(checks, paint)).trimStart(),
    verdict,
  ].join('\n\n')
}

const intoText = (into: NonNullable<DrillReport['restoredInto']>): string => {
  const version =
    into.serverVersion === null || into.description.includes(into.serverVersion)
      ? ''
      : `, PostgreSQL ${into.serverVersion}`
  const fate =
    into.database === null
      ? ''
      : into.kept
        ? `: ${into.database}, kept; it holds personal data`
        : `: ${into.database}, removed again`
  return `${into.description}${version}${fate}`
}
