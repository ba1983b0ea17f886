import { execa } from 'execa'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { asPostgres, serverBinaries } from './postgres.ts'

/** A folder for BACKUP_STATE_DIR that the user of a private cluster can enter, as /var/lib/oslrs-backup can be. */
export const newStateFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-state-'))
  await chmod(folder, 0o711)
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Command lines of the running processes that name the folder. */
export const processesIn = async (folder: string): Promise<string[]> => {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line.includes(folder)).map((line) => line.replaceAll('\0', ' '))
}

/** The private clusters in it, by the names of their folders. */
export const clustersIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name.startsWith('drill-'))

/** A running server in a folder of a drill's process that is no more; returns the folder's name. */
export const leftServer = async (state: string): Promise<string> => {
  const name = 'drill-4000000-1-abcdef'
  const folder = join(state, name)
  await mkdir(folder)
  await chmod(folder, 0o777)
  const data = join(folder, 'data')
  const run = async (program: string, ...args: string[]): Promise<void> => {
    await execa(...asPostgres(join(await serverBinaries(), program), args), {
      cwd: folder,
      stdin: 'ignore',
      stdout: 'ignore',
    })
  }
  await run('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync')
  const options = `-c listen_addresses='' -c unix_socket_directories=${folder}`
  await run('pg_ctl', '-D', data, '-w', '-l', join(folder, 'log'), '-o', options, 'start')
  return name
}
