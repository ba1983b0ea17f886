import type { RequestKind, S3Fault, S3FaultPlan } from '../../support/s3-proxy.ts'
import { stallSeconds } from '../../support/stall.ts'
import { allMeet, commands, survived, told, type Command, type Met, type PlannedFault, type Told } from './plan.ts'

/** What a bucket, and the way to it, can do: the plan of test/support/s3-proxy.ts. */
export type BucketStrike = readonly S3FaultPlan[]
type BucketFault = PlannedFault<BucketStrike>

export const dataKeys = /\/daily\//
export const manifestKeys = /\/manifests\//

export const answer = (status: number, code: string): S3Fault => ({ what: 'answer', status, code })
const outage = answer(500, 'InternalError')
const reset: S3Fault = { what: 'reset', when: 'before the body' }
const unanswered: S3Fault = { what: 'stall', when: 'after the body' }

const again = 'It is worth trying again'
const failing = told(75, '(HTTP 500 InternalError)', again)
const cut = told(75, '(the connection was cut)', again)
const silent = told(75, '(no answer in time)', again)
const stalled = told(75, `Nothing has moved for ${String(stallSeconds)} s`, 'BACKUP_STALL_SECONDS')
const forbidden = told(78, 'The key may not do what is needed', 'lists the rights')
const expired = told(78, 'The access key has expired', 'of a key that lasts')
const clock = told(78, 'The clock of this machine', 'timedatectl')
const elsewhere = (next: string): Told => told(78, 'is not in the region us-east-1', next)
const leaving = (end: Told, ...leaves: readonly RegExp[]): Told => ({ ...end, leaves })

const every = (kind: RequestKind, fault: S3Fault, key?: RegExp): BucketStrike => [
  { kind, nth: 'every', fault, ...(key === undefined ? {} : { key }) },
]
const first = (kind: RequestKind, nth: number, fault: S3Fault, key: RegExp): BucketStrike => [{ kind, nth, fault, key }]

const runs: readonly Command[] = ['run', 'run, in parts']
const fetching: readonly Command[] = ['restore', 'verify', 'verify --depth archive', 'verify --depth stored']
const all: readonly Command[] = commands

const fault = (name: string, strike: BucketStrike, met: Met): BucketFault => ({ name, strike, met })

const listing: readonly BucketFault[] = [
  fault('the bucket cannot be listed', every('ListObjects', outage), allMeet(all, failing)),
  fault('every connection is reset', every('ListObjects', reset), allMeet(all, cut)),
  fault(
    'a portal answers in the place of the storage',
    every('ListObjects', { what: 'say', status: 200, body: '<html>Please log in</html>' }),
    allMeet(all, told(75, 'is no listing of the bucket', 'is there a proxy before it?')),
  ),
  fault('the clock is wrong', every('ListObjects', answer(403, 'RequestTimeTooSkewed')), allMeet(all, clock)),
  fault(
    'the bucket is in another region',
    every('ListObjects', answer(400, 'AuthorizationHeaderMalformed')),
    allMeet(all, elsewhere('S3_REGION')),
  ),
  fault(
    'the bucket is at another endpoint',
    every('ListObjects', answer(301, 'PermanentRedirect')),
    allMeet(all, elsewhere('S3_ENDPOINT')),
  ),
  fault('the key may not list', every('ListObjects', answer(403, 'AccessDenied')), allMeet(all, forbidden)),
  fault('the storage does not answer', every('ListObjects', unanswered), allMeet(all, silent)),
]

const writing: readonly BucketFault[] = [
  fault('the key may not write', every('PutObject', answer(403, 'AccessDenied')), { run: forbidden }),
  fault('the quota is used up', every('PutObject', answer(403, 'QuotaExceeded')), {
    run: told(75, 'its quota is used up', 'Raise the quota'),
  }),
  fault('writing is throttled', every('PutObject', answer(503, 'SlowDown')), {
    run: told(75, '(HTTP 503 SlowDown)', again),
  }),
  fault('an archive is taken and not acknowledged', every('PutObject', unanswered), { run: stalled }),
  fault('bytes arrive wrong', every('PutObject', { what: 'flip a byte of the request' }), {
    run: told(75, '(HTTP 400 ', again),
  }),
  fault(
    'the archive is there with another length',
    first('HeadObject', 2, { what: 'alter the answer', header: { 'content-length': '5' } }, dataKeys),
    { run: told(75, 'is not what was sent: it has 5 bytes', 'The backup does not count', dataKeys) },
  ),
  fault(
    'the archive is there with other bytes',
    first(
      'HeadObject',
      2,
      { what: 'alter the answer', header: { etag: '"0123456789abcdef0123456789abcdef"' } },
      dataKeys,
    ),
    { run: told(75, 'is not what was sent: its entity tag', 'The backup does not count', dataKeys) },
  ),
  fault(
    'the manifest is not taken',
    every('PutObject', outage, manifestKeys),
    allMeet(runs, leaving(failing, dataKeys)),
  ),
]

