import { existsSync } from 'node:fs'
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { eventually } from './faulty-programs.ts'

/** A control group that may have so much memory (cgroups(7), version 1 or 2). Removed when the test is over. */
export interface MemoryGroup {
  /** The process, and all that it starts from now on. */
  add(pid: number): Promise<void>
  /** Whether it has wanted more than it may have. */
  wasReached(): Promise<boolean>
}

const first = '/sys/fs/cgroup/memory'
const second = '/sys/fs/cgroup'
let made = 0

export const memoryGroup = async (bytes: number): Promise<MemoryGroup> => {
  const isFirst = existsSync(join(first, 'memory.limit_in_bytes'))
  const folder = join(isFirst ? first : second, `oslrs-test-${String(process.pid)}-${String(++made)}`)
  if (!isFirst) await writeFile(join(second, 'cgroup.subtree_control'), '+memory')
  await mkdir(folder)
  onTestFinished(() =>
    eventually('the end of all in the control group', () =>
      rmdir(folder).then(
        () => true,
        () => false,
      ),
    ),
  )
  await writeFile(join(folder, isFirst ? 'memory.limit_in_bytes' : 'memory.max'), String(bytes))
  return {
    add: (pid) => writeFile(join(folder, 'cgroup.procs'), String(pid)),
    wasReached: async () => {
      if (isFirst) return Number(await readFile(join(folder, 'memory.failcnt'), 'utf8')) > 0
      return /^max [1-9]/m.test(await readFile(join(folder, 'memory.events'), 'utf8'))
    },
  }
}
