import { randomBytes } from 'node:crypto'
import { open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeStatus, encodeStatus, newStatus, type Status } from '../domain/status.ts'
import { asFault, Fault, isErrno } from '../errors.ts'
import type { Clock, Journal } from '../ports.ts'
import type { StateFolder } from '../ports/telling.ts'

const statusName = 'status.json'
const metricsName = 'oslrs-backup.prom'
const unfinished = /^\.(status\.json|oslrs-backup\.prom)\.[0-9a-f]{12}\.unfinished$/
/** What a killed writer left is nobody's work any more. */
const abandonedAfterMs = 3_600_000

/**
 * status.json and the metrics, in a folder that must exist. `metricsOf` makes the text of the metrics from a status.
 *
 * Each file is written beside its place, flushed and renamed. Two processes that change it at once (a drill and a run, say)
 * do not undo each other's change: whoever finds another text than the one that it read begins again.
 */
export const stateFolder = (
  path: string,
  metricsOf: (status: Status) => string,
  journal: Journal,
  clock: Clock,
): StateFolder => {
  // Where nothing can be written, what one process has found out is at least known to itself.
  let remembered: Status | undefined
  let told = false
  const tell = (fault: Fault): void => {
    if (!told) journal.warn(`${fault.message} The backup does not depend on it.`, { state_dir: path })
    told = true
  }

  const readText = async (): Promise<string | undefined> => {
    try {
      return await readFile(join(path, statusName), 'utf8')
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT')) return undefined
      throw explained(path, thrown)
    }
  }
  const understood = (text: string | undefined): Status => {
    const status = text === undefined ? newStatus : decodeStatus(text)
    if (status === undefined) {
      if (!told)
        journal.warn('What was remembered cannot be read, and is begun afresh.', { file: join(path, statusName) })
      told = true
      return newStatus
    }
    return status
  }

  const write = async (name: string, text: string): Promise<void> => {
    const aside = join(path, `.${name}.${randomBytes(6).toString('hex')}.unfinished`)
    try {
      const file = await open(aside, 'wx', 0o640)
      try {
        // Whatever the umask says: the application's dashboard and the exporter read it by their group.
        await file.chmod(0o640)
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(aside, join(path, name))
    } catch (thrown) {
      await rm(aside, { force: true }).catch(() => undefined)
      throw thrown
    }
  }
  const flushNames = async (): Promise<void> => {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
  const sweep = async (): Promise<void> => {
    for (const name of (await readdir(path)).filter((entry) => unfinished.test(entry))) {
      const { mtimeMs } = await stat(join(path, name))
      if (clock.now().getTime() - mtimeMs > abandonedAfterMs) await rm(join(path, name), { force: true })
    }
  }

  return {
    path,
    read: async () => {
      try {
        return remembered ?? understood(await readText())
      } catch (thrown) {
        // A person who lists backups need not be one who may read this.
        journal.debug(asFault(thrown).message)
        return newStatus
      }
    },
    update: async (change) => {
      try {
        for (;;) {
          const before = await readText()
          const status = change(understood(before))
          if ((await readText()) !== before) continue
          await write(statusName, encodeStatus(status))
          await write(metricsName, metricsOf(status))
          await flushNames()
          await sweep()
          return status
        }
      } catch (thrown) {
        tell(explained(path, thrown))
        remembered = change(remembered ?? newStatus)
        return remembered
      }
    },
    check: async () => {
      const name = `.${statusName}.${randomBytes(6).toString('hex')}.unfinished`
      try {
        await (await open(join(path, name), 'wx', 0o640)).close()
        await rm(join(path, name))
        await readText()
      } catch (thrown) {
        throw explained(path, thrown)
      }
    },
  }
}

const explained = (path: string, thrown: unknown): Fault => {
  if (thrown instanceof Fault) return thrown
  const because = isErrno(thrown, 'ENOENT', 'ENOTDIR')
    ? 'there is no such folder'
    : isErrno(thrown, 'EACCES', 'EPERM', 'EROFS')
      ? 'this user may not write there'
      : isErrno(thrown, 'ENOSPC', 'EDQUOT')
        ? 'there is no space left'
        : undefined
  if (because === undefined) return asFault(thrown)
  return new Fault('configuration', `Nothing is remembered until the next night in ${path}: ${because}.`, {
    hint: 'Make the folder, owned by the user that backs up, or name another one in BACKUP_STATE_DIR.',
    cause: thrown,
  })
}
