import { nightsBefore, type SuccessFacts } from '../../domain/news.ts'
import { formatBytes, formatCount, formatDuration } from '../../domain/units.ts'
import type { Page } from './page.ts'
import { counted, footerOf, instantText, undeliveredText } from './words.ts'

/** A night that ended well; an anomaly is told before anything else, and that backups work again before that they work. */
export const successPage = (facts: SuccessFacts): Page => {
  const { manifest, notes, before, promoted, removed } = facts
  const { anomalies } = manifest
  const nights = nightsBefore(facts)
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
  return {
    ...heading(facts, nights),
    tone: anomalies.length > 0 ? 'bad' : notes.length + manifest.warnings.length > 0 ? 'attention' : 'good',
    first: [
      ...anomalies.map((anomaly) => `ANOMALY: ${anomaly}`),
      ...manifest.warnings,
      ...notes,
      ...(before.undelivered === null ? [] : [undeliveredText(before.undelivered)]),
    ],
    sections: [
      ...(anomalies.length === 0 ? [] : [anomalySection(facts)]),
      {
        title: 'The backup',
        facts: [
          ['File', manifest.s3Key],
          ['In', placeText(facts)],
          [
            'Compressed size',
            `${formatBytes(manifest.sizeBytes)}, from ${formatBytes(manifest.plain.sizeBytes)} of SQL`,
          ],
          ['SHA-256', manifest.checksumSha256],
          ['Started', instantText(new Date(manifest.timestamp))],
          ['Duration', formatDuration(manifest.durationMs)],
          ['Attempts', formatCount(manifest.attempt)],
          [
            'Encryption',
            manifest.encryption.algorithm === 'none'
              ? 'NONE'
              : `age, for ${counted(manifest.encryption.recipients.length, 'key')}`,
          ],
          ['Signature', manifest.signature === undefined ? 'NONE' : `Ed25519 key ${manifest.signature.keyId}`],
        ],
      },
      {
        title: 'Rows',
        facts: [
          ...manifest.keyTables.map(
            ({ name, rows: count }) => [name.replace(/^public\./, ''), formatCount(count)] as const,
          ),
          [`All ${counted(manifest.tables.length, 'table')}`, formatCount(rows)],
        ],
      },
      {
        title: 'Keeping order',
        facts: [
          ...promoted.map((key) => ['New monthly', key] as const),
          ['Removed by the policy', counted(removed, 'object')],
          ['Next run', `${instantText(facts.nextRun)}, where the timer is enabled`],
        ],
      },
    ],
    footer: footerOf({ ...facts, standing: facts.standing.filter((one) => !manifest.warnings.includes(one)) }),
  }
}

const heading = (facts: SuccessFacts, nights: number): Pick<Page, 'subject' | 'title' | 'lead'> => {
  const { manifest } = facts
  const database = `${manifest.source.database} on ${manifest.databaseUrl}`
  if (manifest.anomalies.length > 0)
    return {
      subject: '[OSLRS] WARNING: Daily Backup Completed With an Anomaly',
      title: 'A backup was made, of a database that looks damaged',
      lead: `The backup of ${database} is complete. But the database has lost so much since the last good backup that somebody must look at it today.`,
    }
  if (nights > 0)
    return {
      subject: '[OSLRS] RECOVERED: Daily Backup Completed Successfully',
      title: 'Backups work again',
      lead: `The backup of ${database} is complete, after ${counted(nights, 'night')} without one${
        facts.before.failingSince === null ? '' : ` since ${instantText(new Date(facts.before.failingSince))}`
      }.`,
    }
  return {
    subject: '[OSLRS] Daily Backup Completed Successfully',
    title: 'The daily backup is complete',
    lead: `The backup of ${database} is stored, and proved byte for byte.`,
  }
}

const anomalySection = ({ manifest }: SuccessFacts): Page['sections'][number] => ({
  title: 'What to do now',
  sentences: ['Nothing older is promoted or removed until this is settled, so what was lost can be brought back.'],
  steps: [
    { sentence: 'Look at the database: is what the sentences above name really gone, and did somebody mean it?' },
    {
      sentence: 'If the loss is meant, say so and why:',
      command: `oslrs-backup prune --accept-anomaly ${manifest.timestamp.slice(0, 10)} --reason 'TEXT'`,
    },
    {
      sentence:
        'If it is not, restore the last good backup beside the live database, and take from it what is missing:',
      command: 'oslrs-backup list',
    },
  ],
})

const placeText = ({ manifest: { storage } }: SuccessFacts): string =>
  storage.bucket === null
    ? storage.endpoint
    : `bucket ${storage.bucket} at ${storage.endpoint}${storage.region === null ? '' : `, region ${storage.region}`}`
