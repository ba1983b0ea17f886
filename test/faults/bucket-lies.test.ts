import { CreateMultipartUploadCommand, ListObjectsV2Command } from '@aws-sdk/client-s3'
import { describe, expect, inject, test } from 'vitest'
import { daysBefore, monthOf, utcDate } from '../../src/domain/calendar.ts'
import { standOnBuckets } from '../support/bucket-faults.ts'
import {
  bytesOf,
  expectSoundBucket,
  kept,
  sameInNewBucket,
  tagsIn,
  unfinishedIn,
  type BucketSite,
} from '../support/buckets.ts'
import { dataKey, manifestKey } from '../support/builders.ts'
import { expectFault, runAt } from '../support/faults.ts'
import { plant, plantedBucket } from '../support/planted.ts'
import { query, urlOf } from '../support/postgres.ts'
import type { S3Fault, S3FaultPlan, SeenRequest } from '../support/s3-proxy.ts'
import { runToolJson, type Environment } from '../support/tool.ts'

/**
 * A storage that says what is not so: every answer is well-formed, and none is an error. It is believed where nothing
 * speaks against it, and nothing that lies in it is lost by what it says.
 */

const ground = standOnBuckets()
const today = utcDate(new Date())
const [yesterday, due, alone] = [1, 9, 40].map((days) => daysBefore(today, days)) as [string, string, string]

const made: { bucket?: BucketSite; states?: States; restores: number } = { restores: 0 }
/**
 * Dailies of these days: `due` goes by the calendar, and `alone` is all that there is of its month, which has no monthly
 * yet. Read by many; who changes it takes one of its own.
 */
const bucketToRead = async (): Promise<BucketSite> => {
  if (made.bucket !== undefined) return made.bucket
  const { buckets, small } = ground()
  const { model, bucket, environment, put } = await plantedBucket(buckets, small['DATABASE_URL'] ?? '')
  await plant(model, [9, 2, 1, 0], {}, put)
  const site = {
    ...model.site,
    bucket,
    environment: { ...environment, BACKUP_AGE_IDENTITY_FILE: model.site.identityFile },
  }
  expect(await runAt(site, ['promote'])).toMatchObject({ exitCode: 0 })
  await plant(model, [40], {}, put)
  return (made.bucket = await kept(buckets, site))
}
const bucketToChange = async (): Promise<BucketSite> => sameInNewBucket(ground().buckets, await bucketToRead())

interface Entry {
  readonly Key: string
  readonly LastModified?: string | undefined
  readonly ETag?: string | undefined
  readonly Size?: number | undefined
}
type Lie = (entries: readonly Entry[]) => readonly Entry[]

const elements = (object: Readonly<Record<string, string | number | undefined>>): string =>
  Object.entries(object)
    .map(([name, value]) => (value === undefined ? '' : `<${name}>${String(value)}</${name}>`))
    .join('')

const pageOf = (entries: readonly Entry[], more: Readonly<Record<string, string>> = {}): string =>
  `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${elements({ Name: 'b', Prefix: 'backups/', IsTruncated: 'false', ...more })}${entries
    .map((entry) => `<Contents>${elements({ ...entry })}</Contents>`)
    .join('')}</ListBucketResult>`

const entriesOf = async ({ bucket }: BucketSite): Promise<Entry[]> => {
  const { Contents = [] } = await ground().buckets.client.send(new ListObjectsV2Command({ Bucket: bucket }))
  return Contents.map(({ Key = '', LastModified, ETag = '', Size = 0 }) => ({
    Key,
    LastModified: LastModified?.toISOString() ?? '',
    ETag,
    Size,
  }))
}
/** Every listing of this bucket lies. */
const listedAs = async (
  site: BucketSite,
  lie: Lie,
  more: Readonly<Record<string, string>> = {},
): Promise<Environment> => {
  const body = pageOf(lie(await entriesOf(site)), more)
  return ground().through({ kind: 'ListObjects', nth: 'every', fault: { what: 'say', status: 200, body } })
}

const without =
  (...keys: readonly RegExp[]): Lie =>
  (entries) =>
    entries.filter(({ Key }) => !keys.some((key) => key.test(Key)))
const changed =
  (key: RegExp, more: Partial<Entry>): Lie =>
  (entries) =>
    entries.map((entry) => (key.test(entry.Key) ? { ...entry, ...more } : entry))
const longAgo = '2020-01-01T00:00:00.000Z'
const archive = (date: string): RegExp => new RegExp(`/daily/${date}`)
const manifest = (date: string): RegExp => new RegExp(`/manifests/${date}`)
const ofMonths = /\/monthly\//

