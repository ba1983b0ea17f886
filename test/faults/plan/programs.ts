import type { Harm } from '../../support/faulty-programs.ts'
import { midStream } from '../../support/faults.ts'
import { stallSeconds } from '../../support/stall.ts'
import { allMeet, told, type Command, type PlannedFault, type Told } from './plan.ts'

/** What a program that we start can do. The dump has 8 MB: tables `respondents` and `users`, an index `last_of_all`. */
export type ProgramStrike =
  | { readonly program: 'pg_dump' | 'psql' | 'age' | 'igzip'; readonly harm: Harm }
  /** The process between pg_dump and igzip (src/dump-meter.ts). */
  | { readonly program: 'meter'; readonly at: { readonly bytes: number }; readonly then: 'kill' | 'hang' }
type Then = Harm['then']
type ProgramFault = PlannedFault<ProgramStrike>

const again = 'worth trying again'
/** A program that moves nothing is waited for as long as BACKUP_STALL_SECONDS says. */
const stalled = told(75, `Nothing has moved for ${String(stallSeconds)} s`, 'BACKUP_STALL_SECONDS')

const ofDump = (
  what: string,
  section: 'pre-data' | 'data' | 'post-data',
  at: Harm['at'],
  then: Then,
  run: Told,
  verify: Told = run,
): ProgramFault => ({
  name: `pg_dump ${what}`,
  strike: { program: 'pg_dump', harm: { call: `--section=${section}`, stream: 'output', at, then } },
  met: { run, verify },
})

const trailer = { text: '-- PostgreSQL database dump complete' }
const killed = told(75, 'pg_dump failed (killed by SIGKILL)', again)
const failed = told(75, 'pg_dump failed (exit status 1)', again)
const truncated = (section: string): Told =>
  told(75, `pg_dump ended without its trailer in the section ${section}`, again)

const dump: readonly ProgramFault[] = [
  ofDump('is killed before its first byte', 'pre-data', { bytes: 0 }, 'kill', killed),
  ofDump('is killed in mid-stream', 'data', midStream, 'kill', killed),
  ofDump('is killed when all of the data has passed', 'data', 'end', 'kill', killed),
  ofDump('is killed in the last section', 'post-data', { text: 'CREATE INDEX' }, 'kill', killed),
  ofDump('exits 1 after the last byte of the data', 'data', 'end', { exit: 1 }, failed),
  ofDump('exits 1 after the very last byte, its trailer already out', 'post-data', 'end', { exit: 1 }, failed),
  ofDump('exits 0 in the middle of a row', 'data', midStream, { exit: 0 }, truncated('data')),
  ofDump('exits 0 between two tables', 'data', { text: 'COPY public.users' }, { exit: 0 }, truncated('data')),
  ofDump('exits 0 without a byte', 'data', { bytes: 0 }, { exit: 0 }, truncated('data')),
  ofDump('exits 0 without its trailer', 'pre-data', trailer, { exit: 0 }, truncated('pre-data')),
  ofDump('exits 0 without its very last trailer', 'post-data', trailer, { exit: 0 }, truncated('post-data')),
  ofDump('hangs', 'data', midStream, 'hang', stalled),
  ofDump('hangs, and does not hear SIGTERM', 'data', midStream, 'hang, deaf to SIGTERM', stalled),
  ofDump(
    'ends well and leaves out one row of a key table',
    'data',
    midStream,
    'leave out a row',
    told(75, /\brespondents\W*: 39999 rows in the dump, 40000 in the database/, again),
    told(65, 'RED', 'public.respondents: 39999 rows restored, 40000 in the archive'),
  ),
  ofDump(
    'ends well and writes garbage between its rows',
    'data',
    midStream,
    'write garbage',
    told(75, /\brespondents\W*: \d+ rows in the dump, 40000 in the database/, again),
    told(65, 'RED', 'public.respondents'),
  ),
]

const ofMeter = (then: 'kill' | 'hang', run: Told): ProgramFault => ({
  name: `the process that counts the dump ${then === 'kill' ? 'is killed' : 'hangs'}`,
  strike: { program: 'meter', at: midStream, then },
  met: { run },
})
const meter: readonly ProgramFault[] = [
  ofMeter('kill', told(75, 'The part of oslrs-backup that counts the dump ended before its time (SIGKILL)', again)),
  ofMeter('hang', stalled),
]

/** Nothing of it is there: psql loads in one transaction, or into a database of its own. */
const unchanged = 'Nothing was changed.'
const ofLoad = (
  what: string,
  stream: Harm['stream'],
  at: Harm['at'],
  then: Then,
  restore: Told,
  verify: Told = restore,
): ProgramFault => ({
  name: `psql ${what}`,
  strike: { program: 'psql', harm: { call: '--file=-', stream, at, then } },
  met: { restore, verify },
})

