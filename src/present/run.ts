import type { Json } from '../domain/canonical.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { MailRecord } from '../domain/status.ts'
import { formatBytes, formatCount, formatDuration } from '../domain/units.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'
import { harmless } from '../domain/harmless.ts'

const plural = (count: number, one: string): string => `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`

export const runOutcome = (
  result: {
    readonly manifest: Manifest
    readonly manifestKey: string
    readonly after: {
      readonly promoted: readonly string[]
      readonly removed: readonly string[]
      readonly notes: readonly string[]
    }
    readonly auditNote: string | undefined
    readonly mail: MailRecord | undefined
  },
  paint: Paint,
): Outcome => {
  const { manifest, manifestKey, after, auditNote, mail } = result
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
    ...(mail === undefined
      ? []
      : [['told', `${plural(mail.accepted, 'person')} by mail`.replace('persons', 'people')] as [string, string]]),
    ...after.promoted.map((key): [string, string] => ['promoted', key]),
    ...(after.removed.length === 0 ? [] : [['removed', plural(after.removed.length, 'object')] as [string, string]]),
  ]
  const anomalies = manifest.anomalies.map((anomaly) => paint.red(`ANOMALY: ${harmless(anomaly)}`))
  const notes = [
    ...manifest.warnings,
    ...after.notes,
    ...(auditNote === undefined ? [] : [auditNote]),
    ...(mail?.refused ?? []).map((sentence) => `A mail was not delivered to ${sentence}`),
  ].map((note) => paint.yellow(`Note: ${harmless(note)}`))
  return {
    exitStatus: 0,
    text: `${[...anomalies, paint.green(`Backed up the database ${harmless(manifest.source.database)}.`), columns(['', ''], facts).trimStart(), ...notes].join('\n')}\n`,
    // The manifest is plain JSON already; the round trip drops fields that are undefined.
    document: {
      manifestKey,
      manifest: JSON.parse(JSON.stringify(manifest)) as Json,
      after: { promoted: after.promoted, removed: after.removed, notes: after.notes },
      auditNote: auditNote ?? null,
      mail: mail === undefined ? null : { ...mail },
    },
  }
}

/** The timer's run found nothing to do. */
export const alreadyDoneOutcome = ({
  due,
  existing,
}: {
  readonly due: string
  readonly existing: { readonly key: string; readonly manifestKey: string }
}): Outcome => ({
  exitStatus: 0,
  text: `Nothing to do: the backup that is due, of ${due}, is there: ${existing.key}.\n`,
  document: { due, existing: { key: existing.key, manifestKey: existing.manifestKey } },
})
