import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { daysBefore, monthOf } from '../../src/domain/calendar.ts'
import { standOnBuckets } from '../support/bucket-faults.ts'
import {
  expectSoundBucket,
  inBucket,
  keysIn,
  newBucket,
  sameInNewBucket,
  unfinishedIn,
  type BucketSite,
} from '../support/buckets.ts'
import { manifestKey } from '../support/builders.ts'
import { drillSiteFor, keptSite } from '../support/drills.ts'
import { runAt, sessionsEnd, startAt } from '../support/faults.ts'
import { oneOfThemToday, dueToday, killWhen, listedThreeDaysLater, tellKills } from '../support/kills.ts'
import { modelOf, plant } from '../support/planted.ts'
import { newDatabase, query } from '../support/postgres.ts'
import type { RequestKind, S3FaultPlan, SeenRequest } from '../support/s3-proxy.ts'
import { completeKeys } from '../support/soundness.ts'
import { withIdentity, type Environment } from '../support/tool.ts'

/**
 * Every command that works on a bucket is killed at each of its requests, with all that it has started: before the store
 * hears of the request, and where that changes something, also when the store has done it and nobody knows. A first one,
 * left alone, tells how many there are. What is there is then sound, nothing good is lost, and the next one succeeds.
 */
const ground = standOnBuckets()

const made: { planted?: BucketSite } = {}
let today: string
/** The days of all dailies that were there; of those that the policy keeps; and the months of all. */
let days: readonly string[]
let kept: readonly string[]
let months: readonly string[]
beforeAll(async () => {
  const { buckets, small } = ground()
  const { site, remove } = await keptSite(small['DATABASE_URL'] ?? '')
  const model = await modelOf(site)
  const bucket = await newBucket(buckets)
  days = await plant(model, [40, 8, 2, 1, 0], {}, (key, bytes) =>
    buckets.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes })),
  )
  today = model.today
  kept = days.filter((day) => day >= daysBefore(today, 6))
  months = [...new Set(days.map(monthOf))]
  made.planted = { ...site, bucket, environment: inBucket(buckets, bucket, withIdentity(site)) }
  return remove
})

/** The same bucket, to be killed in. */
const anew = async (more: Environment = {}, of = made.planted): Promise<BucketSite> => {
  if (of === undefined) throw new Error('it is not there yet')
  const site = await sameInNewBucket(ground().buckets, of)
  return { ...site, environment: { ...site.environment, ...more } }
}

const changes: ReadonlySet<RequestKind> = new Set<RequestKind>([
  'CreateMultipartUpload',
  'UploadPart',
  'UploadPartCopy',
  'CompleteMultipartUpload',
  'AbortMultipartUpload',
  'PutObject',
  'CopyObject',
  'DeleteObject',
])

const inParts: ReadonlySet<RequestKind> = new Set<RequestKind>([
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
])

/** Requests go side by side: each is known by its kind, and how many of that kind came before it. */
interface Point extends S3FaultPlan {
  readonly nth: number
}
const pointsOf = (requests: readonly SeenRequest[]): readonly Point[] => {
  const counts = new Map<RequestKind, number>()
  return requests.flatMap(({ kind }) => {
    const nth = (counts.get(kind) ?? 0) + 1
    counts.set(kind, nth)
    return [
      { kind, nth, fault: { what: 'hold' } },
      ...(changes.has(kind) ? [{ kind, nth, fault: { what: 'keep the answer' } } as const] : []),
    ] as const
  })
}
const labelOf = ({ kind, nth, fault }: Point): string =>
  `killed ${fault.what === 'hold' ? 'before' : 'after'} ${kind} number ${String(nth)}`

const countedRun = async (site: BucketSite, args: readonly string[]): Promise<readonly SeenRequest[]> => {
  const ended = await runAt(site, args, ground().through())
  expect(ended.exitCode, ended.stderr).toBe(0)
  return [...ground().proxy.requests]
}

const killAt = async (site: BucketSite, args: readonly string[], point: Point): Promise<void> => {
  const way = ground().through(point)
  await killWhen(site, startAt(site, args, way), ground().proxy.firing(), labelOf(point))
  ground().proxy.expectAllFired()
}

/** Each manifest's archive is there and opens; of these periods there is one. Half of an upload is none. */
const expectStillGood = async (site: BucketSite, periods: readonly string[], label: string): Promise<void> => {
  const { buckets } = ground()
  const unfinished = await unfinishedIn(buckets, site.bucket)
  for (const key of unfinished) expect(key, label).toContain(`/daily/${today}-`)
  expect(unfinished.length, label).toBeLessThan(2)
  await expectSoundBucket(buckets, site, { unfinished })
  expect(await keysIn(buckets, site.bucket), label).toEqual(expect.arrayContaining(periods.map((p) => manifestKey(p))))
}

