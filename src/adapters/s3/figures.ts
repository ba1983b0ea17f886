import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { ObjectKey } from '../../domain/key.ts'
import type { PutResult } from '../../ports.ts'
import type { Connection } from './client.ts'
import { isNotFound } from './errors.ts'

/** Entity tag without its quotes, as the manifest states it. */
export const bareTag = (tag: string | undefined): string | undefined => tag?.replaceAll('"', '')

/** What the store says of an object without sending it. */
export interface HeadFigures {
  readonly sizeBytes: number
  readonly tag: string | undefined
  readonly lastModified: Date
  /** Encrypted by the server with a key that makes the tag something else than an MD5. */
  readonly tagIsOpaque: boolean
}

export const sizeAndTag = async (on: Connection, key: ObjectKey): Promise<HeadFigures | undefined> => {
  try {
    const head = await on.client.send(new HeadObjectCommand({ Bucket: on.bucket, Key: key }))
    return {
      sizeBytes: head.ContentLength ?? 0,
      tag: bareTag(head.ETag),
      lastModified: head.LastModified ?? new Date(0),
      tagIsOpaque: head.ServerSideEncryption?.startsWith('aws:kms') === true || head.SSECustomerAlgorithm !== undefined,
    }
  } catch (thrown) {
    if (isNotFound(thrown)) return undefined
    throw thrown
  }
}

/** Whether these bytes lie there; false also where that cannot be found out. */
export const isStored = async (on: Connection, key: ObjectKey, sent: PutResult): Promise<boolean> => {
  const found = await sizeAndTag(on, key).catch(() => undefined)
  return found?.sizeBytes === sent.sizeBytes && found.tag === sent.etag
}
