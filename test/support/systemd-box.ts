import { execa } from 'execa'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/** Boxes with a really booted systemd, by test/support/systemd-box.sh. They end with the process that starts them. */

const script = join(import.meta.dirname, 'systemd-box.sh')
const repository = join(import.meta.dirname, '../..')
/** Where the repository is seen in each box, read-only. */
export const checkout = '/srv/checkout'

/** What boxes write to: a tmpfs in a mount namespace of its own. */
export interface Rack {
  readonly folder: string
  /** A process in the namespace. */
  readonly pid: number
}

export interface Ended {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export interface Box {
  /** Runs a script of bash as root inside. */
  run(script: string): Promise<Ended>
  /** The same; throws when it fails, and returns what it printed. */
  do(script: string): Promise<string>
  /** A pulled plug. What was written stays, for another boot of the same name. */
  stop(): Promise<void>
}

/** Why no box can be had here; undefined: one can. */
export const whyNoBoxes = async (): Promise<string | undefined> => {
  if (process.getuid?.() !== 0) return 'only root can boot a systemd'
  if (!existsSync('/lib/systemd/systemd')) return 'systemd is not installed'
  const tried = await execa(
    'unshare',
    [
      '--mount',
      '--net',
      '--cgroup',
      '--pid',
      '--fork',
      'sh',
      '-c',
      'mount -t cgroup2 cgroup2 /mnt && mount -t tmpfs x /mnt',
    ],
    { reject: false },
  )
  return tried.exitCode === 0 ? undefined : `the kernel or missing privileges forbid it: ${tried.stderr.slice(0, 200)}`
}

export const startRack = async (): Promise<Rack & { readonly stop: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-box-'))
  const holder = spawn(script, ['rack', folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  return {
    folder,
    pid: holder.pid ?? 0,
    stop: async () => {
      const gone = once(holder, 'exit')
      holder.stdin.end()
      await gone
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The layers of a box that has been stopped, for another one to begin with. */
export const layersOf = (rack: Rack, name: string): string => `${join(rack.folder, name, 'upper')}:/`

export const bootBox = async (rack: Rack, name: string, layers = '/'): Promise<Box> => {
  const child = spawn(
    'nsenter',
    ['-t', String(rack.pid), '-m', script, 'boot', rack.folder, name, layers, `${repository}:${checkout}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const said: string[] = []
  child.stderr.on('data', (text: Buffer) => said.push(text.toString()))
  const leader = await firstProcess(child).catch((thrown: unknown) => {
    throw new Error(`The box ${name} was not booted: ${said.join('')}`, { cause: thrown })
  })
  const run: Box['run'] = async (text) => {
    const inside = ['-t', String(leader), '-m', '-u', '-i', '-n', '-p', '-C', 'env', '-i', ...environment]
    const { exitCode, stdout, stderr } = await execa('nsenter', [...inside, 'bash', '-c', text], {
      reject: false,
      stdin: 'ignore',
    })
    return { exitCode, stdout, stderr }
  }
  const box: Box = {
    run,
    do: async (text) => {
      const ended = await run(text)
      if (ended.exitCode === 0) return ended.stdout
      throw new Error(`In the box ${name}: ${text}\n${ended.stdout}\n${ended.stderr}`)
    },
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = once(child, 'exit')
        child.kill('SIGKILL')
        await gone
      }
      await removeCgroups(`${basename(rack.folder)}-${name}`)
    },
  }
  await box.do('systemctl is-system-running --wait || [ "$(systemctl is-system-running)" = degraded ]')
  return box
}

const environment = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LANG=C.UTF-8',
  'SYSTEMD_PAGER=',
  'SYSTEMD_COLORS=0',
  'TERM=dumb',
]

/** The box's PID 1, as this machine counts, once it is systemd and no longer the script that prepares its place. */
const firstProcess = async (child: ChildProcess): Promise<number> => {
  const pid = String(child.pid)
  for (let tries = 0; tries < 1500; tries += 1) {
    if (child.exitCode !== null) throw new Error(`it ended with ${String(child.exitCode)}`)
    const first = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')).trim()
    const name = await readFile(`/proc/${first}/comm`, 'utf8').catch(() => '')
    if (name.trim() === 'systemd') {
      // Its bus is there a moment later.
      const socket = `/proc/${first}/root/run/systemd/private`
      if (existsSync(socket)) return Number(first)
    }
    await pause(20)
  }
  throw new Error('it took too long')
}

/** Empty ones are left behind, deepest first; those of a box that has just been killed take a moment to be empty. */
const removeCgroups = async (name: string): Promise<void> => {
  const root = existsSync('/sys/fs/cgroup/cgroup.procs') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified'
  const folder = join(root, name)
  for (let tries = 0; tries < 50 && existsSync(folder); tries += 1) {
    await execa('find', [folder, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+'], { reject: false })
    await pause(20)
  }
}