const load: readonly ProgramFault[] = [
  ofLoad('is killed in mid-stream', 'input', midStream, 'kill', told(75, 'psql failed (killed by SIGKILL)', unchanged)),
  ofLoad(
    'is killed when all has passed',
    'output',
    'end',
    'kill',
    told(75, 'psql failed (killed by SIGKILL)', unchanged),
  ),
  ofLoad(
    'exits 3 when all has passed',
    'output',
    'end',
    { exit: 3 },
    told(75, 'psql failed (exit status 3)', unchanged),
  ),
  ofLoad('exits 0 in mid-stream', 'input', midStream, { exit: 0 }, told(75, 'psql failed', unchanged)),
  ofLoad(
    'ends well and has not read to the end',
    'input',
    midStream,
    'stop reading',
    told(75, 'psql failed', unchanged),
  ),
  // One that hangs is waited for, until the unit's time is up: nobody can tell it from one that builds an index.
  ofLoad(
    'loads one row too few',
    'input',
    midStream,
    'leave out a row',
    told(65, '39999', 'public.respondents'),
    told(65, 'RED', 'public.respondents: 39999 rows restored, 40000 in the archive'),
  ),
  ofLoad(
    'is given garbage between the rows',
    'input',
    midStream,
    'write garbage',
    told(75, /The server refused line \d+ of the dump \(SQLSTATE 22021\)/, unchanged),
    told(65, /The server refused line \d+ of the dump \(SQLSTATE 22021\)/, 'restore --to-file shows it'),
  ),
]

const middle = { bytes: 1_000_000 } as const
const lastStatement = { text: 'CREATE INDEX last_of_all' }

interface Call {
  readonly program: 'age' | 'igzip'
  readonly doing: 'sealing' | 'opening'
  readonly call: string
  readonly commands: readonly Command[]
  /** How its end is told. */
  readonly ended: (how: string) => string
}
const age = { program: 'age', ended: (how: string) => `age failed: it ended with ${how}` } as const
const igzip = { program: 'igzip', ended: (how: string) => `igzip failed (${how})` } as const
const sealing = { doing: 'sealing', commands: ['run'] } as const
const opening = { doing: 'opening', commands: ['restore', 'verify', 'verify --depth archive'] } as const
const calls: readonly Call[] = [
  { ...age, ...sealing, call: '--recipient' },
  { ...igzip, ...sealing, call: '-1' },
  { ...age, ...opening, call: '--decrypt' },
  { ...igzip, ...opening, call: '-d' },
]

const ofCall = (
  { program, doing, call, commands }: Call,
  what: string,
  harm: Omit<Harm, 'call'>,
  end: Told,
): ProgramFault => ({
  name: `${program}, ${doing}, ${what}`,
  strike: { program, harm: { call, ...harm } },
  met: allMeet(commands, end),
})

const garbage = ({ program, doing }: Call): readonly Told[] => {
  if (doing === 'opening')
    return [
      program === 'age'
        ? told(65, 'damaged', 'Fetch another backup: oslrs-backup list')
        : told(65, 'The archive unpacks to more than its manifest says.', 'Use another backup: oslrs-backup list'),
    ]
  // gzip states no length that its own output must have, so a drill alone finds that; age's can be worked out.
  return program === 'age' ? [told(75, 'age', again)] : []
}

/** For age the place must be worked out: programs.test has that one. */
const unread = (call: Call): readonly ProgramFault[] =>
  call.program === 'age' || call.doing === 'opening'
    ? []
    : [
        ofCall(
          call,
          'ends well and has not read to the end',
          { stream: 'input', at: midStream, then: 'stop reading' },
          told(75, 'igzip failed', again),
        ),
        ofCall(
          call,
          'ends well and has not read the last statement',
          { stream: 'input', at: lastStatement, then: 'stop reading' },
          told(75, 'igzip', again),
        ),
      ]

const gzipAndAge: readonly ProgramFault[] = calls.flatMap((call) => {
  const output = { stream: 'output', at: middle } as const
  const atEnd = { stream: 'output', at: 'end' } as const
  const ended = (how: string): Told => told(75, call.ended(how), again)
  return [
    ofCall(call, 'is killed', { ...output, then: 'kill' }, ended('SIGKILL')),
    ofCall(call, 'exits 1', { ...output, then: { exit: 1 } }, ended('exit status 1')),
    ofCall(call, 'exits 1 after its last byte', { ...atEnd, then: { exit: 1 } }, ended('exit status 1')),
    ofCall(call, 'exits 0 in mid-stream', { ...output, then: { exit: 0 } }, told(75, `${call.program} failed`, again)),
    ofCall(call, 'hangs', { ...output, then: 'hang' }, stalled),
    ofCall(call, 'hangs after its last byte', { ...atEnd, then: 'hang' }, stalled),
    ...garbage(call).map((end) => ofCall(call, 'writes garbage', { ...output, then: 'write garbage' }, end)),
    ...unread(call),
  ]
})

export const programFaults: readonly ProgramFault[] = [...dump, ...meter, ...load, ...gzipAndAge]
