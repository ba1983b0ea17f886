import { describe, expect, test } from 'vitest'
import { answer, expectFailed, impatient, standOnBuckets, type Expected } from '../support/bucket-faults.ts'
import { runAt } from '../support/faults.ts'
import type { S3FaultPlan } from '../support/s3-proxy.ts'

/** A run whose way to the bucket is harmed for good: it is told, and harms nothing. */

const ground = standOnBuckets()
const data = /\/daily\//
const manifest = /\/manifests\//

const stalled = { exitStatus: 75, sentence: 'Nothing has moved for 1 s', hint: 'BACKUP_STALL_SECONDS' } as const
const trying = 'It is worth trying again'
const failing: readonly (readonly [string, 'small' | 'large', readonly S3FaultPlan[], Expected])[] = [
  [
    'a bucket that cannot be listed',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: answer(500, 'InternalError') }],
    { exitStatus: 75, sentence: '(HTTP 500 InternalError)', hint: trying },
  ],
  [
    'every connection reset',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: { what: 'reset', when: 'before the body' } }],
    { exitStatus: 75, sentence: '(the connection was cut)', hint: trying },
  ],
  [
    'a portal that answers in the place of the storage',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: { what: 'say', status: 200, body: '<html>Please log in</html>' } }],
    { exitStatus: 75, sentence: 'is no listing of the bucket', hint: 'is there a proxy before it?' },
  ],
  [
    'a clock that is wrong',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: answer(403, 'RequestTimeTooSkewed') }],
    { exitStatus: 78, sentence: 'The clock of this machine', hint: 'timedatectl' },
  ],
  [
    'another region',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: answer(400, 'AuthorizationHeaderMalformed') }],
    { exitStatus: 78, sentence: 'is not in the region us-east-1', hint: 'S3_REGION' },
  ],
  [
    'another endpoint',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: answer(301, 'PermanentRedirect') }],
    { exitStatus: 78, sentence: 'is not in the region us-east-1', hint: 'S3_ENDPOINT' },
  ],
  [
    'a key that may not list',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: answer(403, 'AccessDenied') }],
    { exitStatus: 78, sentence: 'The key may not do what is needed', hint: 'lists the rights' },
  ],
  [
    'a key that may not write',
    'small',
    [{ kind: 'PutObject', nth: 'every', fault: answer(403, 'AccessDenied') }],
    { exitStatus: 78, sentence: 'The key may not do what is needed', hint: 'lists the rights' },
  ],
  [
    'a quota that is used up',
    'small',
    [{ kind: 'PutObject', nth: 'every', fault: answer(403, 'QuotaExceeded') }],
    { exitStatus: 75, sentence: 'its quota is used up', hint: 'Raise the quota' },
  ],
  [
    'throttling',
    'small',
    [{ kind: 'PutObject', nth: 'every', fault: answer(503, 'SlowDown') }],
    { exitStatus: 75, sentence: '(HTTP 503 SlowDown)', hint: trying },
  ],
  [
    'a storage that does not answer',
    'small',
    [{ kind: 'ListObjects', nth: 'every', fault: { what: 'stall', when: 'after the body' } }],
    { exitStatus: 75, sentence: '(no answer in time)', hint: trying },
  ],
  [
    'an archive that is taken and not acknowledged',
    'small',
    [{ kind: 'PutObject', nth: 'every', fault: { what: 'stall', when: 'after the body' } }],
    stalled,
  ],
  [
    'bytes that arrive wrong',
    'small',
    [{ kind: 'PutObject', nth: 'every', fault: { what: 'flip a byte of the request' } }],
    { exitStatus: 75, sentence: '(HTTP 400 ', hint: trying },
  ],
  [
    'an archive that is there with another length',
    'small',
    [{ kind: 'HeadObject', key: data, nth: 2, fault: { what: 'alter the answer', header: { 'content-length': '5' } } }],
    {
      exitStatus: 75,
      sentence: /is not what was sent: it has 5 bytes/,
      hint: 'The backup does not count',
      leaves: [data],
    },
  ],
  [
    'an archive that is there with other bytes',
    'small',
    [
      {
        kind: 'HeadObject',
        key: data,
        nth: 2,
        fault: { what: 'alter the answer', header: { etag: '"0123456789abcdef0123456789abcdef"' } },
      },
    ],
    {
      exitStatus: 75,
      sentence: 'is not what was sent: its entity tag',
      hint: 'The backup does not count',
      leaves: [data],
    },
  ],
  [
    'a manifest that is not taken',
    'small',
    [{ kind: 'PutObject', key: manifest, nth: 'every', fault: answer(500, 'InternalError') }],
    { exitStatus: 75, sentence: '(HTTP 500 InternalError)', hint: trying, leaves: [data] },
  ],
  [
    'an upload that cannot begin',
    'large',
    [{ kind: 'CreateMultipartUpload', nth: 'every', fault: answer(500, 'InternalError') }],
    { exitStatus: 75, sentence: '(HTTP 500 InternalError)', hint: trying },
  ],
  [
    'an outage from the second part on',
    'large',
    [{ kind: 'UploadPart', nth: { from: 2 }, fault: { what: 'reset', when: 'in the body' } }],
    { exitStatus: 75, sentence: '(the connection was cut)', hint: trying },
  ],
  [
    'parts that arrive, with every answer lost',
    'large',
    [{ kind: 'UploadPart', nth: 'every', fault: { what: 'lose the answer' } }],
    { exitStatus: 75, sentence: '(the connection was cut)', hint: trying },
  ],
  [
    'parts that are never taken',
    'large',
    [{ kind: 'UploadPart', nth: 'every', fault: { what: 'stall', when: 'before the body' } }],
    stalled,
  ],
  [
    'a part with a byte wrong',
    'large',
    [{ kind: 'UploadPart', nth: 'every', fault: { what: 'flip a byte of the request' } }],
    { exitStatus: 75, sentence: '(HTTP 400 ', hint: trying },
  ],
  [
    'a clock that becomes wrong',
    'large',
    [{ kind: 'UploadPart', nth: { from: 2 }, fault: answer(403, 'RequestTimeTooSkewed') }],
    { exitStatus: 78, sentence: 'The clock of this machine', hint: 'timedatectl' },
  ],
  [
    'a completion that fails after its 200',
    'large',
    [{ kind: 'CompleteMultipartUpload', nth: 'every', fault: answer(200, 'InternalError') }],
    { exitStatus: 75, sentence: 'InternalError', hint: trying },
  ],
]

describe('a run fails, and harms nothing, with', () => {
  test.each(failing)('%s', async (_what, size, plans, expected) => {
    const { through, backedUp, proxy } = ground()
    const site = await backedUp()
    const stalls = plans.some(({ fault }) => fault.what === 'stall')
    const ended = await runAt(site, ['run', '--replace'], {
      ...ground()[size],
      ...(stalls ? impatient(1) : {}),
      ...through(...plans),
    })
    await expectFailed(ground(), site, ended, expected)
    const begun = proxy.requests.some(({ kind, status }) => kind === 'CreateMultipartUpload' && status === 200)
    expect(proxy.requests.some(({ kind }) => kind === 'AbortMultipartUpload')).toBe(begun)
  })

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
      hint: trying,
      unfinished: [key ?? ''],
    })
  })
})
