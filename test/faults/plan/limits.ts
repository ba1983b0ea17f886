import { allMeet, survived, told, type Command, type PlannedFault } from './plan.ts'

/** What the system lets a process have, as an option of prlimit(1); of a user who has no other process. */
export interface LimitStrike {
  readonly prlimit: string
}

/** These start other programs, which is where too few files or processes are met. */
const starting: readonly Command[] = ['run', 'restore', 'verify', 'verify --depth archive']
const alone: readonly Command[] = ['promote', 'prune', 'list', 'verify --depth stored']

export const limitFaults: readonly PlannedFault<LimitStrike>[] = [
  {
    name: 'it may open too few files',
    strike: { prlimit: '--nofile=23' },
    // Five manifests, or a program's three pipes: whichever comes first.
    met: allMeet(
      [...starting, ...alone],
      told(75, /could not be started \(EMFILE\)\.|No more files may be opened/, 'LimitNOFILE='),
    ),
  },
  {
    name: 'its user may have too few processes',
    strike: { prlimit: '--nproc=12' },
    met: {
      ...allMeet(alone, survived),
      ...allMeet(starting, told(75, /The program \S+ could not be started \(EAGAIN\)\./, 'TasksMax=')),
    },
  },
  {
    name: 'it may write no file as large as an archive',
    strike: { prlimit: '--fsize=100000' },
    met: {
      ...allMeet(['prune', 'list', 'restore', 'verify', 'verify --depth archive', 'verify --depth stored'], survived),
      ...allMeet(['run', 'promote'], told(75, /A file as large as this backup is not allowed in /, 'LimitFSIZE=')),
    },
  },
  {
    name: 'it has enough of everything',
    strike: { prlimit: '--nofile=1024' },
    met: allMeet([...starting, ...alone], survived),
  },
]
