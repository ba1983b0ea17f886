import {
  CreateMultipartUploadCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  UploadPartCommand,
  type LifecycleRule,
} from '@aws-sdk/client-s3'
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { s3Store } from '../../src/adapters/s3/store.ts'
import { makeKey, type ObjectKey } from '../../src/domain/key.ts'
import type { Bytes, PutResult, Store, UnfinishedUpload } from '../../src/ports.ts'
import { Fault } from '../../src/errors.ts'
import { Secret } from '../../src/secret.ts'
import { bytesOf, keysIn, newBucket, startBuckets, unfinishedIn, type Buckets } from '../support/buckets.ts'
import {
  errorDocument,
  startS3Proxy,
  type RequestKind,
  type S3Fault,
  type S3FaultPlan,
  type S3Proxy,
} from '../support/s3-proxy.ts'

/** The store of S3 where the store, or the way there, is not as it should be. */

let buckets: Buckets
let proxy: S3Proxy
beforeAll(async () => {
  buckets = await startBuckets()
  proxy = await startS3Proxy(buckets.gateway.endpoint)
})
afterEach(() => {
  proxy.expectAllFired()
  proxy.plan()
})
afterAll(async () => {
  await proxy.close()
  await buckets.stop()
})

/** Where a test waits for the end of a stall. Elsewhere none comes, however slow the machine. */
const soon = { idleMs: 500 }

interface Opened {
  readonly store: Store
  readonly bucket: string
  /** What lies there, read at radosgw itself. */
  readonly found: (key: string) => Promise<Buffer>
  /** Writes as somebody else would. */
  readonly plant: (key: string, bytes: Uint8Array) => Promise<void>
}

const open = async (
  change: { readonly copyInPartsAboveBytes?: number; readonly stop?: AbortSignal; readonly idleMs?: number } = {},
): Promise<Opened> => {
  const { region, accessKey, secretKey } = buckets.gateway
  const bucket = await newBucket(buckets)
  proxy.plan()
  return {
    bucket,
    store: s3Store(
      {
        endpoint: proxy.endpoint,
        region,
        bucket,
        accessKey: new Secret(accessKey),
        secretKey: new Secret(secretKey),
        idleMs: 20_000,
        copyInPartsAboveBytes: 5_000_000_000,
        ...change,
      },
      'backups/',
    ),
    found: (key) => bytesOf(buckets, bucket, key),
    plant: async (key, bytes) => {
      await buckets.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
    },
  }
}

const layout = { prefix: 'backups/', name: 'a' }
const key = makeKey(layout, {
  kind: 'data',
  tier: 'daily',
  period: '2026-01-01',
  name: 'a',
  revision: 1,
  sealing: 'age',
})
const to = makeKey(layout, { kind: 'data', tier: 'monthly', period: '2026-01', name: 'a', revision: 1, sealing: 'age' })

/** Goes in one request; in three parts. */
const small = randomBytes(100_000)
const large = randomBytes(17_000_000)

async function* bodyOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield bytes
}
const put = (store: Store, bytes: Uint8Array, ifAbsent = true): Promise<PutResult> =>
  store.put(key, bodyOf(bytes), { contentType: 'application/octet-stream', expectedBytes: bytes.length, ifAbsent })
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const contentOf = async (bytes: Bytes): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}
const unfinishedOf = async (store: Store): Promise<UnfinishedUpload[]> => {
  const uploads: UnfinishedUpload[] = []
  for await (const upload of store.unfinished('backups/')) uploads.push(upload)
  return uploads
}
const keysOf = async (store: Store): Promise<ObjectKey[]> => {
  const keys: ObjectKey[] = []
  for await (const object of store.list('backups/')) keys.push(object.key)
  return keys
}
const seen = (kind: RequestKind) => proxy.requests.filter((request) => request.kind === kind)
const once = (kind: RequestKind, fault: S3Fault): void => {
  proxy.plan({ kind, nth: 1, fault })
}
const always = (kind: RequestKind, fault: S3Fault): void => {
  proxy.plan({ kind, nth: 'every', fault })
}
const answer = (status: number, code: string): S3Fault => ({ what: 'answer', status, code })
const fault = (code: string, sentence: string) => ({ code, message: expect.stringContaining(sentence) as string })

