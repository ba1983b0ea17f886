import { PutObjectCommand } from '@aws-sdk/client-s3'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { bytesOf, keysIn, newBucketSite, startBuckets, type Buckets } from '../support/buckets.ts'
import { dataKey, manifestKey, manifestOf } from '../support/builders.ts'
import { newDatabase } from '../support/postgres.ts'
import { completeKeys } from '../support/soundness.ts'
import { newSite, runTool, runToolJson } from '../support/tool.ts'

/** Whoever can write to the bucket writes whatever they like: it is listed for what it is, and takes nothing along. */

const sql = 'CREATE TABLE users AS SELECT g AS id FROM generate_series(1, 20) g'

/** Keys that are nobody's: names that lead elsewhere, that no day has, that differ in case, that a terminal would obey. */
const foreignKeys: readonly string[] = [
  'backups/../evil-manifest.json',
  'backups/daily/../../evil.sql.gz.age',
  'backups/manifests/../../../etc/passwd-manifest.json',
  'backups//daily/2026-02-24-app_db.sql.gz.age',
  'backups/manifests/2026-02-30-manifest.json',
  'backups/manifests/2026-13-manifest.json',
  'backups/manifests/monthly/0000-00-manifest.json',
  'backups/manifests/2026-02-24-Manifest.json',
  'Backups/manifests/2026-02-24-manifest.json',
  'backups/DAILY/2026-02-24-app_db.sql.gz.age',
  'backups/daily/2026-02-24-app_db.sql.gz.AGE',
  'backups/daily/2026-02-24-other_db.sql.gz.age.part',
  'backups/manifests/2026-02-24-manifest.json ',
  'backups/manifests/2026-02-24-manifest.json.bak',
  'backups/manifests/\u001b[2J\u001b[31m2026-02-24-manifest.json',
  'backups/manifests/2026-02-24\n-manifest.json',
  'backups/drills/2026-02-30T01-00-00Z-drill.json',
  'backups/drills/\u202e2026-02-24T01-00-00Z-drill.json',
  `backups/daily/${'x'.repeat(900)}`,
  'backups/acks/2026-02-24.json.exe',
  'backups/__proto__/constructor',
]

const text = (manifest: Manifest): string => JSON.stringify(manifest)
const escape = '\u001b]0;owned\u0007\u001b[2J'

/** Manifests of days that have no backup, each with the day it claims. */
const hostileManifests: readonly (readonly [string, string, string | Buffer])[] = [
  ['2026-01-01', 'nothing', ''],
  ['2026-01-02', 'no JSON', '<html>Not found</html>'],
  ['2026-01-03', 'half of one', text(manifestOf('2026-01-03')).slice(0, 300)],
  ['2026-01-04', 'a list', '[]'],
  ['2026-01-05', 'null', 'null'],
  ['2026-01-06', 'a number too large', `{"formatVersion":1,"sizeBytes":1e400}`],
  ['2026-01-07', 'depth', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
  ['2026-01-08', 'depth in an object', `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`],
  ['2026-01-09', 'wrong types', text({ ...manifestOf('2026-01-09'), sizeBytes: 'many' as never })],
  ['2026-01-10', 'a negative size', text({ ...manifestOf('2026-01-10'), sizeBytes: -1 })],
  ['2026-01-11', 'a later format', text({ ...manifestOf('2026-01-11'), formatVersion: 2 as 1 })],
  ['2026-01-12', 'no letters', Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0x7b])],
  ['2026-01-13', 'a way out', text({ ...manifestOf('2026-01-13'), s3Key: '../../etc/passwd' })],
  ['2026-01-14', "another day's archive", text({ ...manifestOf('2026-01-14'), s3Key: dataKey('2026-01-15') })],
  ['2026-01-16', 'words for a terminal', text({ ...manifestOf('2026-01-16'), databaseUrl: escape, filename: escape })],
  [
    '2026-01-17',
    'a foreign ancestor',
    `{"__proto__":{"signature":"x"},"constructor":{"prototype":{}},"formatVersion":1}`,
  ],
  ['2026-01-18', 'no archive', text(manifestOf('2026-01-18'))],
  ['2026-01-19', 'more than a manifest may have', Buffer.alloc(33 * 1024 * 1024, ' ')],
]

