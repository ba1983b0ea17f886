import { randomBytes } from 'node:crypto'
import { readdir, readFile, readlink, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Fault } from '../../errors.ts'
import { outputOf, type ProgramCall } from '../../pipeline/program.ts'
import type { Journal } from '../../ports.ts'

/**
 * Folders of private clusters bear the name of the process that made them: its id, and when it was started (in the
 * kernel's ticks, proc(5)), for ids are used again. So a killed drill's folder is told from a running one's.
 */
const pattern = /^drill-(\d+)-(\d+)-[0-9a-f]{6}$/

export const newFolderName = async (): Promise<string> => {
  const pid = await readlink('/proc/self')
  return `drill-${pid}-${(await startOf(pid)) ?? '0'}-${randomBytes(3).toString('hex')}`
}

/** undefined: there is no such process. */
const startOf = async (pid: string): Promise<string | undefined> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The second field is the program's name, which may hold anything; the 22nd is the start.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

/** Removes what killed drills have left in the state folder. Their servers died with them, or are ended here. */
export const sweepFolders = async (
  stateFolder: string,
  environment: ProgramCall['environment'],
  journal: Journal,
): Promise<void> => {
  for (const name of await readdir(stateFolder)) {
    const [, pid = '', start] = pattern.exec(name) ?? []
    if (start === undefined || (await startOf(pid)) === start) continue
    await endServerOf(join(stateFolder, name), environment)
    await rm(join(stateFolder, name), { recursive: true, force: true })
    journal.info(`Removed the private cluster ${name}, which a killed drill had left.`)
  }
}

const endsWithinMs = 10_000

/** The first line of postmaster.pid is the server's process; whose it is now, its command line says. */
const endServerOf = async (folder: string, environment: ProgramCall['environment']): Promise<void> => {
  const [pid = ''] = (await readFile(join(folder, 'data/postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const isAlive = async (): Promise<boolean> =>
    /^\d+$/.test(pid) && (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(folder)
  if (!(await isAlive())) return
  await outputOf(
    { file: 'kill', args: ['-QUIT', pid], environment },
    undefined,
    () => new Fault('program-failed', `The server of a killed drill, process ${pid}, cannot be ended.`),
  )
  for (let waitedMs = 0; waitedMs < endsWithinMs && (await isAlive()); waitedMs += 50) await pause(50)
}