describe('the proof', () => {
  const kms = { 'x-amz-server-side-encryption': 'aws:kms' }
  const otherMd5 = '0123456789abcdef0123456789abcdef'
  test.each([
    ['is encrypted with a key of the provider, and the tag with it', { ...kms, etag: `"${otherMd5}"` }],
    ['is encrypted with a key of the customer', { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }],
    ['is said to be encrypted, though the tag is the right one', kms],
    ['has a tag that says nothing', { etag: '"v1-opaque"' }],
    ['has no tag', { etag: '' }],
    ['was put together of another number of parts', { etag: `"${otherMd5}-40"` }],
  ])('reads back what %s, and then finds damage', async (_what, header) => {
    const { store, plant } = await open()
    const sent = { ...(await put(store, small)), sha256: sha256(small) }
    always('HeadObject', { what: 'alter the answer', header })
    await store.prove(key, sent)
    expect(seen('GetObject')).toHaveLength(1)
    await plant(key, randomBytes(small.length))
    await expect(store.prove(key, sent)).rejects.toMatchObject(fault('damaged', 'its SHA-256 is another'))
  })

  test('reads back where a tag of other parts is shown for what went in parts', async () => {
    const { store } = await open()
    const sent = { ...(await put(store, large)), sha256: sha256(large) }
    expect(sent.etag).toMatch(/^[0-9a-f]{32}-3$/)
    once('HeadObject', { what: 'alter the answer', header: { etag: `"${otherMd5}-2"` } })
    await store.prove(key, sent)
    expect(seen('GetObject')).toHaveLength(1)
  })

  test('reads back where no tag is known', async () => {
    const { store } = await open()
    await put(store, small)
    await store.prove(key, { sizeBytes: small.length, etag: null, sha256: sha256(small) })
    expect(seen('GetObject')).toHaveLength(1)
  })

  test.each([
    ['tag', { etag: `"${otherMd5}"` }, 'its entity tag is another'],
    ['length', { 'content-length': '99999' }, 'it has 99999 bytes instead of 100000'],
  ])('fails on another %s without reading', async (_what, header, sentence) => {
    const { store } = await open()
    const sent = { ...(await put(store, small)), sha256: sha256(small) }
    once('HeadObject', { what: 'alter the answer', header })
    await expect(store.prove(key, sent)).rejects.toMatchObject(fault('damaged', sentence))
    expect(seen('GetObject')).toEqual([])
  })

  test('fails where one byte comes back wrong, and not where the way back breaks', async () => {
    const { store } = await open()
    await put(store, small)
    const sent = { sizeBytes: small.length, etag: null, sha256: sha256(small) }
    once('GetObject', { what: 'cut the answer' })
    await store.prove(key, sent)
    proxy.expectAllFired()
    once('GetObject', { what: 'flip a byte of the answer' })
    await expect(store.prove(key, sent)).rejects.toMatchObject(fault('damaged', 'its SHA-256 is another'))
  })
})

