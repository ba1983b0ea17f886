import { describe, expect, test } from 'vitest'
import { answer, expectFailed, expectSurvived, expectUnharmed, standOnBuckets } from '../support/bucket-faults.ts'
import { expectSoundBucket } from '../support/buckets.ts'
import { endOf, runAt, send, sessionsEnd, startAt } from '../support/faults.ts'
import { eventually, processesOf } from '../support/faulty-programs.ts'
import type { RequestKind, S3Fault, S3FaultPlan } from '../support/s3-proxy.ts'
import { impatient } from '../support/stall.ts'

/** A run whose way to the bucket is harmed for a moment, or that is ended in the middle of it; harm for good is in plan-bucket. */

const ground = standOnBuckets()
const data = /\/daily\//
const manifest = /\/manifests\//

/** One after another, as tries of one request. */
const inARow = (kind: RequestKind, first: number, faults: readonly S3Fault[], key?: RegExp): S3FaultPlan[] =>
  faults.map((fault, index) => ({ kind, nth: first + index, fault, ...(key === undefined ? {} : { key }) }))

const transient: readonly (readonly [string, readonly S3Fault[]])[] = [
  [
    'answered 500, answered 503, and reset before its body',
    [answer(500, 'InternalError'), answer(503, 'ServiceUnavailable'), { what: 'reset', when: 'before the body' }],
  ],
  [
    'reset in its body, reset after its body, and carried out with its answer lost',
    [{ what: 'reset', when: 'in the body' }, { what: 'reset', when: 'after the body' }, { what: 'lose the answer' }],
  ],
  ['carried out, and its answer cut', [{ what: 'cut the answer' }]],
]

describe('a run survives that a request of each kind is', () => {
  test.each(transient)('%s: an archive in parts', async (_what, faults) => {
    const { through, backedUp, large } = ground()
    const site = await backedUp()
    const plans = [
      ...inARow('ListObjects', 2, faults),
      ...inARow('HeadObject', 1, faults, data),
      ...inARow('UploadPart', 2, faults),
      ...inARow('CompleteMultipartUpload', 1, faults),
      ...inARow('PutObject', 1, faults, manifest),
      // After the one that read the earlier manifest: the new one, read back.
      ...inARow('GetObject', 2, faults, manifest),
    ]
    const ended = await runAt(site, ['run', '--replace'], { ...large, ...through(...plans) })
    await expectSurvived(ground(), site, ended)
  })

  test.each(transient.slice(0, 2))('%s: an archive in one request', async (_what, faults) => {
    const { through, backedUp, small } = ground()
    const site = await backedUp()
    // After the question whether there is such an object, there is the one whether it is what was sent.
    const plans = [...inARow('PutObject', 1, faults, data), ...inARow('HeadObject', 2, faults, data)]
    const ended = await runAt(site, ['run', '--replace'], { ...small, ...through(...plans) })
    await expectSurvived(ground(), site, ended)
  })

  test('never answered', async () => {
    const { through, backedUp, large } = ground()
    const site = await backedUp()
    const fault: S3Fault = { what: 'stall', when: 'after the body' }
    const plans: S3FaultPlan[] = [
      { kind: 'CreateMultipartUpload', nth: 1, fault },
      { kind: 'UploadPart', nth: 2, fault: { what: 'stall', when: 'before the body' } },
      { kind: 'PutObject', key: manifest, nth: 1, fault },
    ]
    const ended = await runAt(site, ['run', '--replace'], { ...large, ...impatient, ...through(...plans) })
    await expectSurvived(ground(), site, ended)
  })

  test('to begin an upload, carried out, and its answer lost: what was begun twice is unfinished once', async () => {
    const { through, backedUp, buckets, large, proxy } = ground()
    const site = await backedUp()
    const plan: S3FaultPlan = { kind: 'CreateMultipartUpload', nth: 1, fault: { what: 'lose the answer' } }
    const ended = await runAt(site, ['run', '--replace'], { ...large, ...through(plan) })
    expect(ended).toMatchObject({ exitCode: 0 })
    proxy.expectAllFired()
    const [key] = proxy.requests.filter(({ kind }) => kind === 'CreateMultipartUpload').map((request) => request.key)
    await expectSoundBucket(buckets, site, { unfinished: [key ?? ''] })
  })
})

