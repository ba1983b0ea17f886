import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { commands, type Attempted, type Command, type PlannedFault, type Told } from '../faults/plan/plan.ts'
import { copyOf, drillSiteFor, keptSite, type DrillSite } from './drills.ts'
import { startAt } from './faults.ts'
import { processesOf } from './faulty-programs.ts'
import { dueToday } from './kills.ts'
import { modelOf, plant } from './planted.ts'
import { query, urlOf } from './postgres.ts'
import { expectSound } from './soundness.ts'
import { filesUnder, withIdentity, type Ended, type Environment, type Site } from './tool.ts'

/** Where a planned fault happens: a site with backups of several days, on which any command has something to do. */
export interface Stage {
  readonly site: Site
  /** `by`: another program that runs ours. */
  readonly start: (
    command: Command,
    more?: Environment,
    by?: readonly [string, ...string[]],
  ) => ReturnType<typeof startAt>
  /** Nothing is lost, nothing half-made counts, and nothing of what the command worked with is left. */
  readonly expectSound: (command: Command, ended: Ended, told: Told) => Promise<void>
}

/** One of another month, one older than a week, and three that are kept, among them that of today; none is promoted yet. */
export const daysAgo = [40, 8, 2, 1, 0]

/** What a file's stages are made from: a site with those backups, and a server for their drills, which come one after another. */
export interface Furnished<Kind extends Site = Site> {
  readonly site: Kind
  readonly drills: DrillSite
}

/** With those backups in its folder. To be called at the top of the file. */
export const furnishedSite = (newDatabase: (port: number) => Promise<string>): (() => Furnished) => {
  const made: { furnished?: Furnished } = {}
  beforeAll(async () => {
    const { site, remove } = await keptSite(await newDatabase(inject('pgPort')))
    made.furnished = { site, drills: await drillSiteFor(site) }
    await plant(await modelOf(site), daysAgo)
    await expectSound(site)
    return remove
  })
  return () => {
    if (made.furnished === undefined) throw new Error('it is not there yet')
    return made.furnished
  }
}

let made = 0
/** What each command is asked with; `port` is the server's, or a proxy's before it. */
export const argumentsOf = (command: Command, target: string, port: number): readonly string[] => {
  if (command === 'restore') return ['restore', '--latest', '--owner', 'postgres', '--target-db', urlOf(port, target)]
  return isRun(command) ? ['run', '--replace'] : command.split(' ')
}
const isRun = (command: Command): boolean => command.startsWith('run')

export const newTarget = (): string => `plan_${String(process.pid)}_${String(++made)}`

/** Every file of backups, with the SHA-256 of what it holds; reports of drills are written by whatever drills. */
const holdings = async (folder: string): Promise<Readonly<Record<string, string>>> => {
  const files = (await filesUnder(folder)).filter((file) => !file.startsWith('backups/drills/'))
  const digests = files.map(async (file) => {
    const bytes = await readFile(join(folder, file))
    return [file, createHash('sha256').update(bytes).digest('hex')] as const
  })
  return Object.fromEntries(await Promise.all(digests))
}

/** A copy of a furnished site, whose store is a folder. */
export const folderStage = async (furnished: Furnished, port = inject('pgPort')): Promise<Stage> => {
  const site = await copyOf(furnished.site)
  const { environment, leftovers } = furnished.drills
  const through = (url = ''): string => url.replace(String(inject('pgPort')), String(port))
  const target = newTarget()
  const before = await holdings(site.store)
  const drillOn = { VERIFY_DATABASE_URL: environment['VERIFY_DATABASE_URL'] ?? '' }
  return {
    site,
    start: (command, more = {}, by) =>
      startAt(
        site,
        argumentsOf(command, target, port),
        {
          ...withIdentity(site),
          DATABASE_URL: through(site.environment['DATABASE_URL']),
          VERIFY_DATABASE_URL: through(drillOn.VERIFY_DATABASE_URL),
          ...more,
        },
        by,
      ),
    expectSound: async (command, ended, told) => {
      expect(await processesOf(site)).toEqual([])
      if (told.leavesDatabase === true) {
        // Asked again when all is well, it succeeds, and clears up.
        const again = await startAt(site, argumentsOf(command, target, inject('pgPort')), {
          ...withIdentity(site),
          ...drillOn,
        })
        expect(again.exitCode, again.stderr).toBe(0)
        await expectTarget(target, command, { ...ended, exitCode: 0 })
      } else await expectTarget(target, command, ended)
      expect(await leftovers()).toEqual([])
      const found = await holdings(site.store)
      // What is byte for byte as it was, is as sound as it was.
      if (hasChanged(command, ended, told)) await expectSound(site)
      else expectKept(before, found, told)
    },
  }
}

