import { randomBytes } from 'node:crypto'
import { link, lstat, open, rm } from 'node:fs/promises'
import { Fault, isErrno } from '../errors.ts'
import { keepingOwnFaults } from '../pipeline/own-faults.ts'
import type { Bytes } from '../ports.ts'

/**
 * Writes a new file that only its owner can read (0600), whole or not at all: beside its place first, flushed, and named
 * at the end. An existing file is never written over. Returns its size in bytes; the body's own errors are thrown as they are.
 */
export const writePrivateFile = (path: string, body: Bytes): Promise<number> =>
  keepingOwnFaults(
    body,
    async (kept) => {
      // Told before an hour of reading, and made sure of at its end.
      if ((await lstat(path).catch(() => undefined)) !== undefined) throw alreadyThere(path)
      const aside = `${path}.${randomBytes(6).toString('hex')}.unfinished`
      try {
        const sizeBytes = await writeAll(aside, kept)
        // A link, unlike a rename, fails when the name is taken.
        await link(aside, path)
        return sizeBytes
      } finally {
        await rm(aside, { force: true })
      }
    },
    (thrown) => explained(path, thrown),
  )

const alreadyThere = (path: string, cause?: unknown): Fault =>
  new Fault('refused', `There is already a file ${path}, and it is not written over.`, {
    cause,
    hint: 'Name another one, or remove it.',
  })

const writeAll = async (path: string, body: Bytes): Promise<number> => {
  const file = await open(path, 'wx', 0o600)
  try {
    let position = 0
    for await (const chunk of body) {
      for (let done = 0; done < chunk.byteLength;)
        done += (await file.write(chunk, done, chunk.byteLength - done, position + done)).bytesWritten
      position += chunk.byteLength
    }
    await file.sync()
    return position
  } finally {
    await file.close()
  }
}

const explained = (path: string, thrown: unknown): unknown => {
  const more = { cause: thrown }
  if (isErrno(thrown, 'EEXIST')) return alreadyThere(path, thrown)
  if (isErrno(thrown, 'ENOENT', 'ENOTDIR'))
    return new Fault('usage', `The folder of ${path} does not exist.`, {
      ...more,
      hint: 'Name a file in a folder that does.',
    })
  if (isErrno(thrown, 'EACCES', 'EPERM', 'EROFS', 'EISDIR'))
    return new Fault('rights', `The file ${path} cannot be written there.`, { ...more, hint: 'Name another place.' })
  if (isErrno(thrown, 'ENOSPC', 'EDQUOT', 'EFBIG'))
    return new Fault('storage-failed', `There is no space left for ${path}.`, {
      ...more,
      hint: 'Make room, or name another disk.',
    })
  return thrown
}
