import {
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketVersioningCommand,
  GetObjectLockConfigurationCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type LifecycleRule,
  type ListMultipartUploadsCommandOutput,
} from '@aws-sdk/client-s3'
import { createHash } from 'node:crypto'
import type { ExpiryRule } from '../../domain/lifecycle.ts'
import { asObjectKey, type ObjectKey } from '../../domain/key.ts'
import { Fault } from '../../errors.ts'
import { keepingOwnFaults } from '../../pipeline/own-faults.ts'
import type { PlaceHabits, PutResult, Store, StoredObject, UnfinishedUpload } from '../../ports.ts'
import { connect, type Connection, type S3Settings } from './client.ts'
import { copy } from './copy.ts'
import { get } from './download.ts'
import { isNotFound, translate } from './errors.ts'
import { sizeAndTag } from './figures.ts'
import { abandon, put } from './upload.ts'

/** A bucket of S3, or of anything that speaks its protocol, as a store. See `Store` for the contract. */
export const s3Store = (settings: S3Settings, prefix: string): Store => {
  const on = connect(settings)
  return {
    place: { endpoint: settings.endpoint, region: settings.region, bucket: settings.bucket },
    description: `the bucket ${settings.bucket} at ${settings.endpoint}`,
    // A listing rather than a HEAD: what goes wrong is said in an answer's body, and a HEAD's answer has none.
    check: () =>
      on.asking(async () => {
        await on.client.send(new ListObjectsV2Command({ Bucket: on.bucket, Prefix: prefix, MaxKeys: 1 }))
      }),
    list: (listPrefix) => translatingEach(on, list(on, prefix, listPrefix)),
    head: (key) =>
      on.asking(async () => {
        const found = await sizeAndTag(on, key)
        return found === undefined ? undefined : { key, sizeBytes: found.sizeBytes, lastModified: found.lastModified }
      }),
    get: (key, from) => translatingEach(on, get(on, key, from?.start ?? 0)),
    put: (key, body, options) =>
      keepingOwnFaults(
        body,
        (kept) => put(on, key, kept, options),
        (thrown) => translate(thrown, on),
      ),
    prove: (key, sent) => on.asking(() => prove(on, key, sent)),
    copy: (from, to, options) => on.asking(() => copy(on, from, to, options)),
    delete: (key) =>
      on.asking(async () => {
        await on.client.send(new DeleteObjectCommand({ Bucket: on.bucket, Key: key }))
      }),
    unfinished: (listPrefix) => translatingEach(on, unfinished(on, prefix, listPrefix)),
    abandon: (upload) => on.asking(() => abandon(on, upload.key, upload.id)),
    habits: () => on.asking(() => habits(on)),
    isPublic: (key) => on.asking(() => isPublic(on, key)),
  }
}

async function* list(on: Connection, layoutPrefix: string, prefix: string): AsyncGenerator<StoredObject> {
  let next: string | undefined
  const asked = new Set<string>()
  do {
    const page = await on.client.send(
      new ListObjectsV2Command({
        Bucket: on.bucket,
        Prefix: prefix,
        ...(next === undefined ? {} : { ContinuationToken: next }),
      }),
    )
    // Whatever answers 200 to everything would otherwise look like an empty bucket.
    if (page.Name === undefined) throw noListing(on)
    for (const { Key = '', Size, LastModified } of page.Contents ?? []) {
      const key = asObjectKey({ prefix: layoutPrefix }, Key)
      if (key === undefined) continue
      // Taken for nothing and for old, it would count as damaged, and be removed.
      if (Size === undefined || LastModified === undefined) throw noListing(on)
      yield { key, sizeBytes: Size, lastModified: LastModified }
    }
    next = page.IsTruncated === true ? page.NextContinuationToken : undefined
    if (page.IsTruncated === true && (next === undefined || asked.has(next))) throw noListing(on)
    if (next !== undefined) asked.add(next)
  } while (next !== undefined)
}

/** Half a listing must not pass for a whole one: what it lacks would count as not there. */
const noListing = (on: Connection): Fault =>
  new Fault(
    'storage-failed',
    `What ${on.endpoint} answered is no listing of the bucket ${on.bucket}, or half of one.`,
    {
      hint: 'Check S3_ENDPOINT; is there a proxy before it?',
    },
  )

/**
 * The shape of an entity tag that says what the bytes are: '' for an MD5, '-3' for an MD5 of three parts' MD5s. Tags of
 * two shapes may well be of the same bytes. undefined where the tag is something else.
 */
const shapeOf = (tag: string | null | undefined): string | undefined => /^[0-9a-f]{32}(|-\d+)$/.exec(tag ?? '')?.[1]