describe('an object in one request', () => {
  test('whose answer was lost is ours, though the second try is told that there is one', async () => {
    const { store, found } = await open()
    once('PutObject', { what: 'lose the answer' })
    expect(await put(store, small)).toMatchObject({ sizeBytes: small.length })
    expect(seen('PutObject').map(({ status }) => status)).toEqual([undefined, 412])
    expect(await found(key)).toEqual(small)
  })

  const opaque: S3Fault = {
    what: 'alter the answer',
    header: { 'x-amz-server-side-encryption': 'aws:kms', etag: '"0123456789abcdef0123456789abcdef"' },
  }
  test('whose answer was lost is ours, also where the provider encrypts it and its tag says nothing', async () => {
    const { store, found } = await open()
    proxy.plan(
      { kind: 'PutObject', nth: 1, fault: { what: 'lose the answer' } },
      { kind: 'HeadObject', nth: { from: 2 }, fault: opaque },
    )
    expect(await put(store, small)).toMatchObject({ sizeBytes: small.length })
    expect(seen('PutObject').map(({ status }) => status)).toEqual([undefined, 412])
    expect(await found(key)).toEqual(small)
  })

  test.each<[string, S3FaultPlan[]]>([
    ['', []],
    [', nor where the provider encrypts', [{ kind: 'HeadObject', nth: { from: 2 }, fault: opaque }]],
  ])('that somebody else wrote meanwhile is not ours%s', async (_where, plans) => {
    const { store, found, plant } = await open()
    proxy.plan({ kind: 'PutObject', nth: 1, fault: { what: 'hold' } }, ...plans)
    const putting = put(store, small)
    await proxy.firing()
    const theirs = randomBytes(small.length)
    await plant(key, theirs)
    proxy.release()
    await expect(putting).rejects.toMatchObject(fault('refused', 'is not written over'))
    expect(await found(key)).toEqual(theirs)
  })

  test('that arrives with a byte wrong is refused, and nothing of it stays', async () => {
    const { store, bucket } = await open()
    always('PutObject', { what: 'flip a byte of the request' })
    await expect(put(store, small)).rejects.toMatchObject({ name: 'Fault' })
    expect(await keysIn(buckets, bucket)).toEqual([])
  })

  test('carries its MD5, and the wish not to write over', async () => {
    const { store } = await open()
    await put(store, small)
    const [request] = seen('PutObject')
    expect(request?.headers['content-md5']).toBe(createHash('md5').update(small).digest('base64'))
    expect(request?.headers['if-none-match']).toBe('*')
    // Newer default checksums are stored as a part of the object by some servers.
    expect(Object.keys(request?.headers ?? {}).filter((name) => name.startsWith('x-amz-checksum'))).toEqual([])
    expect(request?.headers['content-encoding']).toBeUndefined()
  })
})

describe('an object in parts', () => {
  const notQuite = `${errorDocument('InternalError')}\n`
  test.each<[string, S3Fault]>([
    ['is answered with an error after the 200', answer(200, 'InternalError')],
    ['is answered with an error after the 200, in an unusual form', { what: 'say', status: 200, body: notQuite }],
    ['is answered with nothing after the 200', { what: 'say', status: 200, body: '' }],
    ['fails', answer(500, 'InternalError')],
    ['is refused', answer(400, 'InvalidPart')],
  ])('is not there, nor a part of it, when its completion %s', async (_what, what) => {
    const { store, bucket } = await open()
    always('CompleteMultipartUpload', what)
    await expect(put(store, large)).rejects.toMatchObject({ code: 'storage-failed' })
    expect(seen('AbortMultipartUpload')).toHaveLength(1)
    expect(await keysIn(buckets, bucket)).toEqual([])
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })

  test.each<[string, S3Fault]>([
    ['an error after the 200', answer(200, 'InternalError')],
    ['an error', answer(500, 'InternalError')],
    ['nothing, for the answer was lost', { what: 'lose the answer' }],
    ['half an answer', { what: 'cut the answer' }],
    ['an error, though it was done', { what: 'alter the answer', status: 500, body: notQuite }],
  ])('is there when its completion is first answered with %s', async (_what, what) => {
    const { store, bucket, found } = await open()
    once('CompleteMultipartUpload', what)
    const sent = await put(store, large)
    await store.prove(key, { ...sent, sha256: sha256(large) })
    expect(sha256(await found(key))).toBe(sha256(large))
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })

  test('is there when every answer to its completion is lost', async () => {
    const { store, found } = await open()
    always('CompleteMultipartUpload', { what: 'lose the answer' })
    await put(store, large)
    expect(sha256(await found(key))).toBe(sha256(large))
  })

  test('is sent without waiting for leave, which not every server gives', async () => {
    const { store } = await open()
    await put(store, large)
    expect(seen('UploadPart').map(({ headers }) => headers.expect)).toEqual([undefined, undefined, undefined])
  })

  test('that somebody else wrote meanwhile is not ours, and no part of it stays', async () => {
    const { store, bucket, found, plant } = await open()
    proxy.plan({ kind: 'UploadPart', nth: 3, fault: { what: 'hold' } })
    const putting = put(store, large)
    await proxy.firing()
    await plant(key, Buffer.from('theirs'))
    proxy.release()
    await expect(putting).rejects.toMatchObject(fault('refused', 'is not written over'))
    expect(String(await found(key))).toBe('theirs')
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })

  test('of which a part arrives with a byte wrong is refused, and no part of it stays', async () => {
    const { store, bucket } = await open()
    proxy.plan({ kind: 'UploadPart', nth: 2, fault: { what: 'flip a byte of the request' } })
    await expect(put(store, large)).rejects.toMatchObject({ name: 'Fault' })
    expect(await keysIn(buckets, bucket)).toEqual([])
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })

  test('keeps the fault that ended it, when it cannot even be given up', async () => {
    const { store, bucket } = await open()
    proxy.plan(
      { kind: 'UploadPart', nth: 2, fault: answer(403, 'QuotaExceeded') },
      { kind: 'AbortMultipartUpload', nth: 'every', fault: answer(403, 'AccessDenied') },
    )
    await expect(put(store, large)).rejects.toMatchObject(fault('storage-failed', 'its quota is used up'))
    expect(await unfinishedIn(buckets, bucket)).toEqual([key])
  })
})

