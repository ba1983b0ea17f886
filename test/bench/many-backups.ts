import { createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { encodeReport, type DrillReport } from '../../src/domain/drill-report.ts'
import { fileNameOf, makeKey, type Layout } from '../../src/domain/key.ts'
import { asDocument, encodeManifest, type Manifest } from '../../src/domain/manifest.ts'
import { signDocument } from '../../src/domain/signature.ts'
import type { Bucket } from './bucket.ts'
import type { Installation } from './installation.ts'

const day = 86_400_000

/**
 * What a bucket holds in year seven: 7 dailies, 84 monthlies and 90 drills, each as the tool writes it and signed, with the
 * tables of a real manifest. The archives themselves are small, and their manifests say so.
 */
export const fillBucket = async (
  bucket: Bucket,
  installation: Installation,
  model: Manifest,
): Promise<{ readonly backups: number; readonly drills: number }> => {
  await bucket.empty()
  const signingKey = createPrivateKey(await readFile(installation.environment['BACKUP_SIGNING_KEY_FILE'] ?? ''))
  const name = /^\d{4}-\d\d-\d\d-(.+?)\.sql\.gz\.age$/.exec(model.filename)?.[1] ?? 'app_db'
  const layout: Layout = { prefix: 'backups/', name }
  const body = 'x'.repeat(1000)
  const now = Date.now()
  const dailies = Array.from({ length: 7 }, (_, index) => new Date(now - index * day).toISOString().slice(0, 10))
  const thisMonth = new Date(now)
  const monthlies = Array.from({ length: 84 }, (_, index) =>
    new Date(Date.UTC(thisMonth.getUTCFullYear(), thisMonth.getUTCMonth() - index, 1)).toISOString().slice(0, 7),
  )
  for (const period of [...dailies, ...monthlies]) {
    const tier = period.length === 7 ? 'monthly' : 'daily'
    const key = makeKey(layout, { kind: 'data', tier, period, name, revision: 1, sealing: 'age' })
    const timestamp = tier === 'daily' ? `${period}T01:00:00.000Z` : `${period}-01T01:00:00.000Z`
    const { signature: _, ...unsigned } = model
    const manifest: Manifest = {
      ...unsigned,
      filename: fileNameOf(key),
      s3Key: key,
      sizeBytes: body.length,
      timestamp,
      retentionTier: tier,
    }
    const signed = { ...manifest, signature: signDocument(asDocument(manifest), signingKey) }
    await bucket.put(key, body)
    await bucket.put(makeKey(layout, { kind: 'manifest', tier, period }), encodeManifest(signed))
  }
  const drills = Array.from({ length: 90 }, (_, index) => drillAt(new Date(now - index * 28 * day), model))
  for (const report of drills)
    await bucket.put(
      makeKey(layout, { kind: 'drill', startedAt: new Date(report.startedAt) }),
      encodeReport(report, signingKey),
    )
  return { backups: dailies.length + monthlies.length, drills: drills.length }
}

const drillAt = (startedAt: Date, { tables, s3Key, plain, tool, checksumSha256 }: Manifest): DrillReport => ({
  formatVersion: 1,
  kind: 'drill',
  startedAt: startedAt.toISOString(),
  endedAt: new Date(startedAt.getTime() + 60_000).toISOString(),
  verdict: 'green',
  sentence: `GREEN: ${s3Key} was brought back, and is what was recorded.`,
  exitStatus: 0,
  backup: {
    key: s3Key,
    tier: 'daily',
    period: startedAt.toISOString().slice(0, 10),
    startedAt: startedAt.toISOString(),
    sizeBytes: 1000,
    sha256: checksumSha256,
    encryption: 'age',
    signedBy: null,
  },
  by: {
    host: 'bench',
    environment: 'production',
    tool: tool.version,
    psql: tool.pgDump,
    pgDump: tool.pgDump,
    age: null,
    compressor: tool.compressor,
  },
  restoredInto: null,
  checks: tables.map((table) => ({ name: table.name, state: 'ok', detail: `${String(table.rows)} rows`, hint: null })),
  figures: {
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    plainBytes: plain.sizeBytes,
    largeObjects: 0,
    definitions: 29,
  },
  auditChain: null,
  stages: [{ name: 'restore', durationMs: 61_000 }],
  recovery: { durationMs: 61_000, objectiveMs: 3_600_000 },
  notContained: [],
})
