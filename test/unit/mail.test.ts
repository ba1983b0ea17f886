import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { News } from '../../src/domain/news.ts'
import { newStatus } from '../../src/domain/status.ts'
import { mailOf } from '../../src/present/mail/mail.ts'
import { manifestOf } from '../support/builders.ts'
import { drillFacts, failureFacts, successFacts } from '../support/news.ts'

const golden = (name: string): string => join(import.meta.dirname, 'golden', `${name}.txt`)

const undelivered = {
  at: '2026-02-23T01:21:00.000Z',
  subject: '[OSLRS] CRITICAL: Daily Backup Failed',
  accepted: 0,
  refused: ['a…@gmail.com: mail.oyo.ng, port 587: connection refused.'],
}
const failing = { ...newStatus, consecutiveFailures: 3, failingSince: '2026-02-21T01:00:00.000Z' }
const anomaly = 'public.respondents has 12 rows; the backup of 2026-02-23 has 687,001 (more than 99 % lost).'

const news: Readonly<Record<string, News>> = {
  success: { kind: 'success', facts: successFacts() },
  'success-with-notes': {
    kind: 'success',
    facts: successFacts({
      manifest: {
        ...manifestOf('2026-02-24', { attempt: 2 }),
        warnings: [
          'The manifest is not signed (BACKUP_SIGNING_KEY_FILE is not set).',
          'Where backups may be sent is not pinned (BACKUP_ALLOWED_HOSTS is not set).',
        ],
      },
      promoted: ['backups/monthly/2026-02-app_db.sql.gz.age'],
      notes: ['The monthly of 2026-01 was not made; the backup itself is complete. The bucket is full.'],
      before: { ...newStatus, consecutiveFailures: 1, failingSince: '2026-02-24T01:00:00.000Z', undelivered },
    }),
  },
  anomaly: {
    kind: 'success',
    facts: successFacts({ manifest: { ...successFacts().manifest, anomalies: [anomaly] }, before: failing }),
  },
  recovered: { kind: 'success', facts: successFacts({ before: failing }) },
  failure: { kind: 'failure', facts: failureFacts() },
  'failure-killed': {
    kind: 'failure',
    facts: failureFacts({
      stage: null,
      message: 'The attempt ended without a word: it was killed, or the machine went down.',
      hint: null,
      attempts: 1,
      consecutiveFailures: 1,
      failingSince: new Date('2026-02-24T01:00:00.000Z'),
      lastGood: { known: 'nothing' },
    }),
  },
  'failure-by-hand': {
    kind: 'failure',
    facts: failureFacts({
      stage: 'configuration',
      message: 'The configuration has 2 faults.',
      all: ['BACKUP_AGE_RECIPIENTS is not set', 'S3_ENDPOINT must be a URL that begins with https://'],
      attempts: 1,
      unit: null,
      failingSince: null,
      lastGood: { known: 'there is none' },
      undelivered,
      standing: ['Where backups may be sent is not pinned (BACKUP_ALLOWED_HOSTS is not set).'],
    }),
  },
  'failure-of-the-drill': {
    kind: 'failure',
    facts: failureFacts({ what: 'drill', stage: null, unit: 'oslrs-backup-verify.service', attempts: 1 }),
  },
  'failure-of-the-watch': {
    kind: 'failure',
    facts: failureFacts({
      what: 'watch',
      stage: null,
      message: 'The newest complete backup is 2 d 5 h old, more than 26 h.',
      hint: null,
      unit: 'oslrs-backup-watch.service',
      attempts: 1,
      lastGood: {
        known: 'remembered',
        key: 'backups/daily/2026-02-22-app_db.sql.gz.age',
        startedAt: new Date('2026-02-22T01:00:01.000Z'),
        sizeBytes: 12_000_000,
      },
    }),
  },
  'drill-passed': { kind: 'drill', facts: drillFacts() },
  'drill-failed': {
    kind: 'drill',
    facts: drillFacts({
      passed: false,
      verdict: 'The newest backup was restored, and what came back is not what was saved.',
      checks: [
        { name: 'signature', state: 'ok', detail: 'Ed25519 key 21fe31dfa154a261' },
        {
          name: 'rows',
          state: 'failed',
          detail: 'public.users: 19 rows, and 20 in the backup',
          hint: 'Look at the server’s log.',
        },
      ],
      restoredInMs: null,
      reportKey: null,
    }),
  },
}

