import { parseArgs } from 'node:util'
import { list } from '../../src/commands/list.ts'
import { clockOf, forgetful } from '../support/simulated-server.ts'
import { layout } from '../support/builders.ts'
import { dayMs, nameOf } from '../support/nights/calendar.ts'
import { inMemory } from '../support/nights/places.ts'
import { perform } from '../support/nights/play.ts'
import { policy } from '../support/nights/promise.ts'
import type { Step } from '../support/nights/steps.ts'
import { newTally } from '../support/nights/tally.ts'
import { World } from '../support/nights/world.ts'

/**
 * Years of nights, one after the other, with a failing one now and then, a ruin that is repaired, and a table that is
 * meant to go; and what remains in the store at the end of each year. After each night the promise is checked, as in
 * nights.test.ts. `node test/property/decade.ts --years 10 --seed 1`
 */
const { values } = parseArgs({
  options: { years: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
})

/** mulberry32: the same seed gives the same years. */
const chance = ((state: number) => (): number => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
})(Number(values.seed))
const upTo = (count: number): number => Math.floor(chance() * count)

const nightOfTrouble = (): Step => ({
  do: 'night',
  trouble:
    chance() < 0.3
      ? { at: 'the server', server: chance() < 0.5 ? 'no-connection' : 'dump-dies' }
      : {
          at: 'the store',
          store: {
            kind: chance() < 0.5 ? 'fault' : 'kill',
            counted: 'writes',
            at: 1 + upTo(5),
            effect: (['none', 'half', 'whole'] as const)[upTo(3)] ?? 'none',
          },
        },
})

/** What the day brings besides its night. */
const day = function* (): Generator<Step> {
  if (chance() < 1 / 300) {
    // Somebody ruins the database, and it takes some nights to notice.
    yield { do: 'lose', kind: 'users' }
    for (let nights = 1 + upTo(12); nights > 0; nights -= 1) yield { do: 'night' }
    yield { do: 'repair' }
  }
  if (chance() < 1 / 900) {
    yield { do: 'lose', kind: 'respondents' }
    yield { do: 'night' }
    yield { do: 'accept' }
  }
  if (chance() < 1 / 200) yield { do: 'days without', days: 1 + upTo(6) }
  if (chance() < 1 / 30) yield { do: 'drill report' }
  yield chance() < 1 / 15 ? nightOfTrouble() : { do: 'night' }
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const columns = ['year', 'nights', 'failed', 'struck', 'removed', 'dailies', 'monthlies', 'orphans', 'drills', 'acks', 'objects', 'kB', 'missing months'] // prettier-ignore
const row = (cells: readonly (string | number)[]): string =>
  cells.map((cell, at) => String(cell).padStart(Math.max(6, columns[at]?.length ?? 0))).join('  ')

const world = await World.begin(
  { trusted: false, sealed: true, serverPrunes: true, olderDays: 20, pace: 1, startDay: 0 },
  inMemory,
)
say(row(columns))
const startMs = world.nowMs
let broken = 0
for (let year = 1; year <= Number(values.years); year += 1) {
  const tally = newTally()
  while (world.nowMs < startMs + year * 365.25 * dayMs)
    for (const step of day())
      for (const said of await perform(world, step, tally)) {
        broken += 1
        say(`${new Date(world.nowMs).toISOString()} ${JSON.stringify(step)}: ${said}`)
      }
  const names = [...world.ledger.objects.keys()].map(nameOf)
  const context = {
    vault: { store: world.place.store, layout, trusted: [] },
    clock: clockOf(() => world.nowMs),
    policy,
    state: forgetful,
    replaced: () => Promise.resolve([]),
  }
  const { backups, verdict } = await list(context, { tier: undefined, maxAgeMs: undefined })
  const count = (tier: string): number =>
    backups.filter((backup) => backup.tier === tier && ['complete', 'unverified-older'].includes(backup.state)).length
  say(
    row([
      new Date(world.nowMs).getUTCFullYear(),
      tally.nights,
      tally.nights - tally.committed,
      tally.struck,
      tally.removed,
      count('daily'),
      count('monthly'),
      backups.filter(({ state }) => state === 'orphan').length,
      names.filter((name) => name?.what === 'drill').length,
      names.filter((name) => name?.what === 'ack').length,
      world.ledger.objects.size,
      Math.round([...world.ledger.objects.values()].reduce((sum, bytes) => sum + bytes.length, 0) / 1000),
      verdict.missingMonths.join(' ') || 'none',
    ]),
  )
}
say(broken === 0 ? 'The promise held after every step.' : `The promise was broken ${String(broken)} times.`)
process.exitCode = broken === 0 ? 0 : 1
