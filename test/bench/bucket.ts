import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { execa } from 'execa'
import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '../../src/domain/manifest.ts'
import type { Radosgw } from '../support/radosgw.ts'
import type { Contender } from './contenders.ts'

/** Where the contender that stores in a bucket stores, and how that is looked at by clients that are not ours. */
export interface Bucket {
  readonly environment: Readonly<Record<string, string>>
  /** Another bucket of the same server, as rclone is told of it. */
  readonly rclone: { readonly remote: string; readonly environment: Readonly<Record<string, string>> }
  readonly put: (key: string, body: string) => Promise<void>
  /** Removes what is there of that prefix. */
  readonly empty: (prefix?: string) => Promise<void>
  /** Fetches an object with curl, which signs its requests itself. */
  readonly fetchTo: (key: string, file: string) => Promise<void>
  readonly keys: (prefix: string) => Promise<readonly string[]>
  /** What HEAD says of it. */
  readonly head: (key: string) => Promise<{ readonly sizeBytes: number; readonly tag: string }>
  /** How many uploads were begun and not ended. */
  readonly unfinished: () => Promise<number>
}

const name = 'bench'
const peersName = 'peers'

export const openBucket = async ({ endpoint, region, accessKey, secretKey }: Radosgw): Promise<Bucket> => {
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials })
  for (const Bucket of [name, peersName]) await client.send(new CreateBucketCommand({ Bucket }))
  const keys = async (prefix: string): Promise<readonly string[]> => {
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: name, Prefix: prefix }))
    return (Contents ?? []).flatMap(({ Key }) => Key ?? [])
  }
  return {
    environment: {
      S3_ENDPOINT: endpoint,
      S3_REGION: region,
      S3_BUCKET_NAME: name,
      S3_ACCESS_KEY: accessKey,
      S3_SECRET_KEY: secretKey,
    },
    rclone: {
      remote: `bench:${peersName}`,
      environment: {
        RCLONE_CONFIG: '/dev/null',
        RCLONE_CONFIG_BENCH_TYPE: 's3',
        RCLONE_CONFIG_BENCH_PROVIDER: 'Ceph',
        RCLONE_CONFIG_BENCH_ENDPOINT: endpoint,
        RCLONE_CONFIG_BENCH_REGION: region,
        RCLONE_CONFIG_BENCH_ACCESS_KEY_ID: accessKey,
        RCLONE_CONFIG_BENCH_SECRET_ACCESS_KEY: secretKey,
      },
    },
    put: async (Key, Body) => {
      await client.send(new PutObjectCommand({ Bucket: name, Key, Body }))
    },
    empty: async (prefix = '') => {
      const there = await keys(prefix)
      if (there.length === 0) return
      const Delete = { Objects: there.map((Key) => ({ Key })) }
      await client.send(new DeleteObjectsCommand({ Bucket: name, Delete }))
    },
    fetchTo: async (key, file) => {
      const signing = ['--aws-sigv4', `aws:amz:${region}:s3`, '--user', `${accessKey}:${secretKey}`]
      // curl 7.88 signs this header, without which S3 takes no signature, only where it is given.
      signing.push('-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD')
      await execa('curl', [
        '--fail',
        '--silent',
        '--show-error',
        ...signing,
        '--output',
        file,
        `${endpoint}/${name}/${key}`,
      ])
    },
    keys,
    head: async (Key) => {
      const { ContentLength = 0, ETag = '' } = await client.send(new HeadObjectCommand({ Bucket: name, Key }))
      return { sizeBytes: ContentLength, tag: ETag.replaceAll('"', '') }
    },
    unfinished: async () => {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: name }))
      return Uploads.length
    },
  }
}

export const oursToBucket = (
  {
    folder,
    url,
    program,
    path,
    environment,
  }: {
    readonly folder: string
    readonly url: string
    readonly program: string
    readonly path: string
    readonly environment: Readonly<Record<string, string>>
  },
  bucket: Bucket,
  open: string,
): Contender => {
  const fetched = join(folder, 'from-bucket.archive')
  return {
    id: 'ours-bucket',
    name: 'oslrs-backup run, to radosgw',
    start: (under = []) => {
      const [file, ...args] = [...under, program, 'run', '--json']
      const child = execa(file, args, {
        env: { ...environment, ...bucket.environment, PATH: path, DATABASE_URL: url },
        extendEnv: false,
        stdin: 'ignore',
      })
      return { pid: child.pid, ended: child }
    },
    archive: async () => {
      const [manifestKey = 'none'] = await bucket.keys('backups/manifests/2')
      await bucket.fetchTo(manifestKey, fetched)
      const manifest = JSON.parse(await readFile(fetched, 'utf8')) as Manifest
      await bucket.fetchTo(manifest.s3Key, fetched)
      return { path: fetched, storedBytes: (await stat(fetched)).size, open, manifest }
    },
    clean: async () => {
      await rm(fetched, { force: true })
      // The month's archive stays: a usual night promotes nothing.
      for (const prefix of ['backups/daily/', 'backups/manifests/2']) await bucket.empty(prefix)
    },
  }
}
