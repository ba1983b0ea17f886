import {
  CreateBucketCommand,
  DeleteObjectsCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
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
  /** Removes everything in it. */
  readonly empty: () => Promise<void>
  /** Fetches an object with curl, which signs its requests itself. */
  readonly fetchTo: (key: string, file: string) => Promise<void>
  readonly keys: (prefix: string) => Promise<readonly string[]>
  /** What HEAD says of it. */
  readonly head: (key: string) => Promise<{ readonly sizeBytes: number; readonly tag: string }>
  /** How many uploads were begun and not ended. */
  readonly unfinished: () => Promise<number>
}

const name = 'bench'

export const openBucket = async ({ endpoint, region, accessKey, secretKey }: Radosgw): Promise<Bucket> => {
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials })
  await client.send(new CreateBucketCommand({ Bucket: name }))
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
    empty: async () => {
      const there = await keys('')
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
      const [manifestKey = 'none'] = await bucket.keys('backups/manifests/')
      await bucket.fetchTo(manifestKey, fetched)
      const manifest = JSON.parse(await readFile(fetched, 'utf8')) as Manifest
      await bucket.fetchTo(manifest.s3Key, fetched)
      return { path: fetched, storedBytes: (await stat(fetched)).size, open, manifest }
    },
    clean: async () => {
      await rm(fetched, { force: true })
      await bucket.empty()
    },
  }
}
