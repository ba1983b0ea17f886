import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { startRadosgw, type Radosgw } from './radosgw.ts'
import { expectSoundHoldings } from './soundness.ts'
import { newSite, type Environment, type Site } from './tool.ts'

/** A radosgw with a client that is not ours. One for a file, a bucket for each test. */
export interface Buckets {
  readonly gateway: Radosgw
  readonly client: S3Client
  /** Removed in the end. */
  readonly folder: string
  stop(): Promise<void>
}

/** A site whose store is a bucket; its folder of that name stays empty. */
export interface BucketSite extends Site {
  readonly bucket: string
}

export const startBuckets = async (gateway: Radosgw | Promise<Radosgw> = startRadosgw()): Promise<Buckets> =>
  inGateway(await gateway)

const inGateway = async (gateway: Radosgw): Promise<Buckets> => {
  const { endpoint, region, accessKey, secretKey } = gateway
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  })
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-buckets-'))
  return {
    gateway,
    client,
    folder,
    stop: async () => {
      client.destroy()
      await rm(folder, { recursive: true, force: true })
      await gateway.stop()
    },
  }
}

let made = 0
export const newBucket = async ({ client }: Buckets): Promise<string> => {
  const bucket = `bucket-${String(++made)}`
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return bucket
}

/** The private key is there too, as with `--role both`. */
export const newBucketSite = async (buckets: Buckets, databaseUrl: string): Promise<BucketSite> => {
  const site = await newSite(databaseUrl)
  const bucket = await newBucket(buckets)
  const environment = { ...site.environment, BACKUP_AGE_IDENTITY_FILE: site.identityFile }
  return { ...site, bucket, environment: inBucket(buckets, bucket, environment) }
}

/** The environment of a site whose backups go to this bucket instead of its folder. */
export const inBucket = ({ gateway }: Buckets, bucket: string, environment: Environment): Environment => {
  const { BACKUP_STORE_DIR: _, ...rest } = environment
  return {
    ...rest,
    S3_ENDPOINT: gateway.endpoint,
    S3_BUCKET_NAME: bucket,
    S3_ACCESS_KEY: gateway.accessKey,
    S3_SECRET_KEY: gateway.secretKey,
    BACKUP_ALLOWED_HOSTS: '127.0.0.1',
  }
}

/** The same site, for as long as the buckets are there: a site's folder goes with the test that made it. */
export const kept = async ({ folder }: Buckets, site: BucketSite): Promise<BucketSite> => {
  const copy = join(folder, site.bucket)
  await cp(site.folder, copy, { recursive: true })
  return JSON.parse(JSON.stringify(site).replaceAll(site.folder, copy)) as BucketSite
}

/** A bucket of its own that holds what the site's holds, with the same keys to open it. */
export const sameInNewBucket = async (buckets: Buckets, site: BucketSite): Promise<BucketSite> => {
  const bucket = await newBucket(buckets)
  const copies = (await keysIn(buckets, site.bucket)).map((key) =>
    buckets.client.send(new CopyObjectCommand({ Bucket: bucket, Key: key, CopySource: `${site.bucket}/${key}` })),
  )
  await Promise.all(copies)
  return { ...site, bucket, environment: { ...site.environment, S3_BUCKET_NAME: bucket } }
}

/** Every key in the bucket, with its entity tag. No test has more than one page of them. */
export const tagsIn = async ({ client }: Buckets, bucket: string): Promise<Readonly<Record<string, string>>> => {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
  return Object.fromEntries(Contents.map(({ Key = '', ETag = '' }) => [Key, ETag]))
}

export const keysIn = async (buckets: Buckets, bucket: string): Promise<string[]> =>
  Object.keys(await tagsIn(buckets, bucket)).toSorted()

export const bytesOf = async ({ client }: Buckets, bucket: string, key: string): Promise<Buffer> => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

/** Keys of the uploads that were begun and never ended. */
export const unfinishedIn = async ({ client }: Buckets, bucket: string): Promise<string[]> => {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return Uploads.map(({ Key = '' }) => Key)
}

/** `expectSound` for a bucket, read at radosgw itself; and no upload is unfinished but those that the test names. */
export const expectSoundBucket = async (
  buckets: Buckets,
  site: BucketSite,
  expected: { readonly complete?: readonly string[]; readonly unfinished?: readonly string[] } = {},
): Promise<void> => {
  await expectSoundHoldings(
    site,
    {
      keys: () => keysIn(buckets, site.bucket),
      read: (key) => bytesOf(buckets, site.bucket, key),
    },
    expected.complete,
  )
  expect(await unfinishedIn(buckets, site.bucket)).toEqual(expected.unfinished ?? [])
}
