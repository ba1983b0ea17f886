import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keysIn, newBucket, startBuckets, type Buckets } from '../support/buckets.ts'
import { nameOf } from '../support/nights/calendar.ts'
import { inMemory } from '../support/nights/places.ts'
import { play } from '../support/nights/play.ts'
import { inBucket, inFolder } from '../support/nights/real-places.ts'
import { foreignNames, historyOf, type History, type Step } from '../support/nights/steps.ts'
import { newTally } from '../support/nights/tally.ts'
import type { Place, World } from '../support/nights/world.ts'
import { filesUnder, newFolder } from '../support/tool.ts'

/**
 * Some of the histories of test/property/nights.test.ts on the real stores: the promise is checked after every step there
 * as well, and in the end each holds what its twin in memory holds, so that what thousands of histories showed on the twin
 * is true of them.
 */
const cut = (at: number, kind: 'fault' | 'kill', effect: 'none' | 'half' | 'whole'): Step => ({
  do: 'night',
  trouble: { at: 'the store', store: { kind, counted: 'writes', at, effect } },
})
/** A little of everything, the store failing and dying at each of a night's writes. */
const everything: History = {
  trusted: true,
  sealed: true,
  serverPrunes: true,
  olderDays: 9,
  startDay: 27,
  pace: 1,
  steps: [
    { do: 'foreign', name: 0 },
    { do: 'nights', count: 2 },
    cut(1, 'kill', 'half'),
    cut(2, 'kill', 'whole'),
    cut(3, 'fault', 'half'),
    cut(3, 'kill', 'whole'),
    { do: 'again', hours: 3, replace: true },
    { do: 'lose', kind: 'users' },
    { do: 'nights', count: 2 },
    { do: 'accept' },
    { do: 'rot', pick: 1 },
    cut(4, 'kill', 'none'),
    { do: 'nights', count: 4 },
    { do: 'prune', clockMs: -3_600_000 },
    cut(4, 'fault', 'whole'),
    { do: 'night', trouble: { at: 'the server', server: 'dump-is-cut' } },
    { do: 'nights', count: 3 },
  ],
}
const histories: readonly History[] = [
  everything,
  ...fc
    .sample(historyOf({ serverClock: 'any' }, 12), { numRuns: 100, seed: 20260224 })
    .map((history): History => ({ ...history, trusted: false, steps: history.steps.filter(isForAnyStore) }))
    .filter(({ steps }) => steps.some((step) => 'trouble' in step)),
]

/** A folder takes `a//b` and `a/./b` for `a/b`, and has no room for a thing below a file. */
function isForAnyStore(step: Step): boolean {
  return step.do !== 'foreign' || !/\/\/|\/\.|\/part$/.test(foreignNames[step.name] ?? '')
}

let buckets: Buckets
beforeAll(async () => {
  buckets = await startBuckets()
})
afterAll(() => buckets.stop())

interface Played {
  readonly open: (now: () => Date) => Place
  /** Every name in the place, read behind the store's back. */
  readonly names: () => Promise<readonly string[]>
}
const places: readonly [string, number, () => Promise<Played>][] = [
  [
    'a folder',
    6,
    async () => {
      const root = await newFolder()
      return { open: inFolder(root), names: () => filesUnder(root) }
    },
  ],
  [
    'a bucket of radosgw',
    2,
    async () => {
      const bucket = await newBucket(buckets)
      return { open: inBucket(buckets, bucket), names: () => keysIn(buckets, bucket) }
    },
  ],
]

/** Data byte for byte; a manifest says where it lies, and so differs. */
const dataOf = (world: World) =>
  [...world.ledger.objects].filter(([key]) => nameOf(key)?.what === 'data').toSorted(([a], [b]) => (a < b ? -1 : 1))

const reached = newTally()
afterAll(() => {
  // Nights in which nothing happens would be the same everywhere.
  expect(Object.entries(reached).filter(([, times]) => times < 1)).toEqual([])
})

describe.each(places)('the same nights in %s and in its twin', (_where, howMany, newPlace) => {
  test.each(histories.slice(0, howMany).map((history, at) => [at + 1, history] as const))(
    'history %d leaves the same',
    async (_at, history) => {
      const { open, names } = await newPlace()
      const real = await play(history, open, reached)
      const twin = await play(history, inMemory)
      expect((await names()).filter((name) => !name.endsWith('.unfinished')).toSorted()).toEqual(
        [...twin.ledger.objects.keys()].toSorted(),
      )
      expect(dataOf(real)).toEqual(dataOf(twin))
      expect(await uploadsOf(real)).toEqual(await uploadsOf(twin))
    },
    120_000,
  )
})

const uploadsOf = async (world: World) =>
  (await world.leftOver()).uploads.map(({ key, startedAt }) => `${key} ${startedAt.toISOString()}`).toSorted()