interface Told {
  readonly backups: readonly { readonly key: string; readonly state: string }[]
  readonly removed: readonly string[]
  readonly promoted: readonly { readonly month: string }[]
  readonly faults: readonly {
    readonly key?: string
    readonly code: string
    readonly message: string
    readonly hint: string
  }[]
}
const told = async (site: BucketSite, args: readonly string[], environment: Environment) => {
  const { exitCode, document, stderr } = await runToolJson(args, { ...site.environment, ...environment })
  expect(stderr).not.toMatch(/^ {4}at /m)
  ground().proxy.expectAllFired()
  return { exitCode, ...(document as Told) }
}
type States = readonly (readonly [string, string])[]
const stateOf = (backups: Told['backups']): States => backups.map(({ key, state }) => [key, state] as const)
const trueStates = async (): Promise<States> =>
  (made.states ??= stateOf((await told(await bucketToRead(), ['list'], {})).backups))

const dueKeys = [dataKey(due), manifestKey(due)]
/** All that was there is there as it was, but what was due where that could go; nothing is new. */
const expectOnlyGone = async (site: BucketSite, gone: readonly string[]): Promise<void> => {
  const left = await tagsIn(ground().buckets, site.bucket)
  const before = Object.entries(await tagsIn(ground().buckets, (await bucketToRead()).bucket))
  expect(left).toEqual(Object.fromEntries(before.filter(([key]) => !gone.includes(key))))
}

