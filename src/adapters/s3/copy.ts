import { CopyObjectCommand, UploadPartCopyCommand } from '@aws-sdk/client-s3'
import type { ObjectKey } from '../../domain/key.ts'
import { partSizeFor } from '../../domain/part-size.ts'
import { Fault } from '../../errors.ts'
import type { PutResult } from '../../ports.ts'
import type { Connection } from './client.ts'
import { get } from './download.ts'
import { httpStatusOf } from './errors.ts'
import { bareTag, sizeAndTag } from './figures.ts'
import { abandonQuietly, alreadyThere, begin, complete, put, tagOfParts } from './upload.ts'

const contentType = 'application/octet-stream'

/**
 * Within the bucket, where the provider can; in parts above the limit of one copy; through this machine where the provider's
 * copy fails (some answer "not implemented", or refuse what they allow as a read and a write). See `Store.copy`.
 */
export const copy = async (
  on: Connection,
  from: ObjectKey,
  to: ObjectKey,
  options: { readonly ifAbsent: boolean },
): Promise<PutResult> => {
  const source = await sizeAndTag(on, from)
  if (source === undefined) throw new Fault('no-such-backup', `There is no object ${from} at ${on.endpoint}.`)
  if (options.ifAbsent && (await sizeAndTag(on, to)) !== undefined) throw alreadyThere(to)
  try {
    if (source.sizeBytes > on.settings.copyInPartsAboveBytes) await copyInParts(on, from, to, source.sizeBytes)
    else await on.client.send(new CopyObjectCommand({ Bucket: on.bucket, Key: to, CopySource: sourceOf(on, from) }))
  } catch (thrown) {
    const status = httpStatusOf(thrown)
    if (status === undefined || status >= 500 ? status !== 501 : ![400, 403, 405].includes(status)) throw thrown
    return await put(on, to, get(on, from, 0), {
      contentType,
      expectedBytes: source.sizeBytes,
      ifAbsent: options.ifAbsent,
    })
  }
  const made = await sizeAndTag(on, to)
  if (made === undefined) throw new Fault('storage-failed', `${to} was copied, and is not there.`)
  return { sizeBytes: made.sizeBytes, etag: made.tag ?? null }
}

const sourceOf = (on: Connection, key: ObjectKey): string =>
  `${on.bucket}/${key.split('/').map(encodeURIComponent).join('/')}`

const copyInParts = async (on: Connection, from: ObjectKey, to: ObjectKey, sizeBytes: number): Promise<void> => {
  const upload = await begin(on, to, contentType)
  try {
    // Nothing of it passes through memory here, so the parts may be large.
    const partBytes = Math.min(on.settings.copyInPartsAboveBytes, Math.max(partSizeFor(sizeBytes), 512 * 1024 * 1024))
    const tags: string[] = []
    for (let start = 0; start < sizeBytes; start += partBytes) {
      const end = Math.min(start + partBytes, sizeBytes) - 1
      const { CopyPartResult } = await on.client.send(
        new UploadPartCopyCommand({
          Bucket: on.bucket,
          Key: to,
          UploadId: upload,
          PartNumber: tags.length + 1,
          CopySource: sourceOf(on, from),
          CopySourceRange: `bytes=${String(start)}-${String(end)}`,
        }),
      )
      tags.push(bareTag(CopyPartResult?.ETag) ?? '')
    }
    await complete(on, to, upload, tags, { sizeBytes, etag: tagOfParts(tags) })
  } catch (thrown) {
    await abandonQuietly(on, to, upload)
    throw thrown
  }
}
