import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import type { ObjectKey } from '../../domain/key.ts'
import { maxParts, partSizeFor } from '../../domain/part-size.ts'
import { Fault } from '../../errors.ts'
import type { Bytes, PutOptions, PutResult } from '../../ports.ts'
import type { Connection } from './client.ts'
import { get } from './download.ts'
import { httpStatusOf, isNotFound } from './errors.ts'
import { isStored, sizeAndTag } from './figures.ts'

/** Parts on their way at once. While there are so many none is filled, and what was sent is filled again: no more are ever in memory. */
const partsInFlight = 2

export const alreadyThere = (key: ObjectKey): Fault =>
  new Fault('refused', `There is already an object ${key}, and it is not written over.`, {
    hint: 'See what there is: oslrs-backup list',
  })

/** See `Store.put`. A small object goes in one request, a large one in parts; each with its MD5, which the server checks. */
export const put = async (on: Connection, key: ObjectKey, body: Bytes, options: PutOptions): Promise<PutResult> => {
  if (options.ifAbsent && (await sizeAndTag(on, key)) !== undefined) throw alreadyThere(key)
  const free: Buffer[] = []
  const slices = sliced(body, partSizeFor(options.expectedBytes), free)
  try {
    const first = await slices.next()
    if (first.done === true) return await putWhole(on, key, Buffer.alloc(0), options)
    const second = await slices.next()
    if (second.done === true) return await putWhole(on, key, first.value, options)
    return await putInParts(on, key, rejoined([first.value, second.value], slices), free, options)
  } finally {
    await slices.return(undefined)
  }
}

async function* rejoined(taken: readonly Buffer[], rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield* taken
  yield* rest
}

/**
 * The body in pieces of exactly `sliceBytes`, the last one shorter. A piece that was sent is `free` to be filled again: new
 * ones would be garbage of 8 MiB each, and lie about until they are collected.
 */
