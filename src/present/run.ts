import type { Json } from '../domain/canonical.ts'
import type { Manifest } from '../domain/manifest.ts'
import { formatBytes, formatCount, formatDuration } from '../domain/units.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'
import { harmless } from '../domain/harmless.ts'

const plural = (count: number, one: string): string => `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`

export const runOutcome = (
  result: { readonly manifest: Manifest; readonly manifestKey: string },
  paint: Paint,
): Outcome => {
  const { manifest, manifestKey } = result
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
  const facts: [string, string][] = [
    ['backup', manifest.s3Key],
    ['manifest', manifestKey],
    [
      'in',
      manifest.storage.bucket === null
        ? manifest.storage.endpoint
        : `${manifest.storage.bucket} at ${manifest.storage.endpoint}`,
    ],
    ['size', `${formatBytes(manifest.sizeBytes)}, from ${formatBytes(manifest.plain.sizeBytes)} of SQL`],
    ['rows', `${formatCount(rows)} in ${plural(manifest.tables.length, 'table')}`],
    ['SHA-256', manifest.checksumSha256],
    [
      'encryption',
      manifest.encryption.algorithm === 'none'
        ? 'none'
        : `age, ${plural(manifest.encryption.recipients.length, 'recipient')}`,
    ],
    ['signature', manifest.signature === undefined ? 'none' : `Ed25519 key ${manifest.signature.keyId}`],
    ['duration', formatDuration(manifest.durationMs)],
  ]
  const notes = manifest.warnings.map((warning) => paint.yellow(`Note: ${harmless(warning)}`))
  return {
    exitStatus: 0,
    text: `${[paint.green(`Backed up the database ${harmless(manifest.source.database)}.`), columns(['', ''], facts).trimStart(), ...notes].join('\n')}\n`,
    // The manifest is plain JSON already; the round trip drops fields that are undefined.
    document: { manifestKey, manifest: JSON.parse(JSON.stringify(manifest)) as Json },
  }
}