/** When a mail's text is meant to change: npm test -- --project unit test/unit/mail.test.ts --update */
describe('the text of a mail', () => {
  test.each(Object.entries(news))('%s', async (name, one) => {
    const { subject, text } = mailOf(one)
    await expect(`Subject: ${subject}\n\n${text}`).toMatchFileSnapshot(golden(name))
  })

  test.each(Object.entries(news))('%s fits a narrow window, but for what is to be pasted', (_name, one) => {
    const long = mailOf(one)
      .text.split('\n')
      .filter((line) => line.length > 76 && !/^ {7}\S/.test(line) && !/\S{40}/.test(line))
    expect(long).toEqual([])
  })
})

describe('subjects', () => {
  test.each([
    ['success', '[OSLRS] Daily Backup Completed Successfully'],
    ['success-with-notes', '[OSLRS] Daily Backup Completed Successfully'],
    ['anomaly', '[OSLRS] WARNING: Daily Backup Completed With an Anomaly'],
    ['recovered', '[OSLRS] RECOVERED: Daily Backup Completed Successfully'],
    ['failure', '[OSLRS] CRITICAL: Daily Backup Failed'],
    ['failure-killed', '[OSLRS] CRITICAL: Daily Backup Failed'],
    ['failure-of-the-drill', '[OSLRS] CRITICAL: Restore Drill Failed'],
    ['failure-of-the-watch', '[OSLRS] CRITICAL: No Fresh Backup'],
    ['drill-passed', '[OSLRS] Restore Drill Passed'],
    ['drill-failed', '[OSLRS] CRITICAL: Restore Drill Failed'],
  ])('of %s', (name, subject) => {
    expect(news[name] === undefined ? undefined : mailOf(news[name]).subject).toBe(subject)
  })
})

describe('values from outside', () => {
  const hostile = '<script>alert("x")</script>\r\nBcc: evil@x.ng\u001b[2J & \'"'
  const everywhere: readonly News[] = [
    {
      kind: 'success',
      facts: successFacts({
        manifest: {
          ...manifestOf('2026-02-24', {
            s3Key: hostile,
            anomalies: [hostile],
            warnings: [hostile],
            databaseUrl: hostile,
          }),
          keyTables: [{ name: hostile, rows: 1 }],
          source: { ...manifestOf('2026-02-24').source, database: hostile },
          storage: { endpoint: hostile, region: hostile, bucket: hostile, etag: null },
        },
        notes: [hostile],
        promoted: [hostile],
        host: hostile,
        before: { ...newStatus, undelivered: { ...undelivered, subject: hostile, refused: [hostile] } },
      }),
    },
    {
      kind: 'failure',
      facts: failureFacts({
        message: hostile,
        all: [hostile],
        hint: hostile,
        host: hostile,
        environment: hostile,
        unit: hostile,
        standing: [hostile],
        lastGood: { known: 'remembered', key: hostile, startedAt: new Date(0), sizeBytes: 1 },
      }),
    },
    {
      kind: 'drill',
      facts: drillFacts({
        verdict: hostile,
        checks: [{ name: hostile, state: 'failed', detail: hostile, hint: hostile }],
        durations: [{ stage: hostile, ms: 1 }],
        notes: [hostile],
        reportKey: hostile,
        host: hostile,
      }),
    },
  ]

  test.each(everywhere)('are escaped in the HTML, and obeyed by nobody: $kind', (one) => {
    const { subject, text, html } = mailOf(one)
    expect(html).not.toContain('<script')
    expect(html).toContain('&lt;script&gt;')
    expect(html).not.toMatch(/"x"\)|alert\("x/)
    expect(subject).not.toMatch(/[\r\n]/)
    for (const form of [subject, text, html]) expect(form).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
    expect(text).not.toMatch(/^Bcc:/m)
  })

  test('make no tag but those of the page itself', () => {
    const tags = (one: News): string[] =>
      [...new Set([...mailOf(one).html.matchAll(/<([a-z!/]+)/gi)].map((found) => found[1] ?? ''))].toSorted()
    const known = ['!DOCTYPE', 'html', 'head', 'meta', 'title', 'body', 'div', 'table', 'tr', 'td', 'span', 'br']
    for (const one of everywhere) expect(tags(one).filter((tag) => !known.includes(tag.replace(/^\//, '')))).toEqual([])
  })
})
