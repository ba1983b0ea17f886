import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, link, lstat, mkdir, open, opendir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { asObjectKey, type ObjectKey } from '../domain/key.ts'
import { Fault, isErrno } from '../errors.ts'
import { translate } from './directory-errors.ts'
import { DigestMeter } from '../pipeline/digest-meter.ts'
import { keepingOwnFaults } from '../pipeline/own-faults.ts'
import type { Bytes, PutOptions, PutResult, Store, StoredObject, UnfinishedUpload } from '../ports.ts'

/** An unfinished object lies beside its place under this name until it is whole. Such names parse as no key. */
const unfinishedName = /^\.(.+)\.[0-9a-f]{12}\.unfinished$/

const readBytes = 256 * 1024

/**
 * Written to the disk while the rest is still being made, so that the end need not wait for all of it. Little at a time, for
 * behind each flush a server on the same disk waits with its own, and its application with it (bench's README).
 */
const flushedBytes = 1024 * 1024

/**
 * A folder as a store, in the layout of the bucket. An object appears under its name only when it is whole and on the
 * disk: written aside, flushed, renamed, and the folder flushed. Folders are 0700 and files 0600. Links are not followed.
 *
 * The folder itself must exist: where a disk is not mounted, a folder made by us would only hide that.
 */
export const directoryStore = (root: string, prefix: string): Store => {
  const pathOf = (key: ObjectKey): string => join(root, key)

  const writeAside = async (key: ObjectKey, body: Bytes): Promise<{ path: string; sizeBytes: number }> => {
    const folder = dirname(pathOf(key))
    // Not made by us: where a disk is not mounted, a new folder would only hide that.
    await stat(root)
    await makeFolders(root, folder)
    const path = join(folder, `.${key.slice(key.lastIndexOf('/') + 1)}.${randomBytes(6).toString('hex')}.unfinished`)
    try {
      const file = await open(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o600,
      )
      try {
        const sizeBytes = await writeAll(file, body)
        await file.sync()
        return { path, sizeBytes }
      } finally {
        await file.close()
      }
    } catch (thrown) {
      await rm(path, { force: true })
      throw thrown
    }
  }

  const settle = async (aside: string, key: ObjectKey, ifAbsent: boolean): Promise<void> => {
    const path = pathOf(key)
    if (ifAbsent) {
      // A link, unlike a rename, fails when the name is taken.
      await link(aside, path).catch((thrown: unknown) => {
        throw isErrno(thrown, 'EEXIST') ? alreadyThere(key) : thrown
      })
      await rm(aside)
    } else await rename(aside, path)
    await syncFolder(dirname(path))
  }

  const put = async (key: ObjectKey, body: Bytes, options: PutOptions): Promise<PutResult> => {
    await refuseLinks(root, dirname(pathOf(key)))
    if (options.ifAbsent && (await exists(pathOf(key)))) throw alreadyThere(key)
    const aside = await writeAside(key, body)
    try {
      await settle(aside.path, key, options.ifAbsent)
    } catch (thrown) {
      await rm(aside.path, { force: true })
      throw thrown
    }
    return { sizeBytes: aside.sizeBytes, etag: null }
  }

  const opened = (key: ObjectKey): Promise<FileHandle> =>
    open(pathOf(key), constants.O_RDONLY | constants.O_NOFOLLOW).catch((thrown: unknown) => {
      throw isErrno(thrown, 'ENOENT', 'ENOTDIR') ? new Fault('no-such-backup', `There is no object ${key}.`) : thrown
    })

  async function* get(key: ObjectKey, start: number): AsyncGenerator<Uint8Array> {
    const file = await opened(key)
    try {
      const read = (position: number) => file.read(Buffer.allocUnsafe(readBytes), 0, readBytes, position)
      let position = start
      let reading = read(position)
      for (;;) {
        const { bytesRead, buffer } = await reading
        if (bytesRead === 0) return
        position += bytesRead
        // The next is read while this one is looked at.
        reading = read(position)
        reading.catch(() => undefined)
        yield buffer.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }

  return {
    place: { endpoint: pathToFileURL(root).href, region: null, bucket: null },
    description: `the folder ${root}`,
    check: (use) =>
      translating(root, async () => {
        if (!(await stat(root)).isDirectory())
          throw new Fault('configuration', `BACKUP_STORE_DIR is not a folder: ${root}`)
        await access(root, constants.R_OK | constants.X_OK | (use === 'write' ? constants.W_OK : 0))
      }),
    list: (listPrefix) => translatingEach(root, walk(root, prefix, listPrefix)),
    head: (key) => translating(root, () => describeFile(pathOf(key), key)),
    get: (key, from) => translatingEach(root, get(key, from?.start ?? 0)),
    put: (key, body, options) =>
      keepingOwnFaults(
        body,
        (kept) => put(key, kept, options),
        (thrown) => translate(root, thrown),
      ),
    prove: (key, sent) =>
      translating(root, async () => {
        const file = await opened(key)
        const found = await digestOf(file).finally(() => file.close())
        if (found.sizeBytes !== sent.sizeBytes || found.sha256 !== sent.sha256)
          throw new Fault(
            'damaged',
            `Read back, ${key} is not what was written: the disk or its file system is at fault.`,
            {
              hint: `Check the disk that holds ${root}.`,
            },
          )
      }),
    copy: (from, to, options) =>
      translating(root, () => put(to, get(from, 0), { contentType: '', expectedBytes: 0, ...options })),
    delete: (key) =>
      translating(root, async () => {
        await rm(pathOf(key), { force: true })
        await syncFolder(dirname(pathOf(key))).catch((thrown: unknown) => {
          if (!isErrno(thrown, 'ENOENT')) throw thrown
        })
      }),
    unfinished: (listPrefix) => translatingEach(root, unfinished(root, prefix, listPrefix)),
    abandon: (upload) => translating(root, () => rm(upload.id, { force: true })),
    habits: () => Promise.resolve({ versioning: 'off', objectLock: 'off', expiryRules: [] }),
    // Its folders are 0700 by our own doing, so only the file's own mode and the root's are left to ask.
    isPublic: (key) =>
      translating(
        root,
        async () => ((await stat(root)).mode & 0o005) !== 0 && ((await stat(pathOf(key))).mode & 0o004) !== 0,
      ),
  }
}

const alreadyThere = (key: ObjectKey): Fault =>
  new Fault('refused', `There is already an object ${key}, and it is not written over.`, {
    hint: 'See what there is: oslrs-backup list',
  })

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/** Through one buffer: nobody keeps what was read. */
const digestOf = async (file: FileHandle): Promise<ReturnType<DigestMeter['end']>> => {
  const meter = new DigestMeter()
  const buffer = Buffer.allocUnsafeSlow(readBytes)
  for (;;) {
    const { bytesRead } = await file.read(buffer)
    if (bytesRead === 0) return meter.end()
    meter.update(buffer.subarray(0, bytesRead))
  }
}

const writeAll = async (file: FileHandle, body: Bytes): Promise<number> => {
  let position = 0
  let flushing = Promise.resolve()
  let flushedTo = 0
  for await (const chunk of body) {
    let done = 0
    while (done < chunk.byteLength) {
      const { bytesWritten } = await file.write(chunk, done, chunk.byteLength - done, position)
      done += bytesWritten
      position += bytesWritten
    }
    if (position - flushedTo >= flushedBytes) {
      // One at a time: a disk that cannot keep up holds the writing up, and no more than this is left to the end.
      await flushing
      flushing = file.datasync()
      flushing.catch(() => undefined)
      flushedTo = position
    }
  }
  await flushing
  return position
}

/** Below the root, which is never made. One after another: of a read-only disk, mkdir says ENOENT where it is to make all at once. */
const makeFolders = async (root: string, folder: string): Promise<void> => {
  const missing: string[] = []
  for (let at = folder; at.length > root.length && !(await isThere(at)); at = dirname(at)) missing.unshift(at)
  if (missing.length === 0) return
  for (const one of missing)
    await mkdir(one, { mode: 0o700 }).catch((thrown: unknown) => {
      // Somebody else has just made it.
      if (!isErrno(thrown, 'EEXIST')) throw thrown
    })
  // New folders must survive a power cut as the files in them do.
  for (let at = folder; at.length >= root.length; at = dirname(at)) await syncFolder(at)
}

/** What lies behind a link is not listed, so it must not be written there either: a backup would be made and never be found. */
const refuseLinks = async (root: string, folder: string): Promise<void> => {
  for (let at = folder; at.length > root.length; at = dirname(at)) {
    const found = await lstat(at).catch((thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT', 'ENOTDIR')) return undefined
      throw thrown
    })
    if (found?.isSymbolicLink() === true)
      throw new Fault('configuration', `${at} is a link, and links in the store are not followed.`, {
        hint: 'Put the folder itself there, or mount the disk there; BACKUP_STORE_DIR itself may be a link.',
      })
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    (thrown: unknown) => {
      if (isErrno(thrown, 'ENOENT')) return false
      throw thrown
    },
  )

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const describeFile = async (path: string, key: ObjectKey): Promise<StoredObject | undefined> => {
  try {
    const found = await lstat(path)
    return found.isFile() ? { key, sizeBytes: found.size, lastModified: found.mtime } : undefined
  } catch (thrown) {
    if (isErrno(thrown, 'ENOENT', 'ENOTDIR')) return undefined
    throw thrown
  }
}

/** An unmounted disk is no empty store: stat throws, and it is told. */
async function* filesIn(root: string, prefix: string): AsyncGenerator<string> {
  await stat(root)
  yield* files(join(root, prefix.slice(0, prefix.lastIndexOf('/') + 1)))
}

async function* files(folder: string): AsyncGenerator<string> {
  const entries = await opendir(folder).catch((thrown: unknown) => {
    if (isErrno(thrown, 'ENOENT', 'ENOTDIR')) return []
    throw thrown
  })
  for await (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* files(path)
    else if (entry.isFile()) yield path
  }
}

async function* walk(root: string, layoutPrefix: string, prefix: string): AsyncGenerator<StoredObject> {
  for await (const path of filesIn(root, prefix)) {
    const text = path.slice(root.endsWith('/') ? root.length : root.length + 1)
    // Foreign files are nobody's objects here: they are not even listed.
    const key = text.startsWith(prefix) ? asObjectKey({ prefix: layoutPrefix }, text) : undefined
    const object = key === undefined ? undefined : await describeFile(path, key)
    if (object !== undefined) yield object
  }
}

async function* unfinished(root: string, layoutPrefix: string, prefix: string): AsyncGenerator<UnfinishedUpload> {
  for await (const path of filesIn(root, prefix)) {
    const name = unfinishedName.exec(path.slice(path.lastIndexOf('/') + 1))?.[1]
    if (name === undefined) continue
    const key = asObjectKey(
      { prefix: layoutPrefix },
      join(dirname(path), name).slice(root.endsWith('/') ? root.length : root.length + 1),
    )
    const found = await lstat(path).catch(() => undefined)
    if (key?.startsWith(prefix) === true && found !== undefined) yield { id: path, key, startedAt: found.mtime }
  }
}

const translating = async <T>(root: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (thrown) {
    throw translate(root, thrown)
  }
}

async function* translatingEach<T>(root: string, items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* items
  } catch (thrown) {
    throw translate(root, thrown)
  }
}
