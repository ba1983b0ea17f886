import { existsSync } from 'node:fs'
import { mkdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A way to start something as systemd starts the unit, as far as processor and disk go. */
export interface AsTheUnit {
  readonly under: readonly string[]
  /** For the table: what of the unit's settings could be had here. */
  readonly settings: string
  readonly end: () => Promise<void>
}

const first = '/sys/fs/cgroup/cpu'
const second = '/sys/fs/cgroup'

/** CPUSchedulingPolicy=, Nice= and IOSchedulingClass= always; CPUWeight=idle where there are control groups of the processor. */
export const asTheUnit = async (): Promise<AsTheUnit> => {
  const settings = 'CPUSchedulingPolicy=idle, Nice=10, IOSchedulingClass=idle'
  const under = '/usr/bin/chrt --idle 0 /usr/bin/nice -n 10 /usr/bin/ionice -c 3'.split(' ')
  const group = await idleGroup()
  if (group === undefined) return { under, settings, end: () => Promise.resolve() }
  return {
    under: ['/bin/sh', '-c', 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"', 'sh', group, ...under],
    settings: `${settings}, CPUWeight=idle`,
    end: () => rmdir(group),
  }
}

/** cgroups(7), version 1 or 2; undefined where there are none, or the kernel is older than cpu.idle (5.15). */
const idleGroup = async (): Promise<string | undefined> => {
  const group = join(existsSync(join(first, 'cgroup.procs')) ? first : second, `oslrs-bench-${String(process.pid)}`)
  try {
    if (group.startsWith(first)) await mkdir(group)
    else {
      await writeFile(join(second, 'cgroup.subtree_control'), '+cpu')
      await mkdir(group)
    }
    await writeFile(join(group, 'cpu.idle'), '1')
    return group
  } catch {
    await rmdir(group).catch(() => undefined)
    return undefined
  }
}