describe('a copy', () => {
  test.each([
    [501, 'NotImplemented'],
    [400, 'InvalidRequest'],
    [403, 'AccessDenied'],
    [405, 'MethodNotAllowed'],
  ])('goes through this machine where the store answers %i %s', async (status, code) => {
    const { store, plant, found } = await open()
    await plant(key, small)
    always('CopyObject', answer(status, code))
    await store.copy(key, to, { ifAbsent: true })
    expect(await found(to)).toEqual(small)
    expect(seen('PutObject')).toMatchObject([{ key: to }])
  })

  test.each([
    [503, 'ServiceUnavailable', 'storage-failed'],
    [500, 'InternalError', 'storage-failed'],
    // The source has gone meanwhile.
    [404, 'NoSuchKey', 'storage-failed'],
    [200, 'InternalError', 'storage-failed'],
  ])('is not tried that way where the store answers %i %s', async (status, code, expected) => {
    const { store, bucket, plant } = await open()
    await plant(key, small)
    always('CopyObject', answer(status, code))
    await expect(store.copy(key, to, { ifAbsent: true })).rejects.toMatchObject({ code: expected })
    expect(seen('PutObject')).toEqual([])
    expect(await keysIn(buckets, bucket)).toEqual([key])
  })

  test.each<[string, S3Fault]>([
    ['is lost', { what: 'lose the answer' }],
    ['is cut', { what: 'cut the answer' }],
    ['is an error after the 200', answer(200, 'InternalError')],
    ['is 503', answer(503, 'ServiceUnavailable')],
  ])('is there when the first answer %s', async (_what, what) => {
    const { store, plant, found } = await open()
    await plant(key, small)
    once('CopyObject', what)
    await store.copy(key, to, { ifAbsent: true })
    expect(await found(to)).toEqual(small)
    expect(seen('PutObject')).toEqual([])
  })

  test.each<RequestKind>(['UploadPartCopy', 'CompleteMultipartUpload'])(
    'in parts is there when the first answer to %s is lost',
    async (kind) => {
      const { store, bucket, plant, found } = await open({ copyInPartsAboveBytes: 8_000_000 })
      await plant(key, large)
      once(kind, { what: 'lose the answer' })
      await store.copy(key, to, { ifAbsent: true })
      expect(sha256(await found(to))).toBe(sha256(large))
      expect(await unfinishedIn(buckets, bucket)).toEqual([])
      expect(seen('GetObject')).toEqual([])
    },
  )

  test('in parts goes through this machine where the store cannot, and is given up first', async () => {
    const { store, bucket, plant, found } = await open({ copyInPartsAboveBytes: 8_000_000 })
    await plant(key, large)
    always('UploadPartCopy', answer(501, 'NotImplemented'))
    await store.copy(key, to, { ifAbsent: true })
    expect(sha256(await found(to))).toBe(sha256(large))
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })

  test('in parts that fails leaves nothing', async () => {
    const { store, bucket, plant } = await open({ copyInPartsAboveBytes: 8_000_000 })
    await plant(key, large)
    proxy.plan({ kind: 'UploadPartCopy', nth: { from: 2 }, fault: answer(500, 'InternalError') })
    await expect(store.copy(key, to, { ifAbsent: true })).rejects.toMatchObject({ code: 'storage-failed' })
    expect(await keysIn(buckets, bucket)).toEqual([key])
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })
})

