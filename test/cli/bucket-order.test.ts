import { PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { daysBefore, monthOf, monthsBefore } from '../../src/domain/calendar.ts'
import { dataKey, manifestKey } from '../support/builders.ts'
import { startBuckets, type Buckets } from '../support/buckets.ts'
import {
  dumpOfWorker,
  olderDaily,
  olderDailyOfNothing,
  olderPairOfOneDate,
  promotedByOlder,
  putAll,
  withoutManifest,
} from '../support/older-backups.ts'
import { plant, plantedBucket } from '../support/planted.ts'
import { newDatabase } from '../support/postgres.ts'
import { runTool, runToolJson, type Environment } from '../support/tool.ts'

/** Keeping order in a bucket of the engine that production runs on. */

let buckets: Buckets
beforeAll(async () => {
  buckets = await startBuckets()
})
afterAll(() => buckets.stop())

const open = async () => {
  const sql = 'CREATE TABLE users AS SELECT g AS id FROM generate_series(1, 50) g'
  return plantedBucket(buckets, await newDatabase(inject('pgPort'), { sql }))
}

/** A user of the gateway who may do in this bucket what README.md, "A bucket", says, and nothing else. */
const userWith = async (
  bucket: string,
  name: string,
  onBucket: string[],
  onObjects: string[],
): Promise<Environment> => {
  const { accessKey, secretKey } = await buckets.gateway.addUser(`${bucket}-${name}`)
  const allow = (actions: string[], resource: string) => ({
    Effect: 'Allow',
    Principal: { AWS: [`arn:aws:iam:::user/${bucket}-${name}`] },
    Action: actions.map((action) => `s3:${action}`),
    Resource: resource,
  })
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [allow(onBucket, `arn:aws:s3:::${bucket}`), allow(onObjects, `arn:aws:s3:::${bucket}/backups/*`)],
  })
  await buckets.client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  return { S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey }
}

const keysOf = (...periods: readonly string[]): string[] =>
  periods.flatMap((period) => [dataKey(period), manifestKey(period)])

describe('least privilege', () => {
  test('a server that may not remove backs up and promotes; that it cannot prune is told and fails nothing', async () => {
    const { model, bucket, environment, put, keys } = await open()
    const old = await plant(model, [9, 8, 2, 1], {}, put)
    const server = {
      ...environment,
      ...(await userWith(bucket, 'server', ['ListBucket'], ['GetObject', 'PutObject', 'AbortMultipartUpload'])),
    }
    const preflight = await runToolJson(['run', '--dry-run'], { ...server, BACKUP_PRUNE: 'off' })
    expect(preflight.exitCode, preflight.stderr).toBe(0)
    const { checks } = preflight.document as { checks: { name: string; state: string; detail: string }[] }
    expect(checks.find(({ name }) => name === 'store')).toMatchObject({
      state: 'warning',
      detail: expect.stringContaining('this key may not remove') as string,
    })
    expect(await runTool(['run', '--dry-run'], server)).toMatchObject({ exitCode: 78 })

    const ran = await runToolJson(['run'], server)
    expect(ran.exitCode, ran.stderr).toBe(0)
    const { after } = ran.document as { after: { promoted: string[]; removed: string[]; notes: string[] } }
    expect(after.removed).toEqual([])
    expect(after.notes[0]).toContain('The key may not do what is needed in the bucket')
    expect(await keys()).toEqual(
      expect.arrayContaining([...keysOf(model.today, ...old), ...keysOf(monthOf(daysBefore(model.today, 9)))]),
    )
  })

  test('a drill host prunes with a key of its own', async () => {
    const { model, bucket, environment, put, keys } = await open()
    await plant(model, [9, 8, 2, 1, 0], {}, put)
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    const { DATABASE_URL: _, BACKUP_SIGNING_KEY_FILE: __, ...host } = environment
    const actions = ['GetObject', 'PutObject', 'AbortMultipartUpload', 'DeleteObject']
    const drill = {
      ...host,
      ...(await userWith(bucket, 'drill', ['ListBucket', 'ListBucketMultipartUploads'], actions)),
    }
    expect(await runTool(['prune'], drill)).toMatchObject({ exitCode: 0 })
    for (const days of [9, 8]) expect(await keys()).not.toContain(dataKey(daysBefore(model.today, days)))
    expect(await keys()).toEqual(
      expect.arrayContaining(keysOf(...[2, 1, 0].map((days) => daysBefore(model.today, days)))),
    )
  })
})

describe('a bucket that the previous system has filled', () => {
  test('is listed, promoted and pruned without touching what must stay', async () => {
    const { model, environment, put, keys } = await open()
    const encryption = '7'.repeat(64)
    const sql = await dumpOfWorker(environment['DATABASE_URL'] ?? '')
    const night = { sql, encryption }
    const month = (ago: number): string => monthsBefore(monthOf(model.today), ago)
    const first = (ago: number): string => `${month(ago)}-01`

    const monthlies = [84, 83, 30, 12].flatMap((ago) => promotedByOlder(olderDaily({ ...night, date: first(ago) })))
    const unspoken = [85, 60].flatMap((ago) =>
      withoutManifest(promotedByOlder(olderDaily({ ...night, date: first(ago) }))),
    )
    const empty = olderDailyOfNothing({ date: daysBefore(model.today, 3), encryption })
    const pair = olderPairOfOneDate({ ...night, date: daysBefore(model.today, 4) }, 'encrypted')
    const dailies = [50, 5].flatMap((ago) => olderDaily({ ...night, date: daysBefore(model.today, ago) }))
    const foreign = ['photos/cat.jpg', 'backups/README.txt', 'backups/daily/2026-02-30-app_db.sql.gz']
    await putAll([...monthlies, ...unspoken, ...empty, ...pair, ...dailies], put)
    for (const name of foreign)
      await buckets.client.send(new PutObjectCommand({ Bucket: environment['S3_BUCKET_NAME'], Key: name, Body: 'x' }))
    await plant(model, [2, 1], {}, put)
    const before = await keys()

    const { document } = await runToolJson(['list'], environment)
    const { backups } = document as { backups: { period: string; state: string; key: string; why: string | null }[] }
    const stateOf = (key: string | undefined) => backups.find((backup) => backup.key === key)?.state
    expect(stateOf(monthlies[0]?.key)).toBe('unverified-older')
    expect(stateOf(unspoken[0]?.key)).toBe('orphan')
    expect(stateOf(empty[0].key)).toBe('damaged')
    expect(pair.map(({ key }) => stateOf(key)).filter((state) => state !== undefined)).toEqual([
      'orphan',
      'unverified-older',
    ])
    expect(await keys()).toEqual(before)

    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    const pruned = await runToolJson(['prune'], environment)
    expect(pruned.exitCode, pruned.stderr).toBe(0)
    const gone = [
      // 85 months: the policy's calendar, and nothing else, lets these go; what has no manifest may be on its way for two days.
      ...monthlies.slice(0, 2).map(({ key }) => key),
      ...dailies.slice(0, 2).map(({ key }) => key),
    ]
    expect((pruned.document as { removed: string[] }).removed.toSorted()).toEqual(gone.toSorted())
    const left = await keys()
    expect(left.filter((key) => !before.includes(key))).toEqual(
      [...new Set([2, 1].map((days) => monthOf(daysBefore(model.today, days))))]
        .flatMap((made) => keysOf(made))
        .toSorted(),
    )
    expect(before.filter((key) => !left.includes(key))).toEqual(gone.toSorted())
    for (const name of foreign) expect(left).toContain(name)
  })
})