const inParts: readonly BucketFault[] = [
  fault('an upload cannot begin', every('CreateMultipartUpload', outage), { 'run, in parts': failing }),
  fault(
    'an outage begins with the second part',
    [{ kind: 'UploadPart', nth: { from: 2 }, fault: { what: 'reset', when: 'in the body' } }],
    { 'run, in parts': cut },
  ),
  fault('parts arrive, and every answer is lost', every('UploadPart', { what: 'lose the answer' }), {
    'run, in parts': cut,
  }),
  fault('parts are never taken', every('UploadPart', { what: 'stall', when: 'before the body' }), {
    'run, in parts': stalled,
  }),
  fault('a part arrives with a byte wrong', every('UploadPart', { what: 'flip a byte of the request' }), {
    'run, in parts': told(75, '(HTTP 400 ', again),
  }),
  fault(
    'the clock becomes wrong',
    [{ kind: 'UploadPart', nth: { from: 2 }, fault: answer(403, 'RequestTimeTooSkewed') }],
    { 'run, in parts': clock },
  ),
  fault(
    'the credentials expire in mid-run',
    [{ kind: 'UploadPart', nth: { from: 2 }, fault: answer(400, 'ExpiredToken') }],
    { 'run, in parts': expired },
  ),
  fault(
    'the key is withdrawn in mid-run',
    [{ kind: 'UploadPart', nth: { from: 2 }, fault: answer(403, 'InvalidAccessKeyId') }],
    { 'run, in parts': told(78, 'The access key is not known', 'Check S3_ACCESS_KEY') },
  ),
  fault('a completion fails after its 200', every('CompleteMultipartUpload', answer(200, 'InternalError')), {
    'run, in parts': told(75, 'InternalError', again),
  }),
]

const reading: readonly BucketFault[] = [
  fault('the key may list and not read', every('GetObject', answer(403, 'AccessDenied')), allMeet(all, forbidden)),
  fault(
    'the credentials expire after the listing',
    every('GetObject', answer(400, 'ExpiredToken')),
    allMeet(all, expired),
  ),
  fault('manifests never come', every('GetObject', unanswered, manifestKeys), allMeet(all, silent)),
  fault('manifests fail to come', every('GetObject', outage, manifestKeys), allMeet(all, failing)),
  fault('manifests have a byte wrong', every('GetObject', { what: 'flip a byte of the answer' }, manifestKeys), {
    ...allMeet(fetching, told(65, 'cannot be used: ', 'oslrs-backup list')),
    // The new manifest lies there, and is good; it cannot be known.
    ...allMeet(runs, {
      ...told(75, 'read back, is not what was written', 'The store is at fault: look at it'),
      changes: true,
    }),
    list: told(0, 'damaged: ', ''),
    // Nothing is removed where nothing can be read.
    prune: told(73, 'Nothing may be removed now: There is no complete backup.', ''),
    promote: told(0, '', ''),
  }),
  fault('an outage begins before the archive', every('GetObject', outage, dataKeys), allMeet(fetching, failing)),
  fault(
    'an outage begins in the middle of the archive',
    [
      { kind: 'GetObject', key: dataKeys, nth: 1, fault: { what: 'cut the answer' } },
      { kind: 'GetObject', key: dataKeys, nth: { from: 2 }, fault: outage },
    ],
    allMeet(fetching, failing),
  ),
  fault(
    'the archive stalls in the middle, and for good',
    [
      { kind: 'GetObject', key: dataKeys, nth: 1, fault: { what: 'stall in the answer' } },
      { kind: 'GetObject', key: dataKeys, nth: { from: 2 }, fault: unanswered },
    ],
    { ...allMeet(fetching, stalled), 'verify --depth stored': silent },
  ),
  fault(
    'the archive has a byte wrong',
    every('GetObject', { what: 'flip a byte of the answer' }, dataKeys),
    allMeet(fetching, told(65, 'archive is damaged', 'oslrs-backup list')),
  ),
  fault(
    'the archive is replaced meanwhile',
    [
      { kind: 'GetObject', key: dataKeys, nth: 1, fault: { what: 'cut the answer' } },
      { kind: 'GetObject', key: dataKeys, nth: 2, fault: answer(412, 'PreconditionFailed') },
    ],
    allMeet(fetching, told(75, 'was replaced while it was being read', '')),
  ),
]

const order: readonly BucketFault[] = [
  fault('no copy can be made', every('CopyObject', outage), {
    run: survived,
    'run, in parts': survived,
    promote: failing,
  }),
  fault('copies are made, and every answer is lost', every('CopyObject', { what: 'lose the answer' }), {
    run: survived,
    promote: { ...cut, leaves: [/\/monthly\//, /\/monthly\//] },
  }),
]

export const bucketFaults: readonly BucketFault[] = [...listing, ...writing, ...inParts, ...reading, ...order]
