import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inMemory } from '../support/nights/places.ts'
import { play } from '../support/nights/play.ts'
import { historyOf, type Liberties } from '../support/nights/steps.ts'
import { newTally } from '../support/nights/tally.ts'

/**
 * Random histories of up to ten years on the twin in memory: failing nights, ruined databases, a crash between any two
 * operations of the store, replaced backups, wrong clocks, foreign objects, damage. After each step the promise
 * (support/nights/promise.ts) is held against what the ledger saw at the store itself.
 *
 * A failing case prints its seed and the smallest history that still fails. NIGHTS_SEED plays one again, NIGHTS_HISTORIES
 * plays more than the hundreds that there is time for here.
 */
const numRuns = Number(process.env['NIGHTS_HISTORIES'] ?? 120)
const seed = process.env['NIGHTS_SEED']

describe('the promise holds after every step of any history', () => {
  test.each<[string, Liberties, number]>([
    ['while the clock of the server is right', { serverClock: 'right' }, 50],
    ['while it may be behind', { serverClock: 'back' }, 30],
    ['while it may be behind or ahead, by up to two years', { serverClock: 'any' }, 30],
  ])(
    '%s',
    async (_what, liberties, maxSteps) => {
      const tally = newTally()
      await fc.assert(
        fc.asyncProperty(historyOf(liberties, maxSteps), async (history) => {
          await play(history, inMemory, tally)
        }),
        { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }) },
      )
      // A model in which nothing happens would hold as well.
      expect(Object.entries(tally).filter(([, count]) => count < numRuns / 10)).toEqual([])
    },
    600_000 * Math.max(1, numRuns / 120),
  )
})
