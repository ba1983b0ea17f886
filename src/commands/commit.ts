import type { KeyObject } from 'node:crypto'
import { monthOf, utcDate } from '../domain/calendar.ts'
import { fileNameOf, makeKey, type DataKey, type ObjectKey } from '../domain/key.ts'
import { asDocument, encodeManifest, type Manifest } from '../domain/manifest.ts'
import { signDocument } from '../domain/signature.ts'
import type { Dumper, Gzip, SourceDatabase } from '../ports.ts'
import type { RunContext } from './run-context.ts'
import type { Stored } from './store-sealed.ts'
import { readText, writeText, type Vault } from './vault.ts'

/** What a run has found out, from which its manifest is made. */
export interface Facts {
  readonly source: SourceDatabase
  readonly stored: Stored
  readonly dataKey: DataKey
  readonly startedAt: Date
  readonly durationMs: number
  readonly dumper: Dumper
  readonly gzip: Gzip
  readonly attempt: number
  /** Why it looks ruined beside the last good one; see domain/anomaly.ts. */
  readonly anomalies: readonly string[]
  readonly warnings: readonly string[]
}

/** The manifest of a daily, not yet signed. */
export const describe = (
  ctx: RunContext,
  { source, stored, dataKey, startedAt, durationMs, dumper, gzip, attempt, anomalies, warnings }: Facts,
): Manifest => {
  const key = makeKey(ctx.vault.layout, dataKey)
  return {
    filename: fileNameOf(key),
    s3Key: key,
    sizeBytes: stored.put.sizeBytes,
    checksumSha256: stored.put.sha256,
    durationMs,
    timestamp: startedAt.toISOString(),
    databaseUrl: source.host,
    tableCounts: stored.tableCounts,
    retentionTier: 'daily',
    formatVersion: 1,
    environment: ctx.environment,
    source: {
      database: source.database,
      serverVersion: source.serverVersion,
      systemIdentifier: source.systemIdentifier,
      encoding: source.encoding,
      collate: source.collate,
      ctype: source.ctype,
    },
    tool: { version: ctx.toolVersion, pgDump: dumper.version, compressor: gzip.name, machine: ctx.machine },
    plain: { sizeBytes: stored.plain.sizeBytes, sha256: stored.plain.sha256 },
    tables: stored.plain.tables,
    keyTables: stored.keyTables,
    anomalies,
    largeObjects: stored.plain.largeObjects,
    requires: source.requires,
    encryption: { algorithm: ctx.recipients.length > 0 ? 'age' : 'none', recipients: ctx.recipients },
    storage: { ...ctx.vault.store.place, etag: stored.put.etag },
    auditChain: stored.auditChain,
    notContained: source.notContained,
    warnings,
    attempt,
  }
}

export const signed = (manifest: Manifest, key: KeyObject | undefined): Manifest =>
  key === undefined ? manifest : { ...manifest, signature: signDocument(asDocument(manifest), key) }

/**
 * The atomic switch: with this the backup exists. It is read back, for a commit record that cannot be read is none. When
 * the answer to the writing is lost, the store is asked: what it has is what counts.
 */
export const commit = async ({ store, layout }: Vault, manifest: Manifest): Promise<ObjectKey> => {
  const date = utcDate(new Date(manifest.timestamp))
  const tier = manifest.retentionTier
  const key = makeKey(layout, { kind: 'manifest', tier, period: tier === 'daily' ? date : monthOf(date) })
  const text = encodeManifest(manifest)
  try {
    await writeText(store, key, text, { ifAbsent: false })
  } catch (thrown) {
    const isThere = (await readText(store, key).catch(() => undefined)) === text
    if (!isThere) throw thrown
  }
  return key
}
