import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { s3Store } from '../../src/adapters/s3/store.ts'
import { makeKey } from '../../src/domain/key.ts'
import { Secret } from '../../src/secret.ts'
import { startRadosgw, type Radosgw } from '../support/radosgw.ts'
import { storeContract, type StoreUnderTest } from '../support/store-contract.ts'

let gateway: Radosgw
beforeAll(async () => {
  gateway = await startRadosgw()
})
afterAll(() => gateway.stop())

let buckets = 0
/** A bucket of its own for each test, and a client that is not ours. */
const open = async (
  change: { copyInPartsAboveBytes?: number; secretKey?: Secret; bucket?: string; endpoint?: string } = {},
): Promise<StoreUnderTest> => {
  const { endpoint, region, accessKey, secretKey } = gateway
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })
  const bucket = `test-${String(++buckets)}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return {
    store: s3Store(
      {
        endpoint,
        region,
        bucket,
        accessKey: new Secret(accessKey),
        secretKey: new Secret(secretKey),
        idleMs: 10_000,
        copyInPartsAboveBytes: 5_000_000_000,
        ...change,
      },
      'backups/',
    ),
    plant: async (name, bytes) => {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: bytes }))
    },
  }
}

storeContract('a bucket of radosgw', () => open())

describe('a bucket', () => {
  const from = makeKey(
    { prefix: 'backups/', name: 'a' },
    { kind: 'data', tier: 'daily', period: '2026-01-01', name: 'a', revision: 1, sealing: 'age' },
  )
  const to = makeKey(
    { prefix: 'backups/', name: 'a' },
    { kind: 'data', tier: 'monthly', period: '2026-01', name: 'a', revision: 1, sealing: 'age' },
  )

  test('is copied within in parts, above the limit of one copy', async () => {
    const { store, plant } = await open({ copyInPartsAboveBytes: 6_000_000 })
    const bytes = Buffer.alloc(13_000_000, 'abc')
    await plant(from, bytes)
    await store.copy(from, to, { ifAbsent: true })
    const chunks: Uint8Array[] = []
    for await (const chunk of store.get(to)) chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
  })

  test.each([
    ['the secret key is another', { secretKey: new Secret('wrong') }, 'credentials', 'S3_SECRET_KEY'],
    ['there is no such bucket', { bucket: 'nowhere' }, 'configuration', 'S3_BUCKET_NAME'],
    ['nobody answers', { endpoint: 'http://127.0.0.1:1' }, 'storage-failed', 'trying again'],
  ])('says what is wrong when %s', async (_what, change, code, hint) => {
    const { store } = await open(change)
    await expect(store.check('write')).rejects.toMatchObject({ code, hint: expect.stringContaining(hint) as string })
  })
})
