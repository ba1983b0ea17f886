import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest'
import {
  expectSoundBucket,
  kept,
  newBucketSite,
  sameInNewBucket,
  startBuckets,
  tagsIn,
  unfinishedIn,
  type Buckets,
  type BucketSite,
} from './buckets.ts'
import { expectFault, runAt } from './faults.ts'
import { processesOf } from './faulty-programs.ts'
import { newDatabase } from './postgres.ts'
import { startS3Proxy, type S3Fault, type S3FaultPlan, type S3Proxy } from './s3-proxy.ts'
import { completeKeys } from './soundness.ts'
import type { Ended, Environment } from './tool.ts'

/** What the fault tests of a bucket stand on: one radosgw for a file, with a proxy before it. */
export interface Ground {
  readonly buckets: Buckets
  readonly proxy: S3Proxy
  /** DATABASE_URL of a database whose archive goes in one request. */
  readonly small: Environment
  /** And of one whose archive goes in three parts, which compresses hardly. */
  readonly large: Environment
  /** A bucket with one good backup of today; another one must be asked for with --replace. */
  readonly backedUp: () => Promise<BucketSite>
  /** What is in it. */
  readonly earlier: () => Promise<Omit<FirstBackup, 'site'>>
  /** By way of the proxy, with these faults; everything else of a test goes to radosgw itself. */
  readonly through: (...plans: readonly S3FaultPlan[]) => Environment
}

const noisy = `CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL);
  INSERT INTO users SELECT g, (SELECT string_agg(encode(sha256((g || part)::bytea), 'base64'), '') FROM unnest('{a,b,c,d,e,f}'::text[]) part)
  FROM generate_series(1, 90000) g`

/** To be called at the top of a file. */
export const standOnBuckets = (): (() => Ground) => {
  const made: { ground?: Ground; first?: FirstBackup } = {}
  beforeAll(async () => {
    const buckets = await startBuckets()
    const proxy = await startS3Proxy(buckets.gateway.endpoint)
    const port = inject('pgPort')
    const smallUrl = await newDatabase(port, { sql: 'CREATE TABLE users AS SELECT 1 AS id' })
    const first = async () => (made.first ??= await firstBackup(buckets, smallUrl))
    made.ground = {
      buckets,
      proxy,
      small: { DATABASE_URL: smallUrl },
      large: { DATABASE_URL: await newDatabase(port, { sql: noisy }) },
      backedUp: async () => sameInNewBucket(buckets, (await first()).site),
      earlier: first,
      through: (...plans) => {
        proxy.plan(...plans)
        return { S3_ENDPOINT: proxy.endpoint }
      },
    }
  })
  afterEach(() => {
    made.ground?.proxy.plan()
  })
  afterAll(async () => {
    await made.ground?.proxy.close()
    await made.ground?.buckets.stop()
  })
  return () => {
    if (made.ground === undefined) throw new Error('it is not there yet')
    return made.ground
  }
}

interface FirstBackup {
  readonly site: BucketSite
  readonly tags: Readonly<Record<string, string>>
  readonly complete: readonly string[]
}

const firstBackup = async (buckets: Buckets, databaseUrl: string): Promise<FirstBackup> => {
  const site = await kept(buckets, await newBucketSite(buckets, databaseUrl))
  expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
  await expectSoundBucket(buckets, site)
  return { site, tags: await tagsIn(buckets, site.bucket), complete: await completeKeys(site) }
}

export const answer = (status: number, code: string): S3Fault => ({ what: 'answer', status, code })

/** After a command that succeeded: every fault has come to pass, nothing is left, and what there is, is sound. */
export const expectSurvived = async (ground: Ground, site: BucketSite, ended: Ended): Promise<void> => {
  expect(ended.stderr).not.toContain('→')
  expect(ended).toMatchObject({ exitCode: 0 })
  ground.proxy.expectAllFired()
  expect(await processesOf(site)).toEqual([])
  await expectSoundBucket(ground.buckets, site)
}

export interface Expected {
  readonly exitStatus: number
  /** What the operator reads: what is wrong. */
  readonly sentence: string | RegExp
  /** And what to do. */
  readonly hint: string
  /** Keys like these are new in the bucket. Nothing is, where none are named. */
  readonly leaves?: readonly RegExp[]
  readonly unfinished?: readonly string[]
}

/** After a command that failed: it is told well, every fault has come to pass, and what was there is unharmed. */
export const expectFailed = async (
  ground: Ground,
  site: BucketSite,
  ended: Ended,
  expected: Expected,
): Promise<void> => {
  expectFault(ended, expected.exitStatus, expected.sentence)
  expect(ended.stderr).toContain(expected.hint)
  expect(ended.stderr).not.toContain(ground.buckets.gateway.secretKey)
  ground.proxy.expectAllFired()
  expect(await processesOf(site)).toEqual([])
  await expectUnharmed(ground, site, expected)
}

/** The earlier backup is there, and nothing is new but what is named. */
export const expectUnharmed = async (
  { buckets, earlier }: Ground,
  site: BucketSite,
  { leaves = [], unfinished = [] }: Pick<Expected, 'leaves' | 'unfinished'> = {},
): Promise<void> => {
  const { tags, complete } = await earlier()
  const found = await tagsIn(buckets, site.bucket)
  expect(found).toMatchObject(tags)
  const fresh = Object.keys(found).filter((key) => tags[key] === undefined)
  expect(fresh).toEqual(leaves.map((key) => expect.stringMatching(key) as string))
  expect(await unfinishedIn(buckets, site.bucket)).toEqual(unfinished)
  // What is byte for byte as it was, is as sound as it was; of what is new, nothing counts.
  if (fresh.length > 0 || unfinished.length > 0) expect(await completeKeys(site)).toEqual(complete)
}