describe('a listing', () => {
  const harmless: readonly (readonly [string, Lie])[] = [
    ['in reverse order', (entries) => entries.toReversed()],
    ['with every entry twice', (entries) => entries.flatMap((entry) => [entry, entry])],
    ['with wrong entity tags', changed(/./, { ETag: '&quot;0123456789abcdef0123456789abcdef&quot;' })],
    ['without entity tags', (entries) => entries.map(({ ETag: _, ...rest }) => rest)],
  ]
  test.each(harmless)('%s comes to the same', async (_what, lie) => {
    const site = await bucketToChange()
    const { backups } = await told(site, ['list'], await listedAs(site, lie))
    expect(stateOf(backups)).toEqual(await trueStates())
    const pruned = await told(site, ['prune'], await listedAs(site, lie))
    expect(pruned).toMatchObject({ exitCode: 0, faults: [] })
    expect(pruned.removed.toSorted()).toEqual(dueKeys.toSorted())
    await expectOnlyGone(site, dueKeys)
  })

  test('with keys that do not exist, one of them twice, shows no backup more, and takes none along', async () => {
    const site = await bucketToChange()
    const ghost = daysBefore(today, 20)
    const ghosts: Lie = (entries) => [
      { Key: manifestKey(ghost), LastModified: longAgo, Size: 2000 },
      { Key: dataKey(ghost), LastModified: longAgo, Size: 1000 },
      { Key: dataKey(ghost), LastModified: longAgo, Size: 2000 },
      ...entries,
    ]
    const { backups } = await told(site, ['list'], await listedAs(site, ghosts))
    expect(backups.filter(({ key }) => key.includes(ghost))).toMatchObject([{ state: 'orphan' }])
    const pruned = await told(site, ['prune'], await listedAs(site, ghosts))
    expect(pruned).toMatchObject({ exitCode: 0, faults: [] })
    await expectOnlyGone(site, dueKeys)
  })

  const asItIs = 'is not as the store lists it, so nothing of it was removed'
  const harmful: readonly (readonly [string, Lie, string, string])[] = [
    ['with another size of an archive', changed(archive(alone), { Size: 7 }), asItIs, 'damaged'],
    ['that leaves an archive out', without(archive(alone)), asItIs, 'damaged'],
    [
      'that leaves a manifest out',
      (entries) => changed(archive(alone), { LastModified: longAgo })(without(manifest(alone))(entries)),
      'has changed since the plan was made, so nothing of it was removed',
      'orphan',
    ],
  ]
  test.each(harmful)('%s removes nothing of that backup', async (_what, lie, sentence, state) => {
    const site = await bucketToChange()
    const { backups } = await told(site, ['list'], await listedAs(site, lie))
    expect(backups.find(({ key }) => key === dataKey(alone))).toMatchObject({ state })
    const verified = await runAt(site, ['verify', '--depth', 'stored', '--date', alone], await listedAs(site, lie))
    expectFault(verified, 65, dataKey(alone))
    expect(verified.stderr).toContain('oslrs-backup list')
    const pruned = await told(site, ['prune'], await listedAs(site, lie))
    expect(pruned).toMatchObject({
      exitCode: 73,
      faults: [{ key: dataKey(alone), code: 'refused', message: expect.stringContaining(sentence) as string }],
    })
    expect(pruned.faults[0]?.hint).toContain('ry again: oslrs-backup prune')
    await expectOnlyGone(site, dueKeys)
  })

  test('with wrong sizes of all holds everything back', async () => {
    const site = await bucketToChange()
    const ended = await runAt(site, ['prune'], await listedAs(site, changed(/\.age$/, { Size: 7 })))
    expect(ended).toMatchObject({
      exitCode: 73,
      stdout: expect.stringContaining('Nothing may be removed now: There is no complete backup.') as string,
    })
    await expectOnlyGone(site, [])
  })

  test('that leaves the monthlies out makes none of them anew', async () => {
    const site = await bucketToChange()
    const promoted = await told(site, ['promote'], await listedAs(site, without(ofMonths)))
    expect(promoted.exitCode).toBe(73)
    expect(promoted.promoted).toMatchObject([{ month: monthOf(alone) }])
    expect(promoted.faults.length).toBeGreaterThan(0)
    for (const { code, message, hint } of promoted.faults) {
      expect([code, message]).toEqual(['refused', expect.stringContaining('has changed since the plan was made')])
      expect(hint).toContain('oslrs-backup promote')
    }
    expect(await tagsIn(ground().buckets, site.bucket)).toMatchObject(
      await tagsIn(ground().buckets, (await bucketToRead()).bucket),
    )
  })

  // What lags behind catches up, so the manifest is worth another attempt.
  const ofToday: readonly (readonly [string, Lie, number, string])[] = [
    ["today's manifest", without(manifest(today)), 75, 'though the store does not list it'],
    ["today's backup", without(manifest(today), archive(today)), 75, 'though the store does not list it'],
    ["today's archive", without(archive(today)), 73, 'There is already an object'],
  ]
  test.each(ofToday)('that leaves %s out has a run write nothing over it', async (_what, lie, status, sentence) => {
    const site = await bucketToChange()
    const ended = await runAt(site, ['run'], await listedAs(site, lie))
    expectFault(ended, status, sentence)
    expect(ended.stderr).toMatch(/→ (What the store lists may lag behind|See what there is: oslrs-backup list)/)
    ground().proxy.expectAllFired()
    await expectOnlyGone(site, [])
  })

  test('of 100,000 foreign keys, a page of them after the other, and of ours at its very end, is read to that', async () => {
    const site = await bucketToChange()
    const ours = pageOf(await entriesOf(site))
    const foreign = (page: number): Entry[] =>
      Array.from({ length: 1000 }, (_, n) => ({
        Key: `backups/daily/foreign-${String(page * 1000 + n)}.sql.gz.age`,
        LastModified: longAgo,
        Size: 1,
      }))
    const body = ({ query }: SeenRequest): string => {
      const page = Number(query.get('continuation-token') ?? '0')
      const more = { IsTruncated: 'true', NextContinuationToken: String(page + 1) }
      return page === 100 ? ours : pageOf(foreign(page), more)
    }
    const among = (): Environment =>
      ground().through({ kind: 'ListObjects', nth: 'every', fault: { what: 'say', status: 200, body } })
    expect(stateOf((await told(site, ['list'], among())).backups)).toEqual(await trueStates())
    expect(ground().proxy.requests.filter(({ kind }) => kind === 'ListObjects').length).toBeGreaterThan(100)
    const pruned = await told(site, ['prune'], among())
    expect(pruned).toMatchObject({ exitCode: 0, faults: [] })
    expect(pruned.removed.toSorted()).toEqual(dueKeys.toSorted())
    await expectOnlyGone(site, dueKeys)
  })

  const commands = ['list', 'verify --depth stored --all', 'prune', 'promote', 'run --replace'] as const
  test.each(commands)('that goes on for ever with the same token ends %s', async (command) => {
    const site = await bucketToRead()
    const more = { IsTruncated: 'true', NextContinuationToken: 'once more' }
    const ended = await runAt(site, command.split(' '), await listedAs(site, (entries) => entries, more))
    expectFault(ended, 75, 'is no listing of the bucket')
    expect(ended.stderr).toContain('is there a proxy before it?')
    ground().proxy.expectAllFired()
    expect(ground().proxy.requests.filter(({ kind }) => kind === 'ListObjects').length).toBeLessThan(10)
    await expectOnlyGone(site, [])
  })

  const unsaid: readonly (readonly [string, Partial<Entry>])[] = [
    ['sizes', { Size: undefined }],
    ['times', { LastModified: undefined }],
  ]
  test.each(unsaid)('without %s is none: nothing is taken for empty or for old', async (_what, more) => {
    const site = await bucketToRead()
    const ended = await runAt(site, ['prune'], await listedAs(site, changed(/./, more)))
    expectFault(ended, 75, 'is no listing of the bucket')
    expect(ended.stderr).toContain('is there a proxy before it?')
    ground().proxy.expectAllFired()
    await expectOnlyGone(site, [])
  })
})

