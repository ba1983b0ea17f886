import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'

/** A running process, as /proc tells of it. */
interface Running {
  readonly pid: number
  readonly parent: number
  /** Where its stack begins: random at each exec, and inherited until then. */
  readonly stack: string
}

export interface Memory {
  /** Proportional set size: its own pages, and its share of those that other processes have in memory as well. */
  readonly pssBytes: number
  /**
   * The same with the pages of files (programs and libraries) counted whole, as on a machine where nothing else runs
   * them. What else runs makes no difference to it, so this is the figure to set limits to.
   */
  readonly aloneBytes: number
}

export interface Peak {
  /** The most that all processes had together at one instant: by PSS, and alone. */
  readonly total: Memory
  /** Each program's own peak, at whatever instant; several processes of one program are summed. */
  readonly ofProgram: ReadonlyMap<string, Memory>
  readonly samples: number
}

/** A process may end between two looks at it: then there is nothing to tell. */
const unlessGone = <T>(look: () => T): T | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}

/** proc_pid_stat(5): after the name in parentheses, which may hold anything, come state, parent, … startstack (28th). */
const running = (pid: number): Running | undefined =>
  unlessGone(() => {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { pid, parent: Number(fields[1]), stack: fields[25] ?? '' }
  })

/**
 * The process and all its descendants that have become a program of their own. One that was only just forked still is
 * its parent's memory, seen a second time, and is left out.
 */
export const processTree = (root: number): readonly number[] => {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (running(Number(name)) ?? []) : []))
  const below = (parent: Running): number[] => [
    parent.pid,
    ...all.flatMap((child) => (child.parent === parent.pid && child.stack !== parent.stack ? below(child) : [])),
  ]
  const first = all.find(({ pid }) => pid === root)
  return first === undefined ? [] : below(first)
}

/** proc_pid_smaps_rollup(5), swapped pages included; undefined once the process has ended. */
export const memoryOf = (pid: number): (Memory & { readonly program: string }) | undefined =>
  unlessGone(() => {
    const rollup = readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'latin1')
    const bytes = (name: string): number =>
      Number(new RegExp(String.raw`^${name}:\s+(\d+) kB$`, 'm').exec(rollup)?.[1] ?? 0) * 1024
    return {
      program: basename(readlinkSync(`/proc/${String(pid)}/exe`)),
      pssBytes: bytes('Pss') + bytes('SwapPss'),
      aloneBytes: bytes('Pss_Anon') + bytes('SwapPss') + (bytes('Rss') - bytes('Anonymous')),
    }
  })

const nothing: Memory = { pssBytes: 0, aloneBytes: 0 }
const sum = (a: Memory, b: Memory): Memory => ({
  pssBytes: a.pssBytes + b.pssBytes,
  aloneBytes: a.aloneBytes + b.aloneBytes,
})
const larger = (a: Memory, b: Memory): Memory => ({
  pssBytes: Math.max(a.pssBytes, b.pssBytes),
  aloneBytes: Math.max(a.aloneBytes, b.aloneBytes),
})

/** Looks at a process and its descendants every few milliseconds until `end`; keeps the largest of what it saw. */
export const watchMemory = (root: number, everyMs = 50): { readonly end: () => Peak } => {
  let peak: Peak = { total: nothing, ofProgram: new Map(), samples: 0 }
  const look = (): void => {
    const now = new Map<string, Memory>()
    for (const pid of processTree(root)) {
      const found = memoryOf(pid)
      if (found !== undefined) now.set(found.program, sum(now.get(found.program) ?? nothing, found))
    }
    const ofProgram = new Map(peak.ofProgram)
    for (const [program, memory] of now) ofProgram.set(program, larger(memory, ofProgram.get(program) ?? nothing))
    peak = { total: larger(peak.total, [...now.values()].reduce(sum, nothing)), ofProgram, samples: peak.samples + 1 }
  }
  look()
  const timer = setInterval(look, everyMs)
  return {
    end: () => {
      clearInterval(timer)
      return peak
    },
  }
}