async function* sliced(body: Bytes, sliceBytes: number, free: Buffer[]): AsyncGenerator<Buffer, undefined> {
  const another = (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(sliceBytes)
  let slice = another()
  let filled = 0
  for await (const chunk of body) {
    for (let at = 0; at < chunk.byteLength;) {
      const taken = Math.min(chunk.byteLength - at, sliceBytes - filled)
      slice.set(chunk.subarray(at, at + taken), filled)
      at += taken
      filled += taken
      if (filled === sliceBytes) {
        yield slice
        slice = another()
        filled = 0
      }
    }
  }
  if (filled > 0) yield slice.subarray(0, filled)
  return undefined
}

const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()

const putWhole = async (on: Connection, key: ObjectKey, bytes: Buffer, options: PutOptions): Promise<PutResult> => {
  const digest = md5(bytes)
  const sent = { sizeBytes: bytes.length, etag: digest.toString('hex') }
  try {
    await on.client.send(
      new PutObjectCommand({
        Bucket: on.bucket,
        Key: key,
        Body: bytes,
        ContentLength: bytes.length,
        ContentMD5: digest.toString('base64'),
        ContentType: options.contentType,
        ...(options.ifAbsent ? { IfNoneMatch: '*' } : {}),
      }),
    )
  } catch (thrown) {
    // The answer to an earlier attempt may have been lost, and this one refused because that one had succeeded.
    if (await isStored(on, key, sent)) return sent
    if (httpStatusOf(thrown) !== 412) throw thrown
    // Where the provider encrypts, only the bytes can tell whose it is.
    if (!(await holds(on, key, digest))) throw alreadyThere(key)
  }
  return sent
}

const holds = async (on: Connection, key: ObjectKey, digest: Buffer): Promise<boolean> => {
  const found = createHash('md5')
  for await (const chunk of get(on, key, 0)) found.update(chunk)
  return found.digest().equals(digest)
}

/** As S3 makes it of the MD5s of the parts. */
export const tagOfParts = (tags: readonly string[]): string =>
  `${md5(Buffer.from(tags.join(''), 'hex')).toString('hex')}-${String(tags.length)}`

const putInParts = async (
  on: Connection,
  key: ObjectKey,
  slices: AsyncIterable<Buffer>,
  free: Buffer[],
  options: PutOptions,
): Promise<PutResult> => {
  const upload = await begin(on, key, options.contentType)
  const requests = new AbortController()
  try {
    const { digests, sizeBytes } = await sendParts(on, key, upload, slices, free, requests)
    const tags = digests.map((digest) => digest.toString('hex'))
    const sent = { sizeBytes, etag: tagOfParts(tags) }
    if (options.ifAbsent && (await sizeAndTag(on, key)) !== undefined) throw alreadyThere(key)
    await complete(on, key, upload, tags, sent)
    return sent
  } catch (thrown) {
    await abandonQuietly(on, key, upload)
    throw thrown
  }
}

export const begin = async (on: Connection, key: ObjectKey, contentType: string): Promise<string> => {
  const { UploadId } = await on.client.send(
    new CreateMultipartUploadCommand({ Bucket: on.bucket, Key: key, ContentType: contentType }),
  )
  if (UploadId === undefined)
    throw new Fault('storage-failed', `The storage at ${on.endpoint} began an upload without a name for it.`)
  return UploadId
}

const sendParts = async (
  on: Connection,
  key: ObjectKey,
  upload: string,
  slices: AsyncIterable<Buffer>,
  free: Buffer[],
  requests: AbortController,
): Promise<{ digests: Buffer[]; sizeBytes: number }> => {
  const digests: Buffer[] = []
  const inFlight = new Set<Promise<void>>()
  const state: { sizeBytes: number; failed?: { readonly thrown: unknown } } = { sizeBytes: 0 }
  const send = async (bytes: Buffer, number: number): Promise<void> => {
    const digest = md5(bytes)
    digests[number - 1] = digest
    await on.client.send(
      new UploadPartCommand({
        Bucket: on.bucket,
        Key: key,
        UploadId: upload,
        PartNumber: number,
        Body: bytes,
        ContentLength: bytes.length,
        ContentMD5: digest.toString('base64'),
      }),
      { abortSignal: requests.signal },
    )
    free.push(bytes)
  }
  try {
    let number = 0
    for await (const slice of slices) {
      if (state.failed !== undefined) break
      number += 1
      if (number > maxParts)
        throw new Fault('storage-failed', 'The backup is far larger than its database: it does not fit 10,000 parts.')
      state.sizeBytes += slice.length
      const sending = send(slice, number)
        .catch((thrown: unknown) => {
          state.failed ??= { thrown }
        })
        .finally(() => inFlight.delete(sending))
      inFlight.add(sending)
      if (inFlight.size >= partsInFlight) await Promise.race(inFlight)
    }
    await Promise.all(inFlight)
    if (state.failed !== undefined) throw state.failed.thrown
    return { digests, sizeBytes: state.sizeBytes }
  } catch (thrown) {
    // A part that arrives after the upload was abandoned would stay for ever, so all are ended first.
    requests.abort()
    await Promise.allSettled(inFlight)
    throw thrown
  }
}

export const complete = async (
  on: Connection,
  key: ObjectKey,
  upload: string,
  tags: readonly string[],
  sent: PutResult,
): Promise<void> => {
  try {
    const { ETag } = await on.client.send(
      new CompleteMultipartUploadCommand({
        Bucket: on.bucket,
        Key: key,
        UploadId: upload,
        MultipartUpload: { Parts: tags.map((tag, index) => ({ PartNumber: index + 1, ETag: `"${tag}"` })) },
      }),
    )
    // 200 is sent before the work is done, and an error may follow it in a form that the SDK does not know.
    if (ETag === undefined)
      throw new Fault('storage-failed', `The storage at ${on.endpoint} did not say that ${key} is complete.`)
  } catch (thrown) {
    // Its answer may have been lost: then the upload is gone because the object is there.
    if (!(await isStored(on, key, sent))) throw thrown
  }
}

/** Removes an unfinished upload; no error when there is none. */
export const abandon = async (
  on: Connection,
  key: ObjectKey,
  upload: string,
  until: { readonly abortSignal?: AbortSignal } = {},
): Promise<void> => {
  try {
    await on.client.send(new AbortMultipartUploadCommand({ Bucket: on.bucket, Key: key, UploadId: upload }), until)
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown
  }
}

/**
 * After a fault, which is the one to tell; somebody may be waiting for our end, so it is not tried for long. What stays
 * behind is found by `unfinished`, and swept by its age.
 */
export const abandonQuietly = (on: Connection, key: ObjectKey, upload: string): Promise<void> => {
  const abortSignal = AbortSignal.timeout(Math.min(on.settings.idleMs, 10_000))
  return abandon(on, key, upload, { abortSignal }).catch(() => undefined)
}
