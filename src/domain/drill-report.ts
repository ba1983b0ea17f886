import type { KeyObject } from 'node:crypto'
import * as z from 'zod'
import type { Json } from './canonical.ts'
import { signatureState, signDocument, type SignatureState, type SignedDocument } from './signature.ts'

/**
 * The report of a drill, as it lies in `backups/drills/`: the evidence that a backup was brought back, and what was
 * found. README.md, "The report of a drill", is the description for outsiders. Times are UTC, sizes bytes, durations ms.
 */
const count = z.int().min(0)
const instant = z.iso.datetime()
const text = z.string().max(100_000)
const shortText = z.string().max(4096)

const reportSchema = z.object({
  formatVersion: z.literal(1),
  kind: z.literal('drill'),
  startedAt: instant,
  endedAt: instant,
  /** `green`: all of it was checked and is good. `red`: something is not. `not-made`: something could not be checked. */
  verdict: z.enum(['green', 'red', 'not-made']),
  sentence: text,
  exitStatus: z.int(),
  backup: z.object({
    key: shortText,
    tier: z.enum(['daily', 'monthly']),
    period: shortText,
    startedAt: instant.nullable(),
    sizeBytes: count.nullable(),
    sha256: shortText.nullable(),
    encryption: shortText.nullable(),
    signedBy: shortText.nullable(),
  }),
  by: z.object({
    host: shortText,
    environment: shortText,
    tool: shortText,
    psql: shortText.nullable(),
    pgDump: shortText.nullable(),
    age: shortText.nullable(),
    compressor: shortText.nullable(),
  }),
  restoredInto: z
    .object({
      kind: z.enum(['private-cluster', 'verify-server', 'target-db']),
      description: shortText,
      serverVersion: shortText.nullable(),
      database: shortText.nullable(),
      kept: z.boolean(),
    })
    .nullable(),
  checks: z
    .array(
      z.object({
        name: shortText,
        state: z.enum(['ok', 'warning', 'failed']),
        detail: text,
        hint: shortText.nullable(),
      }),
    )
    .max(1000),
  figures: z
    .object({
      tables: count,
      rows: count,
      plainBytes: count,
      largeObjects: count,
      definitions: count,
    })
    .nullable(),
  auditChain: z
    .object({
      rows: count,
      tailHash: shortText.nullable(),
      selfHashFailures: count,
      forks: count,
      gaps: count,
    })
    .nullable(),
  stages: z.array(z.object({ name: shortText, durationMs: count })).max(100),
  /** Fetching, opening and loading, indexes and constraints included; null: it did not come to its end. */
  recovery: z.object({ durationMs: count, objectiveMs: count }).nullable(),
  notContained: z.array(shortText).max(10_000),
  signature: z.object({ keyId: z.string().regex(/^[0-9a-f]{16}$/), ed25519: shortText }).optional(),
})

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T
export type DrillReport = DeepReadonly<z.output<typeof reportSchema>>

/** A report as the store has it, and whether one of the trusted keys vouches for it. */
export interface StoredReport {
  readonly key: string
  readonly report: DrillReport
  readonly signature: SignatureState
}

/** undefined: it is no report that this version can read. */
export const decodeReport = (key: string, text: string, trusted: readonly KeyObject[]): StoredReport | undefined => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  const decoded = reportSchema.safeParse(document)
  return decoded.success
    ? { key, report: decoded.data, signature: signatureState(document as SignedDocument, trusted) }
    : undefined
}

/** As it is stored: pretty, with a line end; signed where there is a key. */
export const encodeReport = (report: DrillReport, key: KeyObject | undefined): string => {
  const document = JSON.parse(JSON.stringify(report)) as Record<string, Json>
  const signed = key === undefined ? document : { ...document, signature: { ...signDocument(document, key) } }
  return `${JSON.stringify(signed, undefined, 2)}\n`
}

/** The recovery time objective: a registry is back within the hour. */
export const recoveryObjectiveMs = 3_600_000

/**
 * Of each backup its last drill. A report speaks for a backup only if it is of the same stored bytes: one that was made
 * before a replacement says nothing about what lies there now.
 */
export const lastDrillOf = (
  reports: readonly StoredReport[],
  backup: { readonly key: string; readonly sha256: string | undefined },
): StoredReport | undefined =>
  reports
    .filter(({ report }) => report.backup.key === backup.key && report.backup.sha256 === (backup.sha256 ?? null))
    .toSorted((a, b) => (a.report.startedAt < b.report.startedAt ? 1 : -1))[0]
