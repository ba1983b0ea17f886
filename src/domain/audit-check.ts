import { createHash } from 'node:crypto'
import { canonicalDetails } from './audit-chain.ts'
import type { Json } from './canonical.ts'

/** What a drill finds of the application's audit chain; kept in its report, so that the next one can compare. */
export interface AuditFigures {
  readonly rows: number
  readonly tailHash: string | null
  /** Rows whose hash is not that of their own content: they were altered. */
  readonly selfHashFailures: number
  /** Rows that share their predecessor with another one. Production has some of old, from writers that raced. */
  readonly forks: number
  /** Rows whose predecessor is not there. */
  readonly gaps: number
}

interface StoredRow {
  readonly id: string
  readonly action: string
  readonly actorId: string | null
  readonly createdAt: string
  readonly details: string | null
  readonly previousHash: string | null
  readonly hash: string | null
}

/** Whether the row's hash covers its own content. See `chainHash`; here everything is as the database stores it. */
export const coversItself = (row: StoredRow): boolean => {
  if (row.hash === null || row.previousHash === null) return false
  const details = parsedJson(row.details ?? 'null')
  if (details === undefined) return false
  const parts = [
    row.id,
    row.action,
    row.actorId ?? 'SYSTEM',
    row.createdAt,
    canonicalDetails(details),
    row.previousHash,
  ]
  return createHash('sha256').update(parts.join('|')).digest('hex') === row.hash
}

const parsedJson = (text: string): Json | undefined => {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

export interface AuditJudgement {
  readonly state: 'ok' | 'warning' | 'failed'
  readonly sentences: readonly string[]
}

/**
 * `recorded` is what the manifest says of the same instant; null where it says nothing. `before` is what the drill before
 * found, null where there was none: forks and gaps that it knew are old, and no news.
 */
export const judgeAudit = (
  found: AuditFigures,
  recorded: Pick<AuditFigures, 'rows' | 'tailHash'> | null,
  before: AuditFigures | null,
): AuditJudgement => {
  const failed = [
    ...(recorded !== null && recorded.rows !== found.rows
      ? [`${String(found.rows)} rows, and ${String(recorded.rows)} by the manifest`]
      : []),
    ...(recorded !== null && recorded.tailHash !== found.tailHash
      ? ['its last hash is not the one in the manifest']
      : []),
    ...(found.selfHashFailures > 0
      ? [`${rowsText(found.selfHashFailures)} whose hash is not that of their content: altered after they were written`]
      : []),
    ...(before !== null && found.gaps > before.gaps
      ? [
          `${rowsText(found.gaps - before.gaps)} more than at the last drill whose predecessor is not there: rows were removed`,
        ]
      : []),
  ]
  const noted = [
    ...(before !== null && found.forks > before.forks
      ? [`${String(found.forks - before.forks)} new forks since the last drill`]
      : []),
    ...(before === null && found.gaps > 0 ? [`${rowsText(found.gaps)} whose predecessor is not there`] : []),
  ]
  return {
    state: failed.length > 0 ? 'failed' : noted.length > 0 ? 'warning' : 'ok',
    sentences: [...failed, ...noted],
  }
}

const rowsText = (count: number): string => `${String(count)} ${count === 1 ? 'row' : 'rows'}`
