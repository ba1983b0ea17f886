import type { Json } from '../domain/canonical.ts'
import type { Backup, Catalog } from '../domain/catalog.ts'
import type { Verdict } from '../domain/freshness.ts'
import { formatBytes, formatCount, formatDuration } from '../domain/units.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'
import { harmless } from '../domain/harmless.ts'

export interface ListView {
  readonly place: string
  readonly backups: Catalog
  readonly verdict: Verdict
  readonly stale: boolean
  readonly warnings: readonly string[]
  readonly now: Date
}

export const listOutcome = (view: ListView, paint: Paint): Outcome => ({
  exitStatus: view.stale ? 65 : 0,
  text: `${table(view, paint)}\n\n${verdictText(view.verdict, paint)}${view.warnings.map((warning) => `${paint.yellow(harmless(warning))}\n`).join('')}`,
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
    backups: view.backups.map((backup) => backupJson(backup, view.now)),
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

const stateText = (backup: Backup, paint: Paint): string => {
  switch (backup.state) {
    case 'complete':
      return paint.green(backup.signed ? 'complete' : 'complete unsigned')
    case 'unverified-older':
      return paint.yellow('older, unverified')
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
      stateText(backup, paint),
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

const backupJson = (backup: Backup, now: Date): Json => {
  const { startedAt, sizeBytes, rows, encryption } = figuresOf(backup)
  return {
    tier: backup.tier,
    period: backup.period,
    key: backup.key,
    state: backup.state,
    why: backup.state === 'damaged' ? backup.why : null,
    signed: backup.state === 'complete' ? backup.signed : null,
    startedAt: startedAt?.toISOString() ?? null,
    ageSeconds: startedAt === undefined ? null : Math.round((now.getTime() - startedAt.getTime()) / 1000),
    sizeBytes: sizeBytes ?? null,
    sha256: backup.state === 'complete' || backup.state === 'unverified-older' ? backup.manifest.checksumSha256 : null,
    rows: rows ?? null,
    encryption: encryption ?? null,
  }
}
