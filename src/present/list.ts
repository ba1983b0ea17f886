import type { Json } from '../domain/canonical.ts'
import type { Backup, Catalog } from '../domain/catalog.ts'
import type { StoredReport } from '../domain/drill-report.ts'
import type { Verdict } from '../domain/freshness.ts'
import type { Status } from '../domain/status.ts'
import { formatBytes, formatCount, formatDuration } from '../domain/units.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'
import { harmless } from '../domain/harmless.ts'

export interface ListView {
  readonly place: string
  readonly backups: Catalog
  readonly suspicions: ReadonlyMap<string, readonly string[]>
  readonly verdict: Verdict
  readonly drills: ReadonlyMap<string, StoredReport>
  readonly stale: boolean
  readonly warnings: readonly string[]
  readonly status: Status
  readonly now: Date
}

export const listOutcome = (view: ListView, paint: Paint): Outcome => ({
  exitStatus: view.stale ? 65 : 0,
  text: `${table(view, paint)}\n\n${verdictText(view.verdict, paint)}${drillText(view, paint)}${anomalyText(view, paint)}${lastNightText(view, paint)}${view.warnings.map((warning) => `${paint.yellow(harmless(warning))}\n`).join('')}`,
  document: {
    place: view.place,
    verdict: {
      fresh: view.verdict.fresh,
      maxAgeSeconds: Math.round(view.verdict.maxAgeMs / 1000),
      newest: view.verdict.newest?.key ?? null,
      newestAgeSeconds: view.verdict.newestAgeMs === undefined ? null : Math.round(view.verdict.newestAgeMs / 1000),
      missingDays: view.verdict.missingDays,
      missingMonths: view.verdict.missingMonths,
    },
    warnings: view.warnings,
    lastRun: lastRunJson(view.status),
    backups: view.backups.map((backup) => backupJson(backup, view)),
  },
})

interface Figures {
  readonly startedAt: Date | undefined
  readonly sizeBytes: number | undefined
  readonly rows: number | undefined
  readonly encryption: string | undefined
}

const figuresOf = (backup: Backup): Figures => {
  switch (backup.state) {
    case 'complete':
      return {
        startedAt: new Date(backup.manifest.timestamp),
        sizeBytes: backup.manifest.sizeBytes,
        rows: backup.manifest.tables.reduce((sum, one) => sum + one.rows, 0),
        encryption: backup.manifest.encryption.algorithm,
      }
    case 'unverified-older':
      return {
        startedAt: new Date(backup.manifest.timestamp),
        sizeBytes: backup.manifest.sizeBytes,
        rows: undefined,
        encryption: backup.sealing,
      }
    case 'orphan':
      return {
        startedAt: backup.lastModified,
        sizeBytes: backup.sizeBytes,
        rows: undefined,
        encryption: backup.sealing,
      }
    case 'damaged':
      return { startedAt: undefined, sizeBytes: undefined, rows: undefined, encryption: undefined }
  }
}

const stateText = (backup: Backup, view: ListView, paint: Paint): string => {
  const drilled = view.drills.get(backup.key)?.report.verdict
  if (drilled === 'red' && backup.state !== 'damaged') return paint.red('drill RED')
  switch (backup.state) {
    case 'complete':
      if (view.suspicions.has(backup.key)) return paint.red('complete, ANOMALY')
      if (drilled === 'green') return paint.green(backup.signed ? 'complete, drilled' : 'unsigned, drilled')
      return paint.green(backup.signed ? 'complete' : 'complete unsigned')
    case 'unverified-older':
      return paint.yellow(drilled === 'green' ? 'older, drilled' : 'older, unverified')
    case 'orphan':
      return paint.yellow('orphan')
    case 'damaged':
      return paint.red(`damaged: ${harmless(backup.why)}`)
  }
}

const table = (view: ListView, paint: Paint): string => {
  if (view.backups.length === 0) return `No backups in ${view.place}.`
  const rows = view.backups.map((backup) => {
    const { startedAt, sizeBytes, rows: rowCount, encryption } = figuresOf(backup)
    return [
      backup.tier,
      backup.period,
      startedAt === undefined ? '' : ageText(view.now.getTime() - startedAt.getTime()),
      sizeBytes === undefined ? '' : formatBytes(sizeBytes),
      rowCount === undefined ? '' : formatCount(rowCount),
      encryption === 'aes-256-gcm' ? 'aes-gcm' : (encryption ?? ''),
      stateText(backup, view, paint),
    ]
  })
  return columns(['TIER', 'DATE', 'AGE', 'SIZE', 'ROWS', 'CIPHER', 'STATE'], rows, [2, 3, 4])
}

const ageText = (ms: number): string => (ms < 0 ? 'in future' : formatDuration(ms))