const stalls: S3Fault = { what: 'stall', when: 'after the body' }

describe('a run that is killed', () => {
  const partOfUpload = (key: string): { readonly unfinished: readonly string[] } => ({ unfinished: [key] })
  test.each<
    [string, 'small' | 'large', S3FaultPlan, (key: string) => { leaves?: RegExp[]; unfinished?: readonly string[] }]
  >([
    ['in the middle of its upload', 'large', { kind: 'UploadPart', nth: 2, fault: stalls }, partOfUpload],
    [
      'before its upload is complete',
      'large',
      { kind: 'CompleteMultipartUpload', nth: 1, fault: stalls },
      partOfUpload,
    ],
    [
      'between the archive and the manifest',
      'small',
      { kind: 'PutObject', key: manifest, nth: 1, fault: stalls },
      () => ({ leaves: [data] }),
    ],
  ])('%s leaves nothing that counts, and the next one succeeds', async (_what, size, plan, leaves) => {
    const { [size]: database, through, backedUp, proxy, buckets } = ground()
    const site = await backedUp()
    const running = startAt(site, ['run', '--replace'], { ...database, ...through(plan) })
    await proxy.firing()
    send(running, 'SIGKILL')
    expect(await running).toMatchObject({ signal: 'SIGKILL' })
    await eventually('the end of all children', async () => (await processesOf(site)).length === 0)
    await sessionsEnd(database['DATABASE_URL'] ?? '')
    const [key = ''] = proxy.requests.filter(({ kind }) => kind === 'CreateMultipartUpload').map((begun) => begun.key)
    const left = leaves(key)
    await expectUnharmed(ground(), site, left)

    expect(await runAt(site, ['run', '--replace'], database)).toMatchObject({ exitCode: 0 })
    await expectSoundBucket(buckets, site, left)
  })
})

describe('SIGTERM ends a run with 143, and nothing is left', () => {
  const held: S3Fault = { what: 'hold' }
  test.each<[string, readonly S3FaultPlan[]]>([
    ['a part is on its way', [{ kind: 'UploadPart', nth: 2, fault: held }]],
    [
      'two parts are on their way',
      [
        { kind: 'UploadPart', nth: 2, fault: held },
        { kind: 'UploadPart', nth: 1, fault: held },
      ],
    ],
    ['the upload is being completed', [{ kind: 'CompleteMultipartUpload', nth: 1, fault: stalls }]],
    ['the bucket is being listed', [{ kind: 'ListObjects', nth: 2, fault: stalls }]],
  ])('while %s', async (_what, plans) => {
    const { through, backedUp, large, proxy } = ground()
    const site = await backedUp()
    const running = startAt(site, ['run', '--replace'], { ...large, ...through(...plans) })
    await proxy.firing()
    send(running, 'SIGTERM')
    const ended = await endOf(running)
    await expectFailed(ground(), site, ended, { exitStatus: 143, sentence: 'Stopped by SIGTERM.', hint: '' })
  })
})

describe('a run fails, and harms nothing, with', () => {
  test('an outage in which the upload cannot be given up either: it is found by its name', async () => {
    const { through, backedUp, large, proxy } = ground()
    const site = await backedUp()
    const environment = through(
      { kind: 'UploadPart', nth: { from: 2 }, fault: answer(500, 'InternalError') },
      { kind: 'AbortMultipartUpload', nth: 'every', fault: answer(500, 'InternalError') },
    )
    const ended = await runAt(site, ['run', '--replace'], { ...large, ...environment })
    const [key] = proxy.requests.filter(({ kind }) => kind === 'CreateMultipartUpload').map((request) => request.key)
    await expectFailed(ground(), site, ended, {
      exitStatus: 75,
      sentence: '(HTTP 500 InternalError)',
      hint: 'It is worth trying again',
      unfinished: [key ?? ''],
    })
  })
})
