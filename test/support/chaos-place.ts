import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { bucketFaults } from '../faults/plan/bucket.ts'
import { connectionFaults } from '../faults/plan/connection.ts'
import { machineFaults } from '../faults/plan/machine.ts'
import type { Attempted, PlannedFault, Told } from '../faults/plan/plan.ts'
import { programFaults, type ProgramStrike } from '../faults/plan/programs.ts'
import { expectSoundBucket, newBucketSite, startBuckets } from './buckets.ts'
import { sessionsEnd, type startAt } from './faults.ts'
import { runningClock } from './other-days.ts'
import { freePort, urlOf } from './postgres.ts'
import { startRadosgw } from './radosgw.ts'
import { startS3Proxy } from './s3-proxy.ts'
import { expectSound } from './soundness.ts'
import { strikeBucket, strikeConnection, strikeMachine, strikeProgram } from './strikes.ts'
import { startProxy } from './tcp-proxy.ts'
import { newFolder, newSite, type Environment, type Site } from './tool.ts'

/** Where the nights of chaos store, and which faults of the plan a night can meet there. */
export interface ChaosPlace {
  readonly site: Site
  /** What is there is sound, and these keys still are. */
  readonly expectSound: (site: Site, good: readonly string[]) => Promise<void>
  readonly faults: readonly ChaosFault[]
  /** The clock of the store, where it has one of its own. */
  readonly setClock: (instant: Date) => Promise<void>
}

export interface ChaosFault {
  readonly name: string
  /** What a night comes to that meets it. */
  readonly told: Told
  readonly strike: (night: StruckNight) => Promise<Attempted>
}
export interface StruckNight {
  readonly site: Site
  readonly run: (more?: Environment) => ReturnType<typeof startAt>
}

/** The faults of one way that a run meets. */
const metByRun = <Strike>(
  faults: readonly PlannedFault<Strike>[],
  strike: (strike: Strike, night: StruckNight) => Promise<Attempted>,
): readonly ChaosFault[] =>
  faults.flatMap(({ name, strike: what, met: { run: told } }) =>
    told === undefined ? [] : [{ name, told, strike: (night: StruckNight) => strike(what, night) }],
  )

/** The dump of chaos has a fortieth of what the plan's has. */
const earlier = (strike: ProgramStrike): ProgramStrike => {
  const fortieth = ({ bytes }: { readonly bytes: number }) => ({ bytes: Math.floor(bytes / 40) })
  if (strike.program === 'meter') return { ...strike, at: fortieth(strike.at) }
  const { program, harm } = strike
  const at = harm.at !== 'end' && 'bytes' in harm.at ? fortieth(harm.at) : harm.at
  return { program, harm: { ...harm, at } }
}

const wherever = (serverPort: number, database: string): readonly ChaosFault[] => [
  ...metByRun(programFaults, (strike, { site, run }) => strikeProgram(earlier(strike), site, run)),
  ...metByRun(connectionFaults, async (strike, { run }) => {
    const proxy = strike === 'refused' ? undefined : await startProxy(serverPort)
    const port = proxy?.port ?? (await freePort())
    const attempted = await strikeConnection(strike, proxy, (more) =>
      run({ DATABASE_URL: urlOf(port, database), ...more }),
    )
    // The server has noticed, and has ended what it could not reach any more; until then the lock is held.
    proxy?.cut()
    await sessionsEnd(urlOf(serverPort, database))
    return attempted
  }),
]

const ofMachine = (where: 'folder' | 'bucket'): readonly ChaosFault[] =>
  metByRun(
    // The clock is what makes the nights.
    machineFaults.filter(
      ({ strike }) =>
        !('clockDays' in strike) && (where === 'folder' || !('disk' in strike) || strike.disk === 'state'),
    ),
    (strike, { site, run }) => strikeMachine(strike, site, run),
  )

export const chaosInFolder = async (serverPort: number, url: string): Promise<ChaosPlace> => ({
  site: await newSite(url),
  expectSound,
  faults: [...wherever(serverPort, databaseOf(url)), ...ofMachine('folder')],
  setClock: () => Promise.resolve(),
})

export const chaosInBucket = async (serverPort: number, url: string): Promise<ChaosPlace> => {
  const clock = await runningClock(join(await newFolder(), 'clock'))
  const buckets = await startBuckets(startRadosgw(clock.environment))
  const proxy = await startS3Proxy(buckets.gateway.endpoint)
  onTestFinished(async () => {
    await proxy.close()
    await buckets.stop()
  })
  return {
    site: await newBucketSite(buckets, url),
    expectSound: (site, complete) => expectSoundBucket(buckets, { ...site, bucket: bucketOf(site) }, { complete }),
    faults: [
      ...wherever(serverPort, databaseOf(url)),
      ...ofMachine('bucket'),
      ...metByRun(bucketFaults, (strike, { run }) => strikeBucket(strike, proxy, run)),
    ],
    setClock: clock.set,
  }
}

const databaseOf = (url: string): string => new URL(url).pathname.slice(1)
const bucketOf = ({ environment }: Site): string => environment['S3_BUCKET_NAME'] ?? ''