const prove = async (on: Connection, key: ObjectKey, sent: PutResult & { readonly sha256: string }): Promise<void> => {
  const found = await sizeAndTag(on, key)
  const differs = (how: string): Fault =>
    new Fault('damaged', `${key}, as it lies at ${on.endpoint}, is not what was sent: ${how}.`, {
      hint: 'The backup does not count. It is worth trying again; if it stays, the storage is at fault.',
    })
  if (found === undefined) throw differs('it is not there')
  if (found.sizeBytes !== sent.sizeBytes)
    throw differs(`it has ${String(found.sizeBytes)} bytes instead of ${String(sent.sizeBytes)}`)
  if (!found.tagIsOpaque && found.tag === sent.etag) return
  const shape = shapeOf(found.tag)
  if (!found.tagIsOpaque && shape !== undefined && shape === shapeOf(sent.etag))
    throw differs('its entity tag is another')
  // Encrypted by the server, put together of other parts, or tagged in a way of its own: then only the bytes themselves can tell.
  const hash = createHash('sha256')
  for await (const chunk of get(on, key, 0)) hash.update(chunk)
  if (hash.digest('hex') !== sent.sha256) throw differs('read back, its SHA-256 is another')
}

async function* unfinished(on: Connection, layoutPrefix: string, prefix: string): AsyncGenerator<UnfinishedUpload> {
  let next: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | undefined = {}
  const asked = new Set<string>()
  while (next !== undefined) {
    const page: ListMultipartUploadsCommandOutput = await on.client.send(
      new ListMultipartUploadsCommand({ Bucket: on.bucket, Prefix: prefix, ...next }),
    )
    for (const { Key = '', UploadId, Initiated } of page.Uploads ?? []) {
      const key = asObjectKey({ prefix: layoutPrefix }, Key)
      // One whose age is not told may be on its way.
      if (key !== undefined && UploadId !== undefined && Initiated !== undefined && Key.startsWith(prefix))
        yield { id: UploadId, key, startedAt: Initiated }
    }
    next =
      page.IsTruncated === true
        ? {
            ...(page.NextKeyMarker === undefined ? {} : { KeyMarker: page.NextKeyMarker }),
            ...(page.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: page.NextUploadIdMarker }),
          }
        : undefined
    if (next === undefined) continue
    const marker = JSON.stringify(next)
    if (page.NextKeyMarker === undefined || asked.has(marker)) throw noListing(on)
    asked.add(marker)
  }
}

/** What may not be asked, or does not exist at this provider, is unknown. */
const unlessRefused = async <T>(ask: () => Promise<T>, otherwise: T): Promise<T | 'unknown'> => {
  try {
    return await ask()
  } catch (thrown) {
    const name = thrown instanceof Error ? thrown.name : ''
    if (
      /^(NoSuchLifecycleConfiguration|ObjectLockConfigurationNotFoundError|NoSuchObjectLockConfiguration)$/.test(name)
    )
      return otherwise
    if (isNotFound(thrown)) return otherwise
    return 'unknown'
  }
}

const habits = async (on: Connection): Promise<PlaceHabits> => {
  const bucket = { Bucket: on.bucket }
  const versioning = await unlessRefused(async () => {
    const { Status } = await on.client.send(new GetBucketVersioningCommand(bucket))
    return Status === 'Enabled' ? 'on' : 'off'
  }, 'off' as const)
  const objectLock = await unlessRefused(async () => {
    const { ObjectLockConfiguration: found } = await on.client.send(new GetObjectLockConfigurationCommand(bucket))
    return found?.ObjectLockEnabled === 'Enabled' ? 'on' : 'off'
  }, 'off' as const)
  const expiryRules = await unlessRefused(async () => {
    const { Rules } = await on.client.send(new GetBucketLifecycleConfigurationCommand(bucket))
    return (Rules ?? []).flatMap(expiryRule)
  }, [])
  return { versioning, objectLock, expiryRules }
}

const expiryRule = (rule: LifecycleRule): ExpiryRule[] => {
  const { Days, Date: fixed } = rule.Expiration ?? {}
  if (rule.Status !== 'Enabled' || (Days === undefined && fixed === undefined)) return []
  // Our objects carry no tags, so a rule for some tag is for none of them.
  if (rule.Filter?.Tag !== undefined || (rule.Filter?.And?.Tags ?? []).length > 0) return []
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- still what older rules and other providers answer with
  const prefix = rule.Filter?.Prefix ?? rule.Filter?.And?.Prefix ?? rule.Prefix ?? ''
  return [{ name: rule.ID ?? 'unnamed', prefix, afterDays: Days ?? 0 }]
}

/** Asks as a stranger would: without credentials. */
const isPublic = async (on: Connection, key: ObjectKey): Promise<boolean> => {
  const url = new URL(`${on.endpoint.replace(/\/$/, '')}/${on.bucket}/${key}`)
  const answer = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(on.settings.idleMs) })
  await answer.body?.cancel()
  return answer.ok
}

async function* translatingEach<T>(on: Connection, items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* items
  } catch (thrown) {
    throw translate(thrown, on)
  }
}
