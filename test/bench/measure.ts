import { execa } from 'execa'
import { readFileSync } from 'node:fs'
import { watchMemory, type Peak } from '../support/process-tree.ts'

/** Something that can be run again and again, from the same state each time. */
export interface Measured {
  readonly id: string
  readonly name: string
  /** Starts it, by way of `under` where that is given; resolves when it has ended well, and `pid` is known at once. */
  readonly start: (under?: readonly string[]) => { readonly pid: number | undefined; readonly ended: Promise<unknown> }
  /** Takes away what an earlier run left; not timed. */
  readonly clean: () => Promise<void>
}

/** What programs that are not ours get of the environment: of the caller's settings for S3 and PostgreSQL, none. */
export const bareEnvironment = (more: Readonly<Record<string, string>> = {}) => ({
  env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...more },
  extendEnv: false,
})

/** A command of the shell, with `args` as $1 and so on; any of its programs that fails makes it fail. */
export const shell = (
  command: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): ReturnType<Measured['start']> => {
  const child = execa('bash', ['-c', `set -eo pipefail; ${command}`, 'bench', ...args], {
    ...bareEnvironment(env),
    stdin: 'ignore',
    stdout: 'ignore',
  })
  return { pid: child.pid, ended: child }
}

export interface Timing {
  readonly seconds: number
  /** Processor time of the contender's own processes. */
  readonly clientSeconds: number
  /** Of the PostgreSQL server, on its behalf. */
  readonly serverSeconds: number
  /** Of everybody else on the machine: what makes a measurement doubtful. */
  readonly othersSeconds: number
  /** Read from the disk, by anybody: next to nothing, as all is read from the page cache. */
  readonly diskReadBytes: number
}

/** USER_HZ, in which Linux tells processor times in /proc; the same on every architecture that matters here. */
const ticksPerSecond = 100

interface Ticks {
  readonly machine: number
  readonly children: number
  readonly self: number
  readonly server: number
}

/** proc_pid_stat(5), fields 14 to 17: user and system time of the process, and of its children that have ended. */
const processTicks = (pid: string): { readonly own: number; readonly children: number } => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number)
  return { own: user + system, children: childUser + childSystem }
}

/** proc_stat(5): user, nice, system, idle, iowait, irq, softirq; idle and iowait are nobody's work. */
const machineTicks = (): number => {
  const [first = ''] = readFileSync('/proc/stat', 'latin1').split('\n')
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = first.split(/\s+/).slice(1).map(Number)
  return user + nice + system + irq + softirq
}

/** Processor time that the whole machine has spent since it was started. */
export const machineSeconds = (): number => machineTicks() / ticksPerSecond

const ticks = (postmaster: string): Ticks => {
  const self = processTicks('self')
  const server = processTicks(postmaster)
  return { machine: machineTicks(), self: self.own, children: self.children, server: server.own + server.children }
}

/** /proc/vmstat: kibibytes that were read from disks. */
export const diskReadBytes = (): number =>
  Number(/^pgpgin (\d+)$/m.exec(readFileSync('/proc/vmstat', 'latin1'))?.[1] ?? NaN) * 1024

/**
 * Reads every file in these folders, so that a run finds them in the page cache. Without it what was read a minute ago may
 * have gone again: some hosts take memory back that nobody uses (DAMON), and the first of a round would read for all others.
 */
export const warm = async (warmed: readonly string[]): Promise<void> => {
  // A server may take files away meanwhile.
  const command = 'find "$@" -type f -print0 | xargs -0 -r cat > /dev/null 2>&1 || true'
  await execa('bash', ['-c', command, 'warm', ...warmed])
}

/** One run, timed from its start to its end; the disk has nothing left to write from before, and nothing of `warmed` to read. */
export const time = async (contender: Measured, postmaster: string, warmed: readonly string[]): Promise<Timing> => {
  await contender.clean()
  await execa('sync')
  await warm(warmed)
  const readBefore = diskReadBytes()
  const before = ticks(postmaster)
  const since = performance.now()
  await contender.start().ended
  const seconds = (performance.now() - since) / 1000
  // The server's process of a session ends a moment after the client that it served.
  await new Promise((resolve) => setTimeout(resolve, 300))
  const after = ticks(postmaster)
  const spent = (name: keyof Ticks): number => (after[name] - before[name]) / ticksPerSecond
  return {
    seconds,
    clientSeconds: spent('children'),
    serverSeconds: spent('server'),
    diskReadBytes: diskReadBytes() - readBefore,
    othersSeconds: Math.max(0, spent('machine') - spent('children') - spent('server') - spent('self')),
  }
}

/** One run, not timed, with an eye on its memory. */
export const peakOf = async (contender: Measured): Promise<Peak> => {
  await contender.clean()
  const { pid, ended } = contender.start()
  if (pid === undefined) throw new Error(`${contender.name} did not start`)
  const watch = watchMemory(pid)
  try {
    await ended
  } finally {
    watch.end()
  }
  return watch.end()
}
