import * as z from 'zod'
import type { Json } from './canonical.ts'
import type { SignedDocument } from './signature.ts'
import { parseTableName } from './table-name.ts'

/**
 * The manifest: the commit record of a backup. A backup exists when its manifest exists and agrees with its object.
 *
 * The first block of fields is the format of the previous system, kept with the same meaning; README.md, "The
 * manifest", is the description for outsiders. Sizes are bytes, times are UTC, digests are lower-case hex.
 */
const count = z.int().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const instant = z.iso.datetime()
const shortText = z.string().max(4096)

const olderFields = {
  filename: shortText,
  s3Key: shortText,
  sizeBytes: count,
  checksumSha256: sha256,
  durationMs: count,
  timestamp: instant,
  databaseUrl: shortText,
  tableCounts: z.object({
    users: count.nullable(),
    respondents: count.nullable(),
    auditLogs: count.nullable(),
    submissions: count.nullable(),
  }),
  retentionTier: z.enum(['daily', 'monthly']),
}

const tableName = shortText.refine((name) => parseTableName(name) !== undefined, { error: 'is not a table name' })

const manifestSchema = z.object({
  ...olderFields,
  formatVersion: z.literal(1),
  environment: shortText,
  source: z.object({
    database: shortText,
    serverVersion: shortText,
    systemIdentifier: shortText.nullable(),
    encoding: shortText,
    collate: shortText,
    ctype: shortText,
  }),
  tool: z.object({ version: shortText, pgDump: shortText, compressor: shortText, machine: shortText.nullable() }),
  plain: z.object({ sizeBytes: count, sha256 }),
  tables: z.array(z.object({ name: tableName, rows: count, bytes: count, sha256 })).max(100_000),
  /** Rows of every key table that there is, counted by SQL, those of its partitions included. */
  keyTables: z.array(z.object({ name: tableName, rows: count })).max(10_000),
  /** Sentences: why this backup looked ruined when it was made, see domain/anomaly.ts. */
  anomalies: z.array(shortText).max(1000),
  largeObjects: count,
  /** What a restore needs of a server: extensions by name, and things that only a superuser can make. */
  requires: z
    .object({ extensions: z.array(shortText).max(1000), superuser: z.array(shortText).max(10_000) })
    .optional(),
  encryption: z.object({ algorithm: z.enum(['age', 'none']), recipients: z.array(shortText).max(100) }),
  storage: z.object({
    endpoint: shortText,
    region: shortText.nullable(),
    bucket: shortText.nullable(),
    etag: shortText.nullable(),
  }),
  auditChain: z.object({ rows: count, tailHash: shortText.nullable() }).nullable(),
  notContained: z.array(shortText).max(10_000),
  warnings: z.array(shortText).max(10_000),
  attempt: z.int().min(1),
  promotedFrom: shortText.optional(),
  signature: z.object({ keyId: z.string().regex(/^[0-9a-f]{16}$/), ed25519: shortText }).optional(),
})

/** Manifests of the previous system: the first block, and how it encrypted. */
const olderManifestSchema = z.object({
  ...olderFields,
  // What it did not count it may have left out; that says nothing against the backup.
  tableCounts: z.object({
    users: count.nullable().default(null),
    respondents: count.nullable().default(null),
    auditLogs: count.nullable().default(null),
    submissions: count.nullable().default(null),
  }),
  formatVersion: z.undefined().optional(),
  encryption: z
    .object({
      algorithm: z.literal('aes-256-gcm'),
      ivHex: z.string().regex(/^[0-9a-fA-F]{24}$/),
      authTagHex: z.string().regex(/^[0-9a-fA-F]{32}$/),
    })
    .nullish(),
})

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T
export type Manifest = DeepReadonly<z.output<typeof manifestSchema>>
export type OlderManifest = DeepReadonly<z.output<typeof olderManifestSchema>>
export type ManifestTable = Manifest['tables'][number]
export type TableCounts = Manifest['tableCounts']

/** A manifest larger than this is not read: 100,000 tables fit. */
export const manifestMaxBytes = 32 * 1024 * 1024

export type DecodedManifest =
  | { readonly kind: 'current'; readonly manifest: Manifest; readonly document: SignedDocument }
  | { readonly kind: 'older'; readonly manifest: OlderManifest }
  | { readonly kind: 'unreadable'; readonly why: string }

/** Never throws. `document` is the whole JSON, fields of later versions included, for its signature covers them. */
export const decodeManifest = (text: string): DecodedManifest => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return { kind: 'unreadable', why: 'its manifest is not JSON' }
  }
  if (!isDocument(document)) return { kind: 'unreadable', why: 'its manifest is not a JSON object' }
  const version = document['formatVersion']
  if (version === undefined) {
    const older = olderManifestSchema.safeParse(document)
    return older.success ? { kind: 'older', manifest: older.data } : { kind: 'unreadable', why: explain(older.error) }
  }
  if (version !== 1)
    return {
      kind: 'unreadable',
      why: `its manifest has format version ${typeof version === 'number' ? String(version) : '?'}, which needs a newer oslrs-backup`,
    }
  const current = manifestSchema.safeParse(document)
  return current.success
    ? { kind: 'current', manifest: current.data, document }
    : { kind: 'unreadable', why: explain(current.error) }
}

const isDocument = (value: unknown): value is SignedDocument =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const explain = (error: z.ZodError): string => {
  const [first] = error.issues
  const field = first === undefined ? '' : first.path.map(String).join('.')
  return `its manifest has a fault in the field "${field.slice(0, 80)}"`
}

/** As it is stored: pretty, with a line end. */
export const encodeManifest = (manifest: Manifest): string => `${JSON.stringify(manifest, undefined, 2)}\n`

/** A manifest as plain JSON, for signing. */
export const asDocument = (manifest: Manifest): SignedDocument =>
  JSON.parse(JSON.stringify(manifest)) as Record<string, Json>
