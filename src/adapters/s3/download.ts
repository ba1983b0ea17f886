import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { ObjectKey } from '../../domain/key.ts'
import { Fault } from '../../errors.ts'
import type { Connection } from './client.ts'
import { httpStatusOf, isNotFound, isTimeout, translate } from './errors.ts'
import { bareTag } from './figures.ts'

/** Attempts to go on, each without a byte gained, before a download is given up. */
const attemptsWithoutProgress = 5

/** What the first answer said the object is; what every later one must agree with. */
interface Whole {
  readonly tag: string | undefined
  readonly endBytes: number
}

/**
 * The object's bytes from `start` on. When the connection is cut or stalls, it goes on where it was, with Range and
 * If-Match, so that the caller's digests run on over one and the same object. See `Store.get`.
 */
export async function* get(on: Connection, key: ObjectKey, start: number): AsyncGenerator<Uint8Array> {
  let position = start
  let whole: Whole | undefined
  for (let failures = 0; ;) {
    const before = position
    try {
      const answer = await open(on, key, position, whole?.tag)
      if (answer === 'at its end') {
        if (position < (whole?.endBytes ?? position)) throw replaced(key)
        return
      }
      const { beginBytes, ...found } = figuresOf(on, key, answer)
      whole ??= found
      // Not every server knows If-Match.
      if (found.tag !== whole.tag || found.endBytes !== whole.endBytes) throw replaced(key)
      if (beginBytes > position) throw notAsAsked(on, key)
      if (!(answer.Body instanceof Readable)) throw new TypeError('the body of an answer is no stream')
      const { endBytes } = whole
      // Nor does every server, nor every proxy before it, know Range: what is had already is passed over.
      let surplus = position - beginBytes
      for await (const chunk of withoutStall(answer.Body, on.settings.idleMs)) {
        const fresh = chunk.subarray(surplus)
        surplus -= chunk.byteLength - fresh.byteLength
        position += fresh.byteLength
        if (position > endBytes)
          throw new Fault('damaged', `The storage at ${on.endpoint} sent more of ${key} than it has.`)
        if (fresh.byteLength > 0) yield fresh
      }
      if (position >= endBytes) return
      throw Object.assign(new Error('the answer ended before its end'), { code: 'ECONNRESET' })
    } catch (thrown) {
      if (thrown instanceof Fault || isFinal(thrown)) throw explained(on, key, thrown)
      failures = position > before ? 1 : failures + 1
      if (failures >= attemptsWithoutProgress) throw thrown
      await pause(100 * 2 ** failures)
    }
  }
}

/** Which bytes an answer holds, and of what. */
const figuresOf = (
  on: Connection,
  key: ObjectKey,
  { ETag, ContentLength, ContentRange }: GetObjectCommandOutput,
): Whole & { readonly beginBytes: number } => {
  const beginBytes = ContentRange === undefined ? 0 : Number(/^bytes (\d+)-/.exec(ContentRange)?.[1])
  if (Number.isNaN(beginBytes)) throw notAsAsked(on, key)
  if (ContentLength === undefined)
    throw new Fault('storage-failed', `The storage at ${on.endpoint} did not say how long ${key} is.`)
  return { tag: bareTag(ETag), beginBytes, endBytes: beginBytes + ContentLength }
}

const replaced = (key: ObjectKey): Fault => new Fault('storage-failed', `${key} was replaced while it was being read.`)

const notAsAsked = (on: Connection, key: ObjectKey): Fault =>
  new Fault('storage-failed', `The storage at ${on.endpoint} sent another part of ${key} than it was asked for.`)

/** What another attempt would only meet again: the SDK has retried outages and throttling already. */
const isFinal = (thrown: unknown): boolean => {
  const status = httpStatusOf(thrown)
  return status !== undefined && status >= 300
}

const explained = (on: Connection, key: ObjectKey, thrown: unknown): unknown => {
  if (isNotFound(thrown)) return new Fault('no-such-backup', `There is no object ${key} at ${on.endpoint}.`)
  if (httpStatusOf(thrown) === 412) return replaced(key)
  return thrown
}

const open = async (
  on: Connection,
  key: ObjectKey,
  position: number,
  tag: string | undefined,
): Promise<GetObjectCommandOutput | 'at its end'> => {
  try {
    return await on.client.send(
      new GetObjectCommand({
        Bucket: on.bucket,
        Key: key,
        ...(position > 0 ? { Range: `bytes=${String(position)}-` } : {}),
        ...(tag === undefined ? {} : { IfMatch: `"${tag}"` }),
      }),
    )
  } catch (thrown) {
    if (httpStatusOf(thrown) === 416 && position > 0) return 'at its end'
    // The SDK has waited for an answer several times by now; five times as long would be a hang.
    throw isTimeout(thrown) ? translate(thrown, on) : thrown
  }
}

/** A body's chunks; a body that is silent for `idleMs` while somebody waits for it throws. */
async function* withoutStall(body: Readable, idleMs: number): AsyncGenerator<Uint8Array> {
  let timer: NodeJS.Timeout | undefined
  const watch = (): void => {
    timer = setTimeout(() => {
      body.destroy(Object.assign(new Error('the answer stalled'), { name: 'TimeoutError' }))
    }, idleMs)
  }
  try {
    watch()
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer)
      yield chunk
      watch()
    }
  } finally {
    clearTimeout(timer)
    body.destroy()
  }
}