describe('a download', () => {
  const isReplaced = fault('storage-failed', 'was replaced while it was being read')
  test.each<[string, S3Fault]>([
    ['is cut', { what: 'cut the answer' }],
    ['stalls', { what: 'stall in the answer' }],
  ])('that %s in the middle goes on where it was, with the same object', async (_what, what) => {
    const { store, plant } = await open(soon)
    await plant(key, small)
    once('GetObject', what)
    expect(await contentOf(store.get(key))).toEqual(small)
    const tag = createHash('md5').update(small).digest('hex')
    expect(seen('GetObject').map(({ headers, status }) => [headers.range, headers['if-match'], status])).toEqual([
      [undefined, undefined, 200],
      ['bytes=50000-', `"${tag}"`, 206],
    ])
  })

  test('from a place on that is cut goes on as well', async () => {
    const { store, plant } = await open()
    await plant(key, small)
    once('GetObject', { what: 'cut the answer' })
    expect(await contentOf(store.get(key, { start: 60_000 }))).toEqual(small.subarray(60_000))
    expect(seen('GetObject').map(({ headers }) => headers.range)).toEqual(['bytes=60000-', 'bytes=80000-'])
  })

  test('goes on rightly at a server that sends the whole again whatever is asked for', async () => {
    const { store, plant } = await open()
    await plant(key, small)
    const etag = `"${createHash('md5').update(small).digest('hex')}"`
    const anew: S3Fault = { what: 'say', status: 200, body: small, header: { etag } }
    proxy.plan(
      { kind: 'GetObject', nth: 1, fault: { what: 'cut the answer' } },
      { kind: 'GetObject', nth: 2, fault: anew },
    )
    expect(await contentOf(store.get(key))).toEqual(small)
    proxy.expectAllFired()
    always('GetObject', anew)
    expect(await contentOf(store.get(key, { start: 70_000 }))).toEqual(small.subarray(70_000))
  })

  test('whose object is replaced meanwhile gives no mixture', async () => {
    const { store, plant } = await open()
    await plant(key, small)
    proxy.plan(
      { kind: 'GetObject', nth: 1, fault: { what: 'cut the answer' } },
      { kind: 'GetObject', nth: 2, fault: { what: 'hold' } },
    )
    const outcome = expect(contentOf(store.get(key))).rejects.toMatchObject(isReplaced)
    await proxy.firing(1)
    await plant(key, randomBytes(small.length))
    proxy.release()
    await outcome
    expect(seen('GetObject').map(({ status }) => status)).toEqual([200, 412])
  })

  const other = { etag: '"another"' }
  test.each<[string, S3Fault]>([
    [
      'the rest of another object',
      {
        what: 'say',
        status: 206,
        body: small.subarray(50_000),
        header: { ...other, 'content-range': 'bytes 50000-99999/100000' },
      },
    ],
    ['another object', { what: 'say', status: 200, body: small, header: other }],
    ['the end of a shorter one', answer(416, 'InvalidRange')],
  ])('whose object is replaced meanwhile gives no mixture where the server sends %s unasked', async (_what, what) => {
    const { store, plant } = await open()
    await plant(key, small)
    proxy.plan(
      { kind: 'GetObject', nth: 1, fault: { what: 'cut the answer' } },
      { kind: 'GetObject', nth: 2, fault: what },
    )
    await expect(contentOf(store.get(key))).rejects.toMatchObject(isReplaced)
  })

  test('whose second half is another part than was asked for is given up', async () => {
    const { store, plant } = await open()
    await plant(key, small)
    proxy.plan(
      { kind: 'GetObject', nth: 1, fault: { what: 'cut the answer' } },
      {
        kind: 'GetObject',
        nth: 2,
        fault: { what: 'alter the answer', header: { 'content-range': 'bytes 50001-99999/100000' } },
      },
    )
    await expect(contentOf(store.get(key))).rejects.toMatchObject({ code: 'storage-failed' })
  })

  test('that is cut again and again comes to an end', async () => {
    const { store, plant } = await open()
    await plant(key, Buffer.from('ab'))
    always('GetObject', { what: 'cut the answer' })
    await expect(contentOf(store.get(key))).rejects.toMatchObject(fault('storage-failed', 'the connection was cut'))
  })

  test('that is never answered is asked for four times', async () => {
    const { store, plant } = await open(soon)
    await plant(key, small)
    always('GetObject', { what: 'stall', when: 'after the body' })
    await expect(contentOf(store.get(key))).rejects.toMatchObject(fault('storage-failed', 'no answer in time'))
    expect(seen('GetObject')).toHaveLength(4)
  })

  test('that nobody reads to its end lets its connection go', async () => {
    const { store, plant } = await open()
    await plant(key, large)
    const reading = store.get(key)[Symbol.asyncIterator]()
    await reading.next()
    await reading.return?.()
    expect(await contentOf(store.get(key))).toHaveLength(large.length)
  })
})

