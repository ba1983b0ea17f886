import { allMeet, commands, survived, told, type Command, type PlannedFault } from './plan.ts'

/** What the machine can do: its disks, its memory, its clock. */
export type MachineStrike =
  | { readonly disk: 'store' | 'state'; readonly is: 'read-only' | 'full' | 'missing' | 'a file' }
  /** What the process tree may have, of all kinds of memory; more, and the kernel kills of it. */
  | { readonly memoryBytes: number }
  /** The clock says so many days more or fewer than when the last backup was made. */
  | { readonly clockDays: number }
type MachineFault = PlannedFault<MachineStrike>

const all: readonly Command[] = commands
const folder: readonly Command[] = all.filter((command) => command !== 'run, in parts')

export const machineFaults: readonly MachineFault[] = [
  {
    name: 'the disk of the store is read-only',
    strike: { disk: 'store', is: 'read-only' },
    met: allMeet(['run', 'promote', 'prune', 'verify'], told(75, 'is read-only.', 'dmesg | tail')),
  },
  {
    name: 'the disk of the store is full',
    strike: { disk: 'store', is: 'full' },
    met: allMeet(['run', 'promote', 'verify'], told(75, 'There is no space left in', 'Make room: df -h')),
  },
  {
    name: 'the disk of the store is not mounted',
    strike: { disk: 'store', is: 'missing' },
    met: allMeet(folder, told(78, 'The folder of BACKUP_STORE_DIR does not exist', 'Mount the disk')),
  },
  {
    name: 'the store is a file',
    strike: { disk: 'store', is: 'a file' },
    met: allMeet(folder, told(78, 'BACKUP_STORE_DIR is not a folder', '')),
  },
  ...(['read-only', 'full', 'missing', 'a file'] as const).map((is): MachineFault => ({
    name: `the disk of the state folder is ${is}`,
    strike: { disk: 'state', is },
    // The backup does not depend on it.
    met: { run: told(0, 'Nothing is remembered until the next night', '') },
  })),
  {
    // The kernel kills without a word.
    name: 'the process tree may have 8 MB of memory',
    strike: { memoryBytes: 8_000_000 },
    met: allMeet(folder, told(undefined, '', '')),
  },
  ...[-400, -2, 2, 400].map((days): MachineFault => ({
    name: `the clock is ${String(Math.abs(days))} days ${days < 0 ? 'slow' : 'fast'}`,
    strike: { clockDays: days },
    met: {
      ...allMeet(folder, survived),
      ...(days === -400 ? { promote: told(73, 'its day lies in the future: some clock is wrong', '') } : {}),
    },
  })),
]