describe('a listing of unfinished uploads', () => {
  const saying = (body: string): Environment =>
    ground().through({
      kind: 'ListMultipartUploads',
      nth: 'every',
      fault: { what: 'say', status: 200, body: `<ListMultipartUploadsResult>${body}</ListMultipartUploadsResult>` },
    })

  test('that goes on for ever with the same marker ends a prune', async () => {
    const site = await bucketToRead()
    const more = { Bucket: 'b', IsTruncated: 'true', NextKeyMarker: 'a', NextUploadIdMarker: 'b' }
    const ended = await runAt(site, ['prune'], saying(elements(more)))
    expectFault(ended, 75, 'is no listing of the bucket')
    ground().proxy.expectAllFired()
    await expectOnlyGone(site, [])
  })

  test('that does not say when they began has none removed', async () => {
    const { buckets } = ground()
    const site = await bucketToChange()
    const Key = dataKey(yesterday, { revision: 2 })
    const { UploadId } = await buckets.client.send(new CreateMultipartUploadCommand({ Bucket: site.bucket, Key }))
    const body = `<Bucket>b</Bucket><IsTruncated>false</IsTruncated><Upload>${elements({ Key, UploadId })}</Upload>`
    expect(await told(site, ['prune'], saying(body))).toMatchObject({ exitCode: 0, faults: [] })
    expect(await unfinishedIn(buckets, site.bucket)).toEqual([Key])
    await expectOnlyGone(site, dueKeys)
  })
})

