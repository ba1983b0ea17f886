import { CreateBucketCommand, PutBucketLifecycleConfigurationCommand } from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { keysIn, newBucketSite, startBuckets, unfinishedIn, type Buckets } from '../support/buckets.ts'
import { newDatabase } from '../support/postgres.ts'
import { runTool, runToolJson } from '../support/tool.ts'

let buckets: Buckets
beforeAll(async () => {
  buckets = await startBuckets()
})
afterAll(() => buckets.stop())

const small = { sql: 'CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2)' }

describe('a night with a bucket', () => {
  test('a database of several parts is stored, proved, listed, verified and restored', async () => {
    // Random text hardly compresses, so the archive goes in parts.
    const url = await newDatabase(inject('pgPort'), {
      sql: "CREATE TABLE users AS SELECT g AS id, encode(sha256(g::text::bytea), 'base64') AS name FROM generate_series(1, 400000) g",
    })
    const { bucket, environment } = await newBucketSite(buckets, url)
    const ran = await runToolJson(['run'], environment)
    expect(ran).toMatchObject({ exitCode: 0 })
    const { manifest } = ran.document as { manifest: Manifest }
    expect(manifest.storage).toEqual({
      endpoint: buckets.gateway.endpoint,
      region: 'us-east-1',
      bucket,
      etag: expect.stringMatching(/^[0-9a-f]{32}-[2-9]$/) as string,
    })
    expect(manifest.warnings).toEqual([])
    expect(await runTool(['list', '--max-age', '1h'], environment)).toMatchObject({ exitCode: 0 })
    expect(await runTool(['verify', '--all', '--depth', 'archive'], environment)).toMatchObject({ exitCode: 0 })
    expect(
      await runTool(['restore', '--latest', '--target-db', `${url}_new`, '--owner', 'postgres'], environment),
    ).toMatchObject({
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
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })

  test('a bucket with versions, a lock and a rule of its own is told, and used all the same', async () => {
    const made = await newBucketSite(buckets, await newDatabase(inject('pgPort'), small))
    const Bucket = `locked-${made.bucket}`
    const environment = { ...made.environment, S3_BUCKET_NAME: Bucket }
    await buckets.client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
    const rule = { ID: 'clean up', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 90 } } as const
    const LifecycleConfiguration = { Rules: [rule] }
    await buckets.client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration }))

    const { exitCode, document } = await runToolJson(['run', '--dry-run'], environment)
    expect(exitCode).toBe(0)
    const { checks } = document as { checks: { name: string; state: string; detail: string }[] }
    expect(checks.find((check) => check.name === 'store')).toMatchObject({ state: 'ok' })
    const habits = checks.find((check) => check.name === 'store habits')
    expect(habits).toMatchObject({ state: 'warning' })
    expect(habits?.detail).toContain('lifecycle rule "clean up" removes objects after 90 days')
    expect(habits?.detail).toContain('versioning on, object lock on, lifecycle rules 1')
    expect(await keysIn(buckets, Bucket)).toEqual([])

    for (const args of [['run'], ['run', '--replace'], ['promote'], ['prune']])
      expect(await runTool(args, environment)).toMatchObject({ exitCode: 0 })
    for (const args of [['list'], ['verify', '--depth', 'stored']]) {
      const told = await runToolJson(args, environment)
      expect(told).toMatchObject({ exitCode: 0 })
      expect(told.document).toMatchObject({ warnings: [expect.stringContaining('"clean up"') as string] })
    }
  })
})
