import { describe, expect, inject, test } from 'vitest'
import { answer, impatient, standOnBuckets, type Expected } from '../support/bucket-faults.ts'
import { expectSoundBucket, keysIn, type BucketSite } from '../support/buckets.ts'
import { expectFault, runAt } from '../support/faults.ts'
import { processesOf } from '../support/faulty-programs.ts'
import { query, urlOf } from '../support/postgres.ts'
import type { RequestKind, S3Fault, S3FaultPlan } from '../support/s3-proxy.ts'

/** `list`, `verify` and `restore` whose way to the bucket is harmed. None of them changes the bucket, whatever happens. */

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

const databasesLike = (name: string): Promise<object[]> =>
  query(urlOf(inject('pgPort'), 'postgres'), `SELECT FROM pg_database WHERE datname LIKE $1 || '%'`, [name])

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
    const waits = faults.some(({ what }) => what === 'stall') ? impatient(3) : {}
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

const trying = 'It is worth trying again'
const list: Command[] = ['list']
const verify: Command[] = ['verify --depth stored', 'verify --depth archive']
const restore: Command[] = ['restore']
const some: Command[] = ['list', 'restore']
const all: Command[] = [...commands]

const failing: readonly (readonly [string, readonly Command[], readonly S3FaultPlan[], Expected])[] = [
  [
    'a bucket that cannot be listed',
    all,
    [{ kind: 'ListObjects', nth: 'every', fault: answer(500, 'InternalError') }],
    { exitStatus: 75, sentence: '(HTTP 500 InternalError)', hint: trying },
  ],
  [
    'a clock that is wrong',
    some,
    [{ kind: 'ListObjects', nth: 'every', fault: answer(403, 'RequestTimeTooSkewed') }],
    { exitStatus: 78, sentence: 'The clock of this machine', hint: 'timedatectl' },
  ],
  [
    'a portal in the place of the storage',
    list,
    [{ kind: 'ListObjects', nth: 'every', fault: { what: 'say', status: 200, body: '<html>Please log in</html>' } }],
    { exitStatus: 75, sentence: 'is no listing of the bucket', hint: 'is there a proxy before it?' },
  ],
  [
    'a key that may list and not read',
    some,
    [{ kind: 'GetObject', nth: 'every', fault: answer(403, 'AccessDenied') }],
    { exitStatus: 78, sentence: 'The key may not do what is needed', hint: 'lists the rights' },
  ],
  [
    'manifests that never come',
    list,
    [{ kind: 'GetObject', nth: 'every', fault: { what: 'stall', when: 'after the body' } }],
    { exitStatus: 75, sentence: '(no answer in time)', hint: trying },
  ],
  [
    'an outage before the archive',
    restore,
    [{ kind: 'GetObject', key: data, nth: 'every', fault: answer(500, 'InternalError') }],
    { exitStatus: 75, sentence: '(HTTP 500 InternalError)', hint: trying },
  ],
  [
    'an outage in the middle of the archive',
    restore,
    [
      { kind: 'GetObject', key: data, nth: 1, fault: { what: 'cut the answer' } },
      { kind: 'GetObject', key: data, nth: { from: 2 }, fault: answer(500, 'InternalError') },
    ],
    { exitStatus: 75, sentence: '(HTTP 500 InternalError)', hint: trying },
  ],
  [
    'an archive that stalls in the middle, and for good',
    restore,
    [
      { kind: 'GetObject', key: data, nth: 1, fault: { what: 'stall in the answer' } },
      { kind: 'GetObject', key: data, nth: { from: 2 }, fault: { what: 'stall', when: 'after the body' } },
    ],
    { exitStatus: 75, sentence: 'Nothing has moved for 1 s', hint: 'BACKUP_STALL_SECONDS' },
  ],
  [
    'an archive with a byte wrong',
    restore,
    [{ kind: 'GetObject', key: data, nth: 'every', fault: { what: 'flip a byte of the answer' } }],
    { exitStatus: 65, sentence: 'The sealed archive is damaged', hint: 'oslrs-backup list' },
  ],
  [
    'an archive that is replaced meanwhile',
    restore,
    [
      { kind: 'GetObject', key: data, nth: 1, fault: { what: 'cut the answer' } },
      { kind: 'GetObject', key: data, nth: 2, fault: answer(412, 'PreconditionFailed') },
    ],
    { exitStatus: 75, sentence: 'was replaced while it was being read', hint: '' },
  ],
]

describe.each(failing)('%s', (_what, among, plans, expected) => {
  test.each(among)('is told by %s, and harms nothing', async (command) => {
    const waits = plans.some(({ fault }) => fault.what.startsWith('stall')) ? impatient(1) : {}
    const { ended, target } = await reading(command, { ...waits, ...ground().through(...plans) })
    expect.soft(ended.exitCode).toBe(expected.exitStatus)
    expect.soft(ended.stderr).toMatch(expected.sentence)
    expect.soft(ended.stderr).toContain(expected.hint)
    expect.soft(ended.stdout).toBe('')
    ground().proxy.expectAllFired()
    // Neither the target nor what it was to be made from.
    expect(await databasesLike(target)).toEqual([])
  })
})

const unchecked: readonly (readonly [string, readonly S3FaultPlan[], number, string])[] = [
  [
    'a byte wrong',
    [{ kind: 'GetObject', key: data, nth: 'every', fault: { what: 'flip a byte of the answer' } }],
    65,
    'archive is damaged',
  ],
  [
    'an outage',
    [{ kind: 'GetObject', key: data, nth: 'every', fault: answer(500, 'InternalError') }],
    75,
    '(HTTP 500 InternalError)',
  ],
]

describe.each(unchecked)('an archive with %s', (_what, plans, exitStatus, sentence) => {
  test.each(verify)('is no pass for %s', async (command) => {
    const { ended } = await reading(command, ground().through(...plans))
    expect.soft(ended.exitCode).toBe(exitStatus)
    expect.soft(ended.stdout).toContain(sentence)
    expect.soft(ended.stderr).toBe('')
    ground().proxy.expectAllFired()
  })
})

describe('a manifest with a byte wrong', () => {
  const plan: S3FaultPlan = {
    kind: 'GetObject',
    key: manifest,
    nth: 'every',
    fault: { what: 'flip a byte of the answer' },
  }

  test('is shown as damaged by list', async () => {
    const { ended } = await reading('list', ground().through(plan))
    expect(ended).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('damaged: ') as string })
    ground().proxy.expectAllFired()
  })

  test.each(['verify --depth stored', 'restore'] as const)('is refused by %s', async (command) => {
    const { ended, target } = await reading(command, ground().through(plan))
    expectFault(ended, 65, 'cannot be used: ')
    expect(ended.stderr).toContain('oslrs-backup list')
    ground().proxy.expectAllFired()
    expect(await databasesLike(target)).toEqual([])
  })
})

test('after all this the bucket is sound', async () => {
  await expectSoundBucket(ground().buckets, await bucketToRead())
})
