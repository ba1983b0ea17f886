import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { ObjectKey } from '../../domain/key.ts'
import { Fault } from '../../errors.ts'
import type { Connection } from './client.ts'
import { httpStatusOf, isNotFound } from './errors.ts'
import { bareTag } from './upload.ts'

/** Attempts to go on, each without a byte gained, before a download is given up. */
const attemptsWithoutProgress = 5

/**
 * The object's bytes from `start` on. When the connection is cut or stalls, it goes on where it was, with Range and
 * If-Match, so that the caller's digests run on over one and the same object. See `Store.get`.
 */
export async function* get(on: Connection, key: ObjectKey, start: number): AsyncGenerator<Uint8Array> {
  let position = start
  let whole: { readonly tag: string | undefined; readonly endBytes: number } | undefined
  for (let failures = 0; ;) {
    const before = position
    try {
      const answer = await open(on, key, position, whole?.tag)
      if (answer === 'at its end') return
      whole ??= { tag: bareTag(answer.ETag), endBytes: position + (answer.ContentLength ?? 0) }
      if (!(answer.Body instanceof Readable)) throw new TypeError('the body of an answer is no stream')
      const { endBytes } = whole
      for await (const chunk of withoutStall(answer.Body, on.settings.idleMs)) {
        position += chunk.byteLength
        if (position > endBytes)
          throw new Fault('damaged', `The storage at ${on.endpoint} sent more of ${key} than it has.`)
        yield chunk
      }
      if (position === endBytes) return
      throw new Error('the answer ended before its end')
    } catch (thrown) {
      if (thrown instanceof Fault || isFinal(thrown)) throw explained(on, key, thrown)
      failures = position > before ? 1 : failures + 1
      if (failures >= attemptsWithoutProgress) throw thrown
      await pause(100 * 2 ** failures)
    }
  }
}

/** What another attempt would only meet again: the SDK has retried outages and throttling already. */
const isFinal = (thrown: unknown): boolean => {
  const status = httpStatusOf(thrown)
  return status !== undefined && status >= 300
}

const explained = (on: Connection, key: ObjectKey, thrown: unknown): unknown => {
  if (isNotFound(thrown)) return new Fault('no-such-backup', `There is no object ${key} at ${on.endpoint}.`)
  if (httpStatusOf(thrown) === 412) return new Fault('storage-failed', `${key} was replaced while it was being read.`)
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
    throw thrown
  }
}

/** A body's chunks; a body that is silent for `idleMs` while somebody waits for it throws. */
async function* withoutStall(body: Readable, idleMs: number): AsyncGenerator<Uint8Array> {
  let timer: NodeJS.Timeout | undefined
  const watch = (): void => {
    timer = setTimeout(() => body.destroy(new Error('the answer stalled')), idleMs)
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