interface Listed {
  readonly backups: readonly { readonly key: string; readonly period: string; readonly state: string }[]
}

describe('a bucket that others have written to', () => {
  let buckets: Buckets
  beforeAll(async () => {
    buckets = await startBuckets()
  })
  afterAll(() => buckets.stop())

  test('its objects are listed for what they are, stop no command, and are still there afterwards', async () => {
    const site = await newBucketSite(buckets, await newDatabase(inject('pgPort'), { sql }))
    const put = (Key: string, Body: string | Buffer) =>
      buckets.client.send(new PutObjectCommand({ Bucket: site.bucket, Key, Body }))
    expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
    const good = await completeKeys(site)
    expect(good).toHaveLength(2)
    // What this server does not take is no danger from it; of the names most are taken.
    const taken: string[] = []
    for (const key of foreignKeys)
      await put(key, 'x').then(
        () => taken.push(key),
        () => undefined,
      )
    expect(taken.length).toBeGreaterThan(foreignKeys.length / 2)
    for (const [date, , body] of hostileManifests) await put(manifestKey(date), body)

    const { document, stderr } = await runToolJson(['list'], site.environment)
    const { backups } = document as Listed
    expect(
      backups.filter(({ state }) => state === 'complete').map(({ key }) => key),
      stderr,
    ).toEqual(good)
    for (const [date, what] of hostileManifests)
      expect(backups.find(({ period }) => period === date)?.state, what).not.toBe('complete')
    for (const command of [
      ['list'],
      ['list', '--verbose'],
      ['verify', '--depth', 'stored', '--all'],
      ['prune', '--dry-run'],
    ]) {
      const ended = await runTool(command, site.environment)
      expect([0, 65, 73], `${command.join(' ')}: ${ended.stderr}`).toContain(ended.exitCode)
      expect(ended.stdout + ended.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f\u202e]/)
    }

    for (const [date, what] of hostileManifests) {
      const target = await newDatabase(inject('pgPort'))
      const refused = await runTool(['restore', '--date', date, '--target-db', target], site.environment)
      expect([65, 66], `${what}: ${refused.stderr}`).toContain(refused.exitCode)
      expect(refused.stderr, what).toMatch(/→/)
    }

    const night = await runTool(['run', '--replace'], site.environment)
    expect(night.exitCode, night.stderr).toBe(0)
    const pruned = await runTool(['prune'], site.environment)
    expect([0, 65, 73], pruned.stderr).toContain(pruned.exitCode)
    const left = await keysIn(buckets, site.bucket)
    // Nobody's objects stay; what lies under a name of ours goes by the calendar, as every daily does.
    expect(left).toEqual(expect.arrayContaining(taken))
    for (const [date] of hostileManifests) expect(left).not.toContain(manifestKey(date))
    expect(await completeKeys(site)).toHaveLength(2)
    const [daily = ''] = await completeKeys(site)
    expect((await bytesOf(buckets, site.bucket, daily)).byteLength).toBeGreaterThan(0)
  })
})

test('100,000 foreign files in the folder of the store: they are passed over, and are still there', async () => {
  const site = await newSite(await newDatabase(inject('pgPort'), { sql }))
  expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
  const good = await completeKeys(site)
  const folder = join(site.store, 'backups/daily')
  for (let first = 0; first < 100_000; first += 5000)
    await Promise.all(
      Array.from({ length: 5000 }, (_, n) => writeFile(join(folder, `foreign-${String(first + n)}`), '')),
    )
  await mkdir(join(site.store, 'backups/manifests/deep/er'), { recursive: true })
  const ended = await runTool(['prune'], site.environment)
  expect(ended.exitCode, ended.stderr).toBe(0)
  expect(await completeKeys(site)).toEqual(good)
})