describe('a listing', () => {
  test('of several pages is whole or fails: half of one passes for nothing', async () => {
    const { store, plant } = await open()
    const keys = Array.from({ length: 1001 }, (_, n) => makeKey(layout, { kind: 'canary', id: `n-${String(n)}` }))
    const waiting = [...keys]
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await plant(next, Buffer.from('x'))
      }),
    )
    const twice = (what: S3Fault): void => {
      proxy.plan({ kind: 'ListObjects', nth: 2, fault: what })
    }
    for (const what of [answer(500, 'InternalError'), { what: 'cut the answer' }] as const) {
      twice(what)
      expect((await keysOf(store)).toSorted()).toEqual(keys.toSorted())
      expect(seen('ListObjects')).toHaveLength(3)
      proxy.expectAllFired()
    }
    proxy.plan({ kind: 'ListObjects', nth: { from: 2 }, fault: answer(500, 'InternalError') })
    await expect(keysOf(store)).rejects.toMatchObject(fault('storage-failed', 'HTTP 500 InternalError'))
  })

  test.each([
    ['is a page of a portal', '<html><body>Please log in</body></html>'],
    ['is empty', ''],
    [
      'has more, and does not say how to get it',
      '<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated></ListBucketResult>',
    ],
  ])('whose answer %s is no empty bucket', async (_what, body) => {
    const { store, plant } = await open()
    await plant(key, small)
    always('ListObjects', { what: 'alter the answer', body })
    await expect(keysOf(store)).rejects.toMatchObject({ code: 'storage-failed' })
  })

  test('of unfinished uploads that has more, and does not say how to get it, comes to an end', async () => {
    const { store } = await open()
    const body =
      '<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>'
    always('ListMultipartUploads', { what: 'alter the answer', body })
    await expect(unfinishedOf(store)).rejects.toMatchObject({ code: 'storage-failed' })
  })
})

describe('an unfinished upload', () => {
  const begin = async ({ bucket }: Opened, name: string): Promise<void> => {
    const { UploadId } = await buckets.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: name }))
    await buckets.client.send(
      new UploadPartCommand({ Bucket: bucket, Key: name, UploadId, PartNumber: 1, Body: Buffer.alloc(100) }),
    )
  }

  test('is found, is no object, and is removed; a foreign one is not touched', async () => {
    const opened = await open()
    for (const name of [key, 'photos/cat.jpg', 'backups/daily/notes']) await begin(opened, name)
    const { store, bucket } = opened
    const uploads = await unfinishedOf(store)
    expect(uploads).toMatchObject([{ key }])
    expect(Date.now() - (uploads[0]?.startedAt.getTime() ?? 0)).toBeLessThan(60_000)
    expect(await keysOf(store)).toEqual([])
    for (const upload of [...uploads, ...uploads]) await store.abandon(upload)
    expect(await unfinishedIn(buckets, bucket)).toEqual(['backups/daily/notes', 'photos/cat.jpg'])
  })

  test.each([
    [403, 'AccessDenied', 'credentials'],
    [500, 'InternalError', 'storage-failed'],
  ])('that cannot be removed (%i %s) is not said to be', async (status, code, expected) => {
    const opened = await open()
    await begin(opened, key)
    always('AbortMultipartUpload', answer(status, code))
    for (const upload of await unfinishedOf(opened.store))
      await expect(opened.store.abandon(upload)).rejects.toMatchObject({ code: expected })
    expect(await unfinishedIn(buckets, opened.bucket)).toEqual([key])
  })
})

