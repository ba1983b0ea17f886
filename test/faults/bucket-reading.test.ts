import { describe, expect, inject, test } from 'vitest'
import { answer, standOnBuckets } from '../support/bucket-faults.ts'
import { expectSoundBucket, keysIn, type BucketSite } from '../support/buckets.ts'
import { runAt } from '../support/faults.ts'
import { processesOf } from '../support/faulty-programs.ts'
import { query, urlOf } from '../support/postgres.ts'
import type { RequestKind, S3Fault } from '../support/s3-proxy.ts'
import { impatient } from '../support/stall.ts'

/** `list`, `verify` and `restore` whose way to the bucket is harmed for a moment; harm for good is in plan-bucket. */

const ground = standOnBuckets()
const data = /\/daily\//
const manifest = /\/manifests\//

const made: { site?: BucketSite; targets: number } = { targets: 0 }
/** One bucket for all: nothing is written. Its backup has three parts. */
const bucketToRead = async (): Promise<BucketSite> => {
  if (made.site !== undefined) return made.site
  const site = await ground().backedUp()
  expect(await runAt(site, ['run', '--replace'], ground().large)).toMatchObject({ exitCode: 0 })
  return (made.site = site)
}

const commands = ['list', 'verify --depth stored', 'verify --depth archive', 'restore'] as const
type Command = (typeof commands)[number]

const reading = async (command: Command, environment: Readonly<Record<string, string>>) => {
  const site = await bucketToRead()
  const before = await keysIn(ground().buckets, site.bucket)
  const target = `read_${String(++made.targets)}_${String(process.pid)}`
  const words = command.split(' ')
  const args =
    command === 'restore'
      ? [...words, '--latest', '--owner', 'postgres', '--target-db', urlOf(inject('pgPort'), target)]
      : words
  const ended = await runAt(site, args, environment)
  expect(await keysIn(ground().buckets, site.bucket)).toEqual(before)
  expect(await processesOf(site)).toEqual([])
  return { site, ended, target }
}

const transient: readonly (readonly [string, readonly Command[], readonly S3Fault[]])[] = [
  [
    'answered 503, reset, and answered by half',
    commands,
    [answer(503, 'ServiceUnavailable'), { what: 'reset', when: 'before the body' }, { what: 'cut the answer' }],
  ],
  [
    'never answered, and answered by half and no more',
    ['list', 'restore'],
    [{ what: 'stall', when: 'after the body' }, { what: 'stall in the answer' }],
  ],
]

describe.each(transient)('a request of each kind %s', (_what, among, faults) => {
  test.each(among)('is survived by %s', async (command) => {
    const kinds: readonly (readonly [RequestKind, RegExp])[] = [
      ['ListObjects', /^$/],
      ['GetObject', manifest],
      ...(command === 'list' ? [] : [['GetObject', data] as const]),
    ]
    const plans = kinds.flatMap(([kind, key]) => faults.map((fault, n) => ({ kind, key, nth: n + 1, fault })))
    // Twice what the store waits for, and time for its attempts on a busy machine.
    const waits = faults.some(({ what }) => what === 'stall') ? impatient : {}
    const { ended, target } = await reading(command, { ...waits, ...ground().through(...plans) })
    expect(ended).toMatchObject({ exitCode: 0 })
    ground().proxy.expectAllFired()
    if (command === 'restore') {
      const counted = await query(urlOf(inject('pgPort'), target), 'SELECT count(*)::int AS rows FROM users')
      expect(counted).toEqual([{ rows: 90_000 }])
    }
    // Read on where it was, and of the same object.
    const reads = ground().proxy.requests.filter(({ kind, key }) => kind === 'GetObject' && key.includes('/daily/'))
    for (const { headers } of reads.slice(faults.length))
      expect([headers.range, headers['if-match']]).toEqual([
        expect.stringMatching(/^bytes=[1-9]\d*-$/) as string,
        expect.stringMatching(/^"[0-9a-f]{32}-3"$/) as string,
      ])
  })
})

test('after all this the bucket is sound', async () => {
  await expectSoundBucket(ground().buckets, await bucketToRead())
})
