import { asFault } from '../../../src/errors.ts'
import { dayMs, monthNumber } from './calendar.ts'
import type { Entry } from './ledger.ts'
import { broken, dailies, forgiveDamage, isFrozen, isHeld, notHealed, policy, settle } from './promise.ts'
import { foreignNames, type History, type Step } from './steps.ts'
import { newTally } from './tally.ts'
import { isTold, World, type Outcome, type Place } from './world.ts'

/** A promise was broken. Its message tells the step, and what is wrong. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

/** Plays a history to its end, or to ten years; throws Broken at the first step after which the promise does not hold. */
export const play = async (history: History, open: (now: () => Date) => Place, tally = newTally()): Promise<World> => {
  const world = await World.begin(history, open)
  const startMs = world.nowMs
  for (const step of history.steps.flatMap(spelt)) {
    if (world.isOver) break
    const said = await perform(world, step, tally)
    tally.steps += 1
    if (said.length > 0)
      throw new Broken(`${new Date(world.nowMs).toISOString()} ${JSON.stringify(step)}\n  ${said.join('\n  ')}`)
  }
  tally.years += (world.nowMs - startMs) / (365 * dayMs)
  return world
}

const spelt = (step: Step): Step[] =>
  step.do === 'nights' ? Array.from({ length: step.count }, () => ({ do: 'night' as const })) : [step]

/** Does one step; returns what of the promise is broken then. */
export const perform = async (world: World, step: Step, tally = newTally()): Promise<string[]> => {
  const { ledger } = world
  const before = ledger.entries.length
  if (step.do === 'night') world.passToNight()
  if (step.do === 'again') world.passHours(step.hours)
  const errorMs = clockErrorOf(world, step)
  const outcome = await act(world, step, errorMs)
  const asked = {
    nowMs: world.nowMs,
    shownMs: world.nowMs + errorMs,
    calendarMs: world.nowMs + (errorMs > 0 && errorMs < 2 * dayMs ? errorMs : 0),
    trusted: world.setting.trusted,
  }
  const said = [...broken(ledger, asked), ...(outcome === undefined ? [] : wrongOutcome(world, step, errorMs, outcome))]
  if (outcome?.isClean === true && !isHeld(ledger, world.nowMs))
    said.push(
      ...notHealed(ledger, asked, {
        ...(await world.leftOver()),
        didPrune: isRun(step) && world.setting.serverPrunes,
        didPromote: isRun(step) || step.do === 'promote',
      }),
    )
  tally.nights += isRun(step) ? 1 : 0
  tally.struck += outcome?.struck === undefined ? 0 : 1
  tally.frozen += isFrozen(ledger) ? 1 : 0
  const fresh = ledger.entries.slice(before)
  tally.committed += fresh.filter(({ tier }) => tier === 'daily').length
  tally.monthlies += fresh.filter(({ tier }) => tier === 'monthly').length
  tally.removed += ledger.entries.filter(({ state }) => state === 'going').length
  settle(ledger)
  return [...said, ...(await wrongListing(world))]
}

const isRun = (step: Step): boolean => step.do === 'night' || step.do === 'again'

const act = async (world: World, step: Step, clockMs: number): Promise<Outcome | undefined> => {
  switch (step.do) {
    case 'night':
      return world.run({ trouble: step.trouble, clockMs, replace: false })
    case 'again':
      return world.run({ trouble: step.trouble, clockMs, replace: step.replace })
    case 'nights':
      throw new Error('nights are spelt out one by one')
    case 'prune':
    case 'promote':
      return world.alone(step.do, { trouble: step.trouble, clockMs })
    case 'accept':
      return accept(world, step)
    case 'days without':
      world.pass(step.days * world.setting.pace * dayMs)
      return undefined
    case 'years without':
      passToTheEdge(world)
      return undefined
    case 'lose':
      // Without a good backup before it, nobody could know what is missing.
      if (goodDailies(world).length > 0) world.registry.lose(step.kind)
      return undefined
    case 'repair':
      world.registry.repair()
      return undefined
    case 'foreign':
      await plantForeign(world, foreignNames[step.name] ?? foreignNames[0])
      return undefined
    case 'drill report':
      await world.plant(`backups/drills/${instant(world.nowMs)}-drill.json`, Buffer.from('{}'))
      return undefined
    case 'rot':
    case 'lose a manifest':
      await damage(world, step)
      return undefined
    case 'remove the future':
      // Not while something is lost: it may be all that tells.
      if (world.registry.losses.length === 0)
        for (const entry of world.ledger.present())
          if (entry.startedMs > world.nowMs) await takeAway(world, entry, [entry.manifestKey, entry.dataKey])
      return undefined
  }
}

const passToTheEdge = (world: World): void => {
  const [oldest] = world.ledger.present().filter(({ tier, older }) => tier === 'monthly' && !older)
  if (oldest === undefined) return
  const [year = 0, month = 0] = oldest.period.split('-').map(Number)
  world.pass(Math.max(0, Date.UTC(year, month - 1 + policy.monthlyMonths - 1, 3) - world.nowMs))
}