export const hasChanged = (command: Command, ended: Ended, told: Told): boolean =>
  told.changes === true || (ended.exitCode === 0 && /^(run|promote|prune)/.test(command))

/** All is there as it was, and new is what is named alone. */
export const expectKept = (
  before: Readonly<Record<string, string>>,
  found: Readonly<Record<string, string>>,
  { leaves = [] }: Told,
): void => {
  expect(found).toMatchObject(before)
  const fresh = Object.keys(found).filter((key) => before[key] === undefined)
  expect(fresh).toEqual(leaves.map((key) => expect.stringMatching(key) as string))
}

/** A restore that has succeeded has made its database; otherwise there is none, nor what it was to be made from. */
export const expectTarget = async (target: string, command: Command, ended: Ended): Promise<void> => {
  const server = urlOf(inject('pgPort'), 'postgres')
  const found = await query<{ datname: string }>(
    server,
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [target],
  )
  const isMade = command === 'restore' && ended.exitCode === 0
  expect(found.map(({ datname }) => datname)).toEqual(isMade ? [target] : [])
  if (isMade) await query(server, `DROP DATABASE ${target}`)
}

/** What does not meet a fault must come to nothing by it: for an hour of its own. */
const isNoneBesides = process.env['FAULTS'] === 'and none besides'
const isWhole = isNoneBesides || process.env['FAULTS'] === 'all'

/** A run plays each fault that it meets; of the others one in three, another one each day. */
const playedToday = (meeting: readonly Command[]): readonly Command[] => {
  if (isWhole) return meeting
  const others = meeting.filter((command) => !isRun(command))
  return [...meeting.filter(isRun), ...(others.length === 0 ? [] : dueToday(others, 3))]
}

/** On a stage whose store is a folder nothing goes in parts. */
export const folderCommands = commands.filter((command) => command !== 'run, in parts')

/** Plays the faults of one way; each is shown to have happened where it is planned to be met. */
export const playPlan = <Strike>(
  way: string,
  faults: readonly PlannedFault<Strike>[],
  here: readonly Command[],
  newStage: (strike: Strike, command: Command) => Promise<Stage>,
  attempt: (strike: Strike, command: Command, stage: Stage) => Promise<Attempted>,
): void => {
  const tally = { met: 0, unmet: 0 }
  const played = faults.filter(({ isSlow }) => isWhole || isSlow !== true)
  describe.each(played.map((fault) => [fault.name, fault] as const))('%s', (_name, { strike, met, waitedFor = [] }) => {
    const meeting = here.filter((command) => met[command] !== undefined)
    test.each(playedToday(meeting))('is met by %s', async (command) => {
      const stage = await newStage(strike, command)
      const { ended, hasFired } = await attempt(strike, command, stage)
      const told = met[command]
      if (told === undefined) throw new Error('not planned')
      expect.soft(hasFired, 'it came to pass').not.toBe(false)
      expectTold(ended, told, command)
      await stage.expectSound(command, ended, told)
      tally.met += 1
    })
    const others = here.filter((command) => met[command] === undefined && !waitedFor.includes(command))
    if (isNoneBesides && others.length > 0)
      test.each(others)('is not met by %s', async (command) => {
        const stage = await newStage(strike, command)
        const { ended, hasFired } = await attempt(strike, command, stage)
        expect(ended.exitCode, ended.stderr).toBe(0)
        expect(hasFired).not.toBe(true)
        tally.unmet += 1
      })
  })
  afterAll(() => {
    const unmet = isNoneBesides ? `; ${String(tally.unmet)} do not meet them` : ''
    process.stderr.write(
      `plan: ${way}: ${String(faults.length)} faults, met by ${String(tally.met)} commands${unmet}\n`,
    )
  })
}

const expectTold = (ended: Ended, told: Told, command: Command): void => {
  const words = ended.stderr + ended.stdout
  expect.soft(ended.exitCode, words).toBe(told.exit)
  expect.soft(words).toMatch(told.says)
  expect.soft(words).toMatch(told.next)
  expect(words).not.toMatch(/^ {4}at |\bundefined\b|\[object /m)
  // A drill prints what it found, and orders what they could not do; others claim nothing when they have failed.
  if (ended.exitCode !== 0 && !/^(verify|promote|prune)/.test(command)) expect(ended.stdout).toBe('')
}
