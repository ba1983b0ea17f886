import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  PutBucketLifecycleConfigurationCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { newDatabase } from '../support/postgres.ts'
import { startRadosgw, type Radosgw } from '../support/radosgw.ts'
import { newSite, runTool, runToolJson, type Environment } from '../support/tool.ts'

let gateway: Radosgw
let client: S3Client
beforeAll(async () => {
  gateway = await startRadosgw()
  const { endpoint, region, accessKey, secretKey } = gateway
  client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })
})
afterAll(() => gateway.stop())

let buckets = 0
const newBucket = async (databaseUrl: string): Promise<{ bucket: string; environment: Environment }> => {
  const site = await newSite(databaseUrl)
  const bucket = `night-${String(++buckets)}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  const { BACKUP_STORE_DIR: _, ...environment } = site.environment
  return {
    bucket,
    environment: {
      ...environment,
      BACKUP_AGE_IDENTITY_FILE: site.identityFile,
      S3_ENDPOINT: gateway.endpoint,
      S3_BUCKET_NAME: bucket,
      S3_ACCESS_KEY: gateway.accessKey,
      S3_SECRET_KEY: gateway.secretKey,
      BACKUP_ALLOWED_HOSTS: '127.0.0.1',
    },
  }
}
const small = { sql: 'CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2)' }

describe('a night with a bucket', () => {
  test('a database of several parts is stored, proved, listed, verified and restored', async () => {
    // Random text hardly compresses, so the archive goes in parts.
    const url = await newDatabase(inject('pgPort'), {
      sql: "CREATE TABLE users AS SELECT g AS id, encode(sha256(g::text::bytea), 'base64') AS name FROM generate_series(1, 400000) g",
    })
    const { bucket, environment } = await newBucket(url)
    const ran = await runToolJson(['run'], environment)
    expect(ran).toMatchObject({ exitCode: 0 })
    const { manifest } = ran.document as { manifest: Manifest }
    expect(manifest.storage).toEqual({
      endpoint: gateway.endpoint,
      region: 'us-east-1',
      bucket,
      etag: expect.stringMatching(/^[0-9a-f]{32}-[2-9]$/) as string,
    })
    expect(manifest.warnings).toEqual([])
    expect(await runTool(['list', '--max-age', '1h'], environment)).toMatchObject({ exitCode: 0 })
    expect(await runTool(['verify', '--all', '--depth', 'archive'], environment)).toMatchObject({ exitCode: 0 })
    expect(await runTool(['restore', '--latest', '--target-db', `${url}_new`], environment)).toMatchObject({
      exitCode: 0,
    })
    const digest = async (database: string) =>
      (
        await execa('psql', [
          '-XAtc',
          'SELECT count(*), md5(string_agg(name, id::text ORDER BY id)) FROM users',
          database,
        ])
      ).stdout
    expect(await digest(`${url}_new`)).toBe(await digest(url))
    expect((await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads ?? []).toEqual([])
  })

  test('the preflight tells what the bucket does by itself, and leaves nothing', async () => {
    const { bucket, environment } = await newBucket(await newDatabase(inject('pgPort'), small))
    await client.send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: bucket,
        LifecycleConfiguration: {
          Rules: [{ ID: 'clean up', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 90 } }],
        },
      }),
    )
    const { exitCode, document } = await runToolJson(['run', '--dry-run'], environment)
    expect(exitCode).toBe(0)
    const { checks } = document as { checks: { name: string; state: string; detail: string }[] }
    expect(checks.find((check) => check.name === 'store')).toMatchObject({ state: 'ok' })
    expect(checks.find((check) => check.name === 'store habits')?.detail).toContain(
      'lifecycle rule "clean up" removes objects after 90 days',
    )
    const listed = await runToolJson(['list'], environment)
    expect(listed.document).toMatchObject({ backups: [], warnings: [expect.stringContaining('clean up') as string] })
  })

  test.each([
    ['a wrong secret key', { S3_SECRET_KEY: 'wrong/secret' }, 78, 'The secret key does not belong to the access key'],
    ['an unknown access key', { S3_ACCESS_KEY: 'unknown' }, 78, 'The access key is not known'],
    ['a bucket that does not exist', { S3_BUCKET_NAME: 'nowhere' }, 78, 'There is no bucket nowhere'],
    ['nobody at the endpoint', { S3_ENDPOINT: 'http://127.0.0.1:1' }, 75, 'connection refused'],
    [
      'a host that is not allowed',
      { BACKUP_ALLOWED_HOSTS: 'fra1.example.com' },
      78,
      'is not among BACKUP_ALLOWED_HOSTS',
    ],
    ['an endpoint without encryption', { S3_ENDPOINT: 'http://198.51.100.7' }, 78, 'must begin with https://'],
    ['a key that is missing', { S3_SECRET_KEY: '' }, 78, 'S3_SECRET_KEY is not set'],
  ])('%s is told in a sentence, with what to do', async (_what, change, status, sentence) => {
    const { environment } = await newBucket(await newDatabase(inject('pgPort'), small))
    const ended = await runTool(['run'], { ...environment, ...change })
    expect(ended.exitCode).toBe(status)
    expect(ended.stderr).toContain(sentence)
    expect(ended.stderr).toContain('→')
    expect(ended.stderr + ended.stdout).not.toContain('wrong/secret')
  })
})