const instant = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replaceAll(':', '-')}Z`

const goodDailies = ({ ledger }: World): Entry[] =>
  dailies(ledger).filter((entry) => !entry.older && ledger.isGood(entry))

/** The newest night, when it lacks just what the registry lacks now. */
const accept = async (world: World, step: Step & { do: 'accept' }): Promise<Outcome | undefined> => {
  const { ledger, registry } = world
  const newest = dailies(ledger).find(({ older }) => !older)
  if (newest === undefined || ledger.isGood(newest) || newest.losses.join() !== registry.losses.join()) return undefined
  const outcome = await world.accept(newest.period, step.trouble)
  if (ledger.isGood(newest)) registry.settle()
  return outcome
}

const plantForeign = async (world: World, pattern: string): Promise<void> => {
  const today = new Date(world.nowMs).toISOString().slice(0, 10)
  const name = pattern.replaceAll('D', today).replaceAll('M', today.slice(0, 7))
  const bytes = Buffer.from(`somebody else's ${name}`)
  await world.plant(name, bytes)
  world.ledger.foreign.set(name, bytes)
}

/** Never the last good daily before a loss, nor an accepted one: they are what the others are compared with. */
const damage = async (world: World, step: Step & { do: 'rot' | 'lose a manifest' }): Promise<void> => {
  const { ledger, registry } = world
  const there = ledger.present()
  const entry = there[step.pick % Math.max(there.length, 1)]
  if (entry === undefined || ledger.acceptedOnes.includes(entry)) return
  const firstSuspect = there.find((one) => !ledger.isGood(one))
  const before = goodDailies(world).filter(
    (one) => one !== entry && (firstSuspect === undefined || one.period < firstSuspect.period),
  )
  if ((firstSuspect !== undefined || registry.losses.length > 0) && before.length === 0) return
  if (step.do === 'lose a manifest') await takeAway(world, entry, [entry.manifestKey])
  else {
    entry.state = 'damaged'
    const isLonger = step.pick % 2 === 1
    const bytes = isLonger ? Buffer.concat([entry.data, Buffer.from('x')]) : entry.data.subarray(1)
    await world.plant(entry.dataKey, bytes)
    forgiveDamage(ledger, monthNumber(entry.period))
  }
}

const takeAway = async (world: World, entry: Entry, keys: readonly string[]): Promise<void> => {
  entry.state = 'damaged'
  for (const key of keys) await world.remove(key)
  forgiveDamage(world.ledger, monthNumber(entry.period))
}

/** A command that met no trouble does its work, and one that met some says so as a Fault. */
const wrongOutcome = (world: World, step: Step, clockMs: number, { thrown, struck }: Outcome): string[] => {
  const isServers = isRun(step) && 'trouble' in step && step.trouble.at === 'the server'
  const committed = world.ledger.doings.find((doing) => doing.startsWith('put backups/manifests/2'))?.slice(4)
  if (isServers && (thrown === undefined || committed !== undefined)) return ['the server failed, and nobody said so']
  if (thrown === undefined) return []
  const { message } = asFault(thrown)
  const said = isTold(thrown) ? [] : [`no Fault was told: ${message}`]
  // The commit itself may fail after its manifest has arrived; what comes after it may not make the run fail.
  if (isRun(step) && committed !== undefined)
    return struck?.key === committed
      ? said
      : [...said, `promise 9: ${committed} is there, and the run failed: ${message}`]
  const isTaken =
    isRun(step) &&
    isTold(thrown, 'day-taken', 'refused') &&
    world.ledger.present().some((entry) => isOfClockDay(world, clockMs, entry))
  return struck !== undefined || isServers || isTaken
    ? said
    : [...said, `nothing was in the way, and it failed: ${message}`]
}

const isOfClockDay = (world: World, clockMs: number, entry: Entry): boolean =>
  entry.tier === 'daily' && entry.period === new Date(world.nowMs + clockMs).toISOString().slice(0, 10)

/**
 * How far off the clock is in this step. Left out is what no rule could tell from the truth: ruins that are filed under
 * another time than their own, and a clock that is wrong in the same way for two nights.
 */
const clockErrorOf = ({ ledger, registry, nowMs }: World, step: Step): number => {
  const clockMs = ('clockMs' in step ? step.clockMs : undefined) ?? 0
  if (step.do !== 'night' || clockMs === 0) return clockMs
  const ours = ledger.present().filter(({ older, tier }) => !older && tier === 'daily')
  if (registry.losses.length > 0 || ours.some((entry) => !ledger.isGood(entry))) return 0
  return clockMs > 0 && ours.some(({ startedMs }) => startedMs > nowMs) ? 0 : clockMs
}

/** What is listed as complete is what the ledger knows to be there, no more and no less. */
const wrongListing = async (world: World): Promise<string[]> => {
  const { backups } = await world.listing()
  const keysOf = (state: string): string[] =>
    backups.flatMap((backup) => (backup.state === state ? [backup.key] : [])).toSorted()
  const said: string[] = []
  for (const [state, older] of [
    ['complete', false],
    ['unverified-older', true],
  ] as const) {
    const known = world.ledger
      .present()
      .flatMap((entry) => (entry.older === older ? [entry.dataKey] : []))
      .toSorted()
    const shown = keysOf(state)
    if (shown.join() !== known.join())
      said.push(
        `promise 7: listed as ${state} are [${shown.filter((key) => !known.includes(key)).join(', ')}], which the ledger does not know; and not listed [${known.filter((key) => !shown.includes(key)).join(', ')}]`,
      )
  }
  return said
}