describe('a removal', () => {
  test('of what is not there is no error, nor is one whose answer was lost', async () => {
    const { store, bucket, plant } = await open()
    await store.delete(key)
    await plant(key, small)
    once('DeleteObject', { what: 'lose the answer' })
    await store.delete(key)
    expect(await keysIn(buckets, bucket)).toEqual([])
  })

  test('that is refused is told', async () => {
    const { store, bucket, plant } = await open()
    await plant(key, small)
    always('DeleteObject', answer(403, 'AccessDenied'))
    await expect(store.delete(key)).rejects.toMatchObject(fault('credentials', 'The key may not do what is needed'))
    expect(await keysIn(buckets, bucket)).toEqual([key])
  })
})

describe('what the bucket does by itself', () => {
  test.each([
    [403, 'AccessDenied'],
    [501, 'NotImplemented'],
    [405, 'MethodNotAllowed'],
  ])('is unknown where the store answers %i %s', async (status, code) => {
    const { store } = await open()
    always('BucketSettings', answer(status, code))
    expect(await store.habits()).toEqual({ versioning: 'unknown', objectLock: 'unknown', expiryRules: 'unknown' })
  })

  test('is told as it is: versions, a lock, and the rules that are in force for objects like ours', async () => {
    const { store, bucket } = await open()
    expect(await store.habits()).toEqual({ versioning: 'off', objectLock: 'off', expiryRules: [] })
    const Expiration = { Days: 90 }
    const Rules: LifecycleRule[] = [
      { ID: 'all', Status: 'Enabled', Filter: { Prefix: '' }, Expiration },
      { ID: 'monthlies', Status: 'Enabled', Filter: { Prefix: 'backups/monthly/' }, Expiration: { Days: 30 } },
      { ID: 'day', Status: 'Enabled', Filter: { Prefix: 'b' }, Expiration: { Date: new Date('2030-01-01T00:00:00Z') } },
      { ID: 'switched off', Status: 'Disabled', Filter: { Prefix: 'backups/' }, Expiration },
      { ID: 'tagged', Status: 'Enabled', Filter: { Tag: { Key: 'temporary', Value: 'yes' } }, Expiration },
      {
        ID: 'tagged too',
        Status: 'Enabled',
        Filter: { And: { Prefix: 'backups/', Tags: [{ Key: 'temporary', Value: 'yes' }] } },
        Expiration,
      },
      {
        ID: 'no object',
        Status: 'Enabled',
        Filter: { Prefix: 'backups/drills/' },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
        NoncurrentVersionExpiration: { NoncurrentDays: 30 },
      },
    ]
    const lifecycle = { Bucket: bucket, LifecycleConfiguration: { Rules } }
    await buckets.client.send(new PutBucketLifecycleConfigurationCommand(lifecycle))
    const { expiryRules } = await store.habits()
    expect(
      expiryRules === 'unknown' ? expiryRules : expiryRules.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ).toEqual([
      { name: 'all', prefix: '', afterDays: 90 },
      { name: 'day', prefix: 'b', afterDays: 0 },
      { name: 'monthlies', prefix: 'backups/monthly/', afterDays: 30 },
    ])
    const versioned = { Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' as const } }
    await buckets.client.send(new PutBucketVersioningCommand(versioned))
    expect(await store.habits()).toMatchObject({ versioning: 'on', objectLock: 'off' })
  })

  test('a stranger reads an object that is open to all, and an unknown answer is no answer', async () => {
    const { store, bucket } = await open(soon)
    const open_ = new PutObjectCommand({ Bucket: bucket, Key: key, Body: small, ACL: 'public-read' })
    await buckets.client.send(open_)
    expect(await store.isPublic(key)).toBe(true)
    proxy.plan({ kind: 'GetObject', nth: 1, fault: { what: 'stall', when: 'after the body' } })
    await expect(store.isPublic(key)).rejects.toMatchObject(fault('storage-failed', 'no answer in time'))
  })
})

describe('a store that is told to stop', () => {
  const reason = new Fault('terminated', 'Stopped by SIGTERM.')
  // Far longer than the test may take: whatever waits for an answer, waits in vain.
  const patient = 120_000
  const held: S3Fault = { what: 'hold' }
  const stalls: S3Fault = { what: 'stall', when: 'after the body' }

  test.each<[string, readonly S3FaultPlan[], (opened: Opened) => Promise<unknown>]>([
    [
      'its parts are on their way',
      [
        { kind: 'UploadPart', nth: 2, fault: held },
        { kind: 'UploadPart', nth: 1, fault: held },
      ],
      ({ store }) => put(store, large),
    ],
    ['a part is not taken', [{ kind: 'UploadPart', nth: 3, fault: stalls }], ({ store }) => put(store, large)],
    [
      'it is to complete',
      [{ kind: 'CompleteMultipartUpload', nth: 1, fault: stalls }],
      ({ store }) => put(store, large),
    ],
    ['it puts', [{ kind: 'PutObject', nth: 1, fault: stalls }], ({ store }) => put(store, small)],
    ['it lists', [{ kind: 'ListObjects', nth: 1, fault: stalls }], ({ store }) => keysOf(store)],
    [
      'it is to begin a download',
      [{ kind: 'GetObject', nth: 1, fault: stalls }],
      ({ store }) => contentOf(store.get(to)),
    ],
    [
      'it downloads',
      [{ kind: 'GetObject', nth: 1, fault: { what: 'stall in the answer' } }],
      ({ store }) => contentOf(store.get(to)),
    ],
  ])('while %s ends at once, with that reason and nothing left', async (_what, plans, work) => {
    const stop = new AbortController()
    const opened = await open({ stop: stop.signal, idleMs: patient })
    await opened.plant(to, small)
    proxy.plan(...plans)
    const outcome = expect(work(opened)).rejects.toBe(reason)
    await proxy.firing()
    stop.abort(reason)
    await outcome
    expect(await keysIn(buckets, opened.bucket)).toEqual([to])
    expect(await unfinishedIn(buckets, opened.bucket)).toEqual([])
    await expect(opened.store.check('read')).rejects.toBe(reason)
  })

  test('does not wait for long where the upload cannot be given up', async () => {
    const stop = new AbortController()
    const { store, bucket } = await open({ ...soon, stop: stop.signal })
    proxy.plan(
      { kind: 'UploadPart', nth: 3, fault: stalls },
      { kind: 'AbortMultipartUpload', nth: 'every', fault: stalls },
    )
    const outcome = expect(put(store, large)).rejects.toBe(reason)
    await proxy.firing()
    stop.abort(reason)
    await outcome
    expect(await unfinishedIn(buckets, bucket)).toEqual([key])
  })
})

describe('the clock and the region', () => {
  test('a clock that is a little off is made up for', async () => {
    const { store } = await open()
    // The answer says what time it is there: ten minutes later.
    const date = new Date(Date.now() + 600_000).toUTCString()
    once('ListObjects', { what: 'answer', status: 403, code: 'RequestTimeTooSkewed', header: { date } })
    await store.check('read')
  })

  test.each([
    [403, 'RequestTimeTooSkewed', 'The clock of this machine'],
    [400, 'AuthorizationHeaderMalformed', 'not in the region'],
    [301, 'PermanentRedirect', 'not in the region'],
    [307, 'TemporaryRedirect', 'is elsewhere'],
  ])('%i %s is a fault of the configuration', async (status, code, sentence) => {
    const { store } = await open()
    always('ListObjects', answer(status, code))
    await expect(store.check('read')).rejects.toMatchObject(fault('configuration', sentence))
  })
})