describe('killed at any of its requests, with all that it has started, it loses nothing, and the next night succeeds', () => {
  const commands: readonly (readonly [string, readonly string[], 'small' | 'large'])[] = [
    ['run', ['run', '--replace'], 'small'],
    ['run, whose archive goes in parts', ['run', '--replace'], 'large'],
    ['promote', ['promote'], 'small'],
    ['prune', ['prune'], 'small'],
  ]
  test.each(oneOfThemToday(commands))('%s', { timeout: 3_600_000 }, async (name, args, size) => {
    const { buckets, through, [size]: database } = ground()
    const base = await anew(database)
    // What has no monthly yet is not removed.
    if (name === 'prune') expect(await runAt(base, ['promote'])).toMatchObject({ exitCode: 0 })
    const requests = await countedRun(await anew({}, base), args)
    expect(requests.filter(({ kind }) => changes.has(kind)).length).toBeGreaterThan(3)
    expect(requests.some(({ kind }) => kind === 'UploadPart')).toBe(size === 'large')

    // What comes before the parts and after them is as it is without them.
    const all = pointsOf(requests).filter(({ kind }) => size === 'small' || inParts.has(kind))
    const points = dueToday(all, 50)
    for (const point of points) {
      const label = `${name}, ${labelOf(point)}`
      const site = await anew({}, base)
      await killAt(site, args, point)
      await expectStillGood(site, name === 'promote' ? days : kept, label)

      const night = await runAt(site, ['run', '--replace'])
      expect(night.exitCode, `${label}: ${night.stderr}`).toBe(0)
      const later = await runAt(site, ['prune'], through(...listedThreeDaysLater))
      expect(later.exitCode, `${label}: ${later.stderr}`).toBe(0)
      ground().proxy.expectAllFired()

      // The months have theirs, be they promoted before it was killed or after; and nothing is kept that counts as nothing.
      expect(await unfinishedIn(buckets, site.bucket), label).toEqual([])
      const left = await keysIn(buckets, site.bucket)
      const complete = await completeKeys(site)
      expect(complete, label).toHaveLength(kept.length + months.length)
      const manifests = [...kept, ...months].map((period) => manifestKey(period))
      expect(left, label).toEqual([...complete, ...manifests].toSorted())
    }
    tellKills(name, points.length, `${String(all.length)}, at ${String(requests.length)} requests`)
  })
})

test('a drill that is killed at any of its requests leaves nothing that its next one does not remove', async () => {
  const reportsIn = async ({ bucket }: BucketSite): Promise<string[]> =>
    (await keysIn(ground().buckets, bucket)).filter((key) => key.startsWith('backups/drills/'))
  const drillSite = async () => {
    const site = await anew()
    const place = await drillSiteFor(site)
    return { ...place, site: { ...site, environment: place.environment } }
  }
  const requests = await countedRun((await drillSite()).site, ['verify'])
  const all = pointsOf(requests)
  const points = dueToday(all, 20)
  for (const point of points) {
    const { site, environment, leftovers } = await drillSite()
    const label = `verify, ${labelOf(point)}`
    await killAt(site, ['verify'], point)
    await expectStillGood(site, kept, label)
    await sessionsEnd(environment['VERIFY_DATABASE_URL'] ?? '')
    const behind = await leftovers()
    const reports = await reportsIn(site)

    const next = await runAt(site, ['verify'])
    expect(next.exitCode, `${label}: ${next.stderr}`).toBe(0)
    for (const name of behind) expect(next.stderr, label).toContain(`${name}, which a killed drill had left`)
    expect(await leftovers(), label).toEqual([])
    expect(await reportsIn(site), label).toHaveLength(reports.length + 1)
  }
  tellKills('verify', points.length, `${String(all.length)}, at ${String(requests.length)} requests`)
}, 3_600_000)

test('a restore that is killed at any of its requests leaves what was there, and its next one replaces it', async () => {
  const site = await anew()
  const url = await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 7 AS id' })
  const database = new URL(url).pathname.slice(1)
  const args = ['restore', '--latest', '--confirm', '--target-db', url]
  const ids = async () => (await query<{ id: number }>(url, 'SELECT id FROM users')).map(({ id }) => id)
  /** What it is filling, and what it has replaced. */
  const beside = async (what: 'restore' | 'before') => {
    const sql = 'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)'
    return (await query<{ name: string }>(url, sql, [`${database}_${what}_`])).map(({ name }) => name)
  }
  const asBefore = async () => {
    await query(url, 'UPDATE users SET id = 7')
    for (const name of await beside('before')) await query(url, `DROP DATABASE ${name}`)
  }
  const requests = await countedRun(site, args)
  expect(await ids()).toEqual([1])
  const all = pointsOf(requests)
  const points = dueToday(all, 4)
  for (const point of points) {
    const label = `restore, ${labelOf(point)}`
    await asBefore()
    await killAt(site, args, point)
    await expectStillGood(site, kept, label)
    expect(await ids(), label).toEqual([7])
    expect(await beside('before'), label).toEqual([])

    const next = await runAt(site, args)
    expect(next.exitCode, `${label}: ${next.stderr}`).toBe(0)
    expect(await ids(), label).toEqual([1])
    expect(await beside('restore'), label).toEqual([])
    expect(await beside('before'), label).toHaveLength(1)
  }
  tellKills('restore', points.length, `${String(all.length)}, at ${String(requests.length)} requests`)
}, 3_600_000)