describe('what is said of one object', () => {
  test('another size of a copy takes the copy away again', async () => {
    const site = await bucketToChange()
    const lie: S3Fault = { what: 'alter the answer', header: { 'content-length': '5' } }
    const promoted = await told(
      site,
      ['promote'],
      ground().through({ kind: 'HeadObject', key: ofMonths, nth: { from: 3 }, fault: lie }),
    )
    expect(promoted).toMatchObject({
      exitCode: 65,
      promoted: [],
      faults: [{ message: expect.stringContaining('it has 5 bytes instead of') as string }],
    })
    expect(promoted.faults[0]?.hint).toContain('It is worth trying again')
    await expectOnlyGone(site, [])
  })

  test.each([
    ['no entity tag', ''],
    ['the entity tag of something else', '"0123456789abcdef0123456789abcdef"'],
  ])('%s of a copy has it read back, and then it counts', async (_what, etag) => {
    const { buckets, proxy, through } = ground()
    const site = await bucketToChange()
    const lie: S3Fault = { what: 'alter the answer', header: { etag } }
    expect(
      await told(site, ['promote'], through({ kind: 'HeadObject', key: ofMonths, nth: 'every', fault: lie })),
    ).toMatchObject({ exitCode: 0, promoted: [{ month: monthOf(alone) }] })
    expect(proxy.requests.some(({ kind, key }) => kind === 'GetObject' && /\/monthly\/.*\.age$/.test(key))).toBe(true)
    const left = await tagsIn(buckets, site.bucket)
    expect(left).toMatchObject(await tagsIn(buckets, (await bucketToRead()).bucket))
    expect(left[dataKey(monthOf(alone))]).toBe(left[dataKey(alone)])
  })

  const unstored: readonly (readonly [string, RegExp, string, string])[] = [
    ['an archive', /\/daily\//, 'is not what was sent: it is not there', 'The backup does not count'],
    ['a manifest', /\/manifests\//, 'read back, is not what was written', 'The store is at fault'],
  ]
  test.each(unstored)('that %s is stored, which it is not, fails the run', async (what, key, sentence, hint) => {
    const { through, buckets, proxy } = ground()
    const site = await bucketToChange()
    const lie: S3FaultPlan = { kind: 'PutObject', key, nth: 'every', fault: { what: 'say', status: 200, body: '' } }
    const ended = await runAt(site, ['run', '--replace'], through(lie))
    expectFault(ended, 75, sentence)
    expect(ended.stderr).toContain(hint)
    proxy.expectAllFired()
    const { [dataKey(today, { revision: 2 })]: unnamed, ...left } = await tagsIn(buckets, site.bucket)
    expect(unnamed === undefined).toBe(what === 'an archive')
    expect(left).toEqual(await tagsIn(buckets, (await bucketToRead()).bucket))
  })
})

describe('another answer for an archive', () => {
  const bodies: readonly (readonly [string, (bytes: Buffer) => Buffer, RegExp])[] = [
    ['that is shorter', (bytes) => bytes.subarray(0, 300), /has 300 bytes, and should have|archive is damaged/],
    [
      'that goes on',
      (bytes) => Buffer.concat([bytes, Buffer.alloc(70_000)]),
      /longer than its manifest|should have|archive is damaged/,
    ],
    ['that is of another object', (bytes) => Buffer.from(bytes).reverse(), /archive is damaged/],
    ['that is empty', () => Buffer.alloc(0), /has 0 bytes, and should have|archive is damaged/],
  ]
  const saying = async (
    site: BucketSite,
    key: string,
    body: (bytes: Buffer) => Buffer,
    nth: S3FaultPlan['nth'] = 'every',
  ) => {
    const bytes = await bytesOf(ground().buckets, site.bucket, key)
    const etag = (await tagsIn(ground().buckets, site.bucket))[key] ?? ''
    const fault: S3Fault = { what: 'say', status: 200, body: body(bytes), header: { etag } }
    return ground().through({ kind: 'GetObject', key: new RegExp(`${key}$`), nth, fault })
  }

  const askedOf = async (site: BucketSite, args: readonly string[], body: (bytes: Buffer) => Buffer) => {
    const ended = await runAt(site, [...args, '--date', today], await saying(site, dataKey(today), body))
    ground().proxy.expectAllFired()
    return ended
  }

  test.each(bodies)('%s is no pass for verify', async (_what, body, sentence) => {
    const site = await bucketToRead()
    for (const depth of ['stored', 'archive']) {
      const verified = await askedOf(site, ['verify', '--depth', depth], body)
      expect(verified).toMatchObject({ exitCode: 65, stderr: '' })
      expect(verified.stdout).toMatch(sentence)
    }
  })

  test.each(bodies.slice(0, 3))('%s leaves nothing of a restore', async (_what, body, sentence) => {
    const target = `lied_${String(++made.restores)}_${String(process.pid)}`
    const args = ['restore', '--owner', 'postgres', '--target-db', urlOf(inject('pgPort'), target)]
    const restored = await askedOf(await bucketToRead(), args, body)
    expectFault(restored, 65, sentence)
    expect(restored.stderr).toContain('oslrs-backup list')
    const sql = `SELECT FROM pg_database WHERE datname LIKE $1 || '%'`
    expect(await query(urlOf(inject('pgPort'), 'postgres'), sql, [target])).toEqual([])
  })

  test('with a length that ends it early is no pass, and no crash', async () => {
    const site = await bucketToRead()
    const lie: S3Fault = { what: 'alter the answer', header: { 'content-length': '200' } }
    const way = ground().through({ kind: 'GetObject', key: archive(today), nth: 'every', fault: lie })
    const verified = await runAt(site, ['verify', '--depth', 'stored', '--date', today], way)
    expect(verified).toMatchObject({ exitCode: 65, stderr: '' })
    expect(verified.stdout).toContain('has 200 bytes, and should have')
    ground().proxy.expectAllFired()
  })

  const manifests: readonly (readonly [string, (bytes: Buffer, other: Buffer) => Buffer, string])[] = [
    ['half of it', (bytes) => bytes.subarray(0, 300), 'its manifest is not JSON'],
    ["another day's", (_bytes, other) => other, 'its manifest speaks of another backup'],
  ]
  test.each(manifests)('for a manifest, %s, is told, and a prune does not act on it', async (_what, body, why) => {
    const site = await bucketToChange()
    const other = await bytesOf(ground().buckets, site.bucket, manifestKey(yesterday))
    const lying = (nth: S3FaultPlan['nth']) => saying(site, manifestKey(alone), (bytes) => body(bytes, other), nth)
    const { backups } = await told(site, ['list'], await lying('every'))
    expect(backups.find(({ key }) => key.includes(alone))).toMatchObject({ state: 'damaged' })
    const refused = await runAt(site, ['verify', '--depth', 'stored', '--date', alone], await lying('every'))
    expectFault(refused, 65, why)
    ground().proxy.expectAllFired()
    const pruned = await told(site, ['prune'], await lying(1))
    expect(pruned).toMatchObject({ exitCode: 73, faults: [{ code: 'refused' }] })
    expect(pruned.faults[0]?.hint).toContain('Try again: oslrs-backup prune')
    await expectOnlyGone(site, dueKeys)
  })
})

test('after all this the bucket is sound', async () => {
  await expectSoundBucket(ground().buckets, await bucketToRead())
})
