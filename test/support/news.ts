import type { DrillFacts, FailureFacts, SuccessFacts } from '../../src/domain/news.ts'
import { newStatus } from '../../src/domain/status.ts'
import { dataKey, manifestOf } from './builders.ts'

/** News as they come: each is whole, and a test states only what it is about. */

const now = new Date('2026-02-24T01:02:05.000Z')
const sender = { host: 'oslrs-1', environment: 'production', toolVersion: '0.1.0', now, standing: [] }

export const successFacts = (more: Partial<SuccessFacts> = {}): SuccessFacts => ({
  ...sender,
  manifest: manifestOf('2026-02-24', {
    sizeBytes: 12_345_678,
    plain: { sizeBytes: 123_456_789, sha256: 'b'.repeat(64) },
    tables: [{ name: 'public.users', rows: 1_234_567, bytes: 1, sha256: 'c'.repeat(64) }],
    keyTables: [
      { name: 'public.users', rows: 1234 },
      { name: 'public.respondents', rows: 687_001 },
    ],
    storage: {
      endpoint: 'https://fra1.digitaloceanspaces.com',
      region: 'us-east-1',
      bucket: 'oslrs-backups',
      etag: 'x',
    },
    signature: { keyId: '21fe31dfa154a261', ed25519: 'x' },
  }),
  promoted: [],
  removed: 2,
  notes: [],
  before: newStatus,
  nextRun: new Date('2026-02-25T01:00:00.000Z'),
  ...more,
})

export const failureFacts = (more: Partial<FailureFacts> = {}): FailureFacts => ({
  ...sender,
  what: 'backup',
  stage: 'inspect',
  message: 'The database server at 127.0.0.1, port 5432 does not answer (connection refused).',
  all: [],
  hint: 'Is it running? See: systemctl status postgresql, or docker ps.',
  attempts: 4,
  unit: 'oslrs-backup.service',
  failingSince: new Date('2026-02-23T01:00:00.000Z'),
  consecutiveFailures: 2,
  lastGood: {
    known: 'seen in the store',
    key: dataKey('2026-02-22'),
    startedAt: new Date('2026-02-22T01:00:01.000Z'),
    sizeBytes: 12_000_000,
  },
  undelivered: null,
  ...more,
})

export const drillFacts = (more: Partial<DrillFacts> = {}): DrillFacts => ({
  ...sender,
  now: new Date('2026-03-02T03:04:10.000Z'),
  startedAt: new Date('2026-03-02T03:00:12.000Z'),
  backup: { key: dataKey('2026-03-02'), startedAt: new Date('2026-03-02T01:00:00.000Z'), sizeBytes: 12_000_000 },
  passed: true,
  verdict: 'The newest backup was restored, and every row of every table is there.',
  checks: [
    { name: 'signature', state: 'ok', detail: 'Ed25519 key 21fe31dfa154a261' },
    { name: 'rows', state: 'ok', detail: '5 tables, 4,520 rows, all digests as recorded' },
  ],
  durations: [
    { stage: 'fetch and open', ms: 61_000 },
    { stage: 'restore', ms: 154_000 },
  ],
  restoredInMs: 215_000,
  reportKey: 'backups/drills/2026-03-02T03-00-12Z-drill.json',
  notes: [],
  ...more,
})