const verdictText = (verdict: Verdict, paint: Paint): string => {
  const limit = formatDuration(verdict.maxAgeMs)
  const first =
    verdict.newest === undefined || verdict.newestAgeMs === undefined
      ? paint.red('STALE: there is no complete backup.')
      : verdict.fresh
        ? paint.green(`Fresh: the newest complete backup is ${formatDuration(Math.max(0, verdict.newestAgeMs))} old.`)
        : verdict.newestAgeMs < 0
          ? paint.red(
              `STALE: the newest complete backup is dated ${formatDuration(-verdict.newestAgeMs)} in the future. A clock is wrong.`,
            )
          : paint.red(
              `STALE: the newest complete backup is ${formatDuration(verdict.newestAgeMs)} old, more than ${limit}.`,
            )
  const gaps = [
    ...(verdict.missingDays.length === 0 ? [] : [`No complete backup of: ${verdict.missingDays.join(', ')}.`]),
    ...(verdict.missingMonths.length === 0 ? [] : [`No monthly backup of: ${verdict.missingMonths.join(', ')}.`]),
  ]
  return `${[first, ...gaps.map((gap) => paint.yellow(gap))].join('\n')}\n`
}

/** The newest one: whether the monthly drill is made, and what it found. */
const drillText = ({ drills, now }: ListView, paint: Paint): string => {
  const [last] = [...drills.values()].toSorted((a, b) => (a.report.startedAt < b.report.startedAt ? 1 : -1))
  if (last === undefined) return ''
  const { report, signature } = last
  const age = ageText(now.getTime() - Date.parse(report.startedAt))
  const colour = report.verdict === 'green' ? paint.green : paint.red
  const trust = signature === 'valid' ? '' : ' The report bears no signature that is trusted here.'
  return `${colour(harmless(`Last drill, ${age} ago: ${report.sentence}`))}${trust}\n`
}

/** What a ruined database has lost is said once for each night, and what it means for the older backups. */
const anomalyText = (view: ListView, paint: Paint): string => {
  const suspicious = view.backups.flatMap((backup) => {
    const anomalies = view.suspicions.get(backup.key)
    return anomalies === undefined ? [] : [{ period: backup.period, anomalies }]
  })
  const [newest] = suspicious
  if (newest === undefined) return ''
  return `${[
    ...suspicious.map(({ period, anomalies }) => paint.red(harmless(`ANOMALY of ${period}: ${anomalies.join(' ')}`))),
    'Nothing older is promoted or removed until this is accepted or past.',
    `If the loss is meant: oslrs-backup prune --accept-anomaly ${newest.period} --reason TEXT`,
  ].join('\n')}\n`
}

/** What this machine's last run had to say besides; nothing on hosts that make no backups. */
const lastNightText = ({ status }: ListView, paint: Paint): string => {
  const { lastAttempt, lastSuccess, undelivered } = status
  const failure = lastAttempt?.outcome === 'failed' ? lastAttempt.failure : null
  const lines = [
    ...(lastAttempt === null || failure === null
      ? []
      : [paint.red(`The run of ${lastAttempt.startedAt.slice(0, 16)} UTC failed: ${harmless(failure.message)}`)]),
    ...(lastSuccess?.notes ?? []).map((note) =>
      paint.yellow(`After the backup of ${lastSuccess?.startedAt.slice(0, 10) ?? ''}: ${harmless(note)}`),
    ),
    ...(undelivered === null
      ? []
      : [
          paint.yellow(
            `The mail “${harmless(undelivered.subject)}” of ${undelivered.at.slice(0, 16)} UTC reached nobody.`,
          ),
        ]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

const lastRunJson = ({ lastAttempt, lastSuccess, consecutiveFailures }: Status): Json =>
  lastAttempt === null
    ? null
    : {
        startedAt: lastAttempt.startedAt,
        outcome: lastAttempt.outcome,
        failure: lastAttempt.failure === null ? null : { ...lastAttempt.failure },
        consecutiveFailures,
        notes: lastSuccess?.notes ?? [],
      }

const drillJson = (drill: StoredReport | undefined): Json =>
  drill === undefined
    ? null
    : {
        at: drill.report.startedAt,
        verdict: drill.report.verdict,
        sentence: drill.report.sentence,
        reportKey: drill.key,
        signature: drill.signature,
      }

const backupJson = (backup: Backup, { now, suspicions, drills }: ListView): Json => {
  const { startedAt, sizeBytes, rows, encryption } = figuresOf(backup)
  return {
    tier: backup.tier,
    period: backup.period,
    key: backup.key,
    state: backup.state,
    why: backup.state === 'damaged' ? backup.why : null,
    anomalies: suspicions.get(backup.key) ?? [],
    signed: backup.state === 'complete' ? backup.signed : null,
    startedAt: startedAt?.toISOString() ?? null,
    ageSeconds: startedAt === undefined ? null : Math.round((now.getTime() - startedAt.getTime()) / 1000),
    sizeBytes: sizeBytes ?? null,
    sha256: backup.state === 'complete' || backup.state === 'unverified-older' ? backup.manifest.checksumSha256 : null,
    rows: rows ?? null,
    encryption: encryption ?? null,
    lastDrill: drillJson(drills.get(backup.key)),
  }
}
