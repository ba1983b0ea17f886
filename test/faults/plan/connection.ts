import { stallSeconds } from '../../support/stall.ts'
import { allMeet, survived, told, type Command, type PlannedFault, type Told } from './plan.ts'

/** What the way to PostgreSQL can do, bound to a text that a client sends; `refused`: no server is there at all. */
export type ConnectionStrike = { readonly at: string; readonly then: 'cut' | 'freeze' } | 'refused'
type ConnectionFault = PlannedFault<ConnectionStrike>

const running = 'systemctl status postgresql'
const refused = told(75, 'does not answer', running)
/** Connecting is given 10 s, and then nothing may stand still for long: support/stall.ts. */
const silent = told(75, 'no answer within 10 s', running)
const stalled = told(75, `Nothing has moved for ${String(stallSeconds)} s`, 'BACKUP_STALL_SECONDS')
const leaving = (end: Told): Told => ({ ...end, leavesDatabase: true })
const withServer: readonly Command[] = ['run', 'promote', 'prune', 'restore', 'verify']

const at = (text: string, then: 'cut' | 'freeze' = 'cut'): ConnectionStrike => ({ at: text, then })
const ourSession = told(75, /was cut|does not answer/, /systemctl status postgresql|The server was restarted/)

export const connectionFaults: readonly ConnectionFault[] = [
  { name: 'no server is there', strike: 'refused', met: allMeet(withServer, refused) },
  {
    name: 'the way to the server is cut at the first word',
    strike: at('client_encoding'),
    met: { ...allMeet(withServer, refused), list: survived },
  },
  {
    name: 'the way to the server is cut when the lock is asked for',
    strike: at('pg_try_advisory_lock'),
    met: allMeet(withServer, ourSession),
  },
  {
    name: 'the way to the server is cut when the snapshot is exported',
    strike: at('pg_export_snapshot'),
    met: { run: ourSession, verify: leaving(ourSession) },
  },
  {
    name: 'the way to the server is cut when pg_dump takes the snapshot',
    strike: at('SET TRANSACTION SNAPSHOT'),
    met: { run: ourSession, verify: leaving(ourSession) },
  },
  {
    name: 'the way to the server is cut when a table is dumped, or loaded',
    strike: at('COPY public.respondents'),
    met: { run: ourSession, restore: leaving(ourSession), verify: leaving(ourSession) },
  },
  {
    name: 'the way to the server is cut when a database is made',
    strike: at('CREATE DATABASE'),
    met: { restore: leaving(ourSession), verify: leaving(ourSession) },
  },
  {
    name: 'the server is a black hole from the first word on',
    strike: at('client_encoding', 'freeze'),
    met: { ...allMeet(withServer, silent), list: survived },
    isSlow: true,
  },
  {
    name: 'the server is a black hole when pg_dump takes the snapshot',
    strike: at('SET TRANSACTION SNAPSHOT', 'freeze'),
    met: { run: stalled },
    waitedFor: ['verify'],
    isSlow: true,
  },
  {
    name: 'the server is a black hole when a table is dumped, or loaded',
    strike: at('COPY public.respondents', 'freeze'),
    met: { run: stalled },
    waitedFor: ['restore', 'verify'],
  },
  // One that takes a question of ours and is silent for ever is waited for until the unit's time is up (systemd/): it may
  // be counting, or waiting for its disk. Where the network has lost the answer, the system finds out (keepalives).
]
