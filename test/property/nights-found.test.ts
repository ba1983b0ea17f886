import { describe, expect, test } from 'vitest'
import { olderDaily } from '../support/older-backups.ts'
import { dayMs, dayText } from '../support/nights/calendar.ts'
import { inMemory } from '../support/nights/places.ts'
import { perform } from '../support/nights/play.ts'
import { broken } from '../support/nights/promise.ts'
import type { Step } from '../support/nights/steps.ts'
import { World, type Setting } from '../support/nights/world.ts'

/** What the model of nights.test.ts has found: the smallest history of each, for itself. */

const setting: Setting = {
  trusted: false,
  sealed: true,
  serverPrunes: true,
  olderDays: 0,
  pace: 1,
  startDay: 0,
}
const worldAfter = async (more: Partial<Setting>, ...steps: readonly Step[]): Promise<World> => {
  const world = await World.begin({ ...setting, ...more }, inMemory)
  for (const step of steps) expect(await perform(world, step)).toEqual([])
  return world
}
const nights = (count: number): Step[] => Array.from({ length: count }, () => ({ do: 'night' }))
const suspectsOf = async (world: World): Promise<readonly string[]> => [...(await world.listing()).suspicions.keys()]

describe('the model has found that', () => {
  // The daily of 3 January stays, because the previous system made the monthly; the accepted one of 4 January goes after a
  // week, and with it all that the acceptance stood for: every night from then on is ruined again, and all is held.
  test('an acceptance outlives the backup that was accepted', async () => {
    const world = await worldAfter(
      { olderDays: 1, startDay: 1 },
      { do: 'night' },
      { do: 'lose', kind: 'users' },
      { do: 'night' },
      { do: 'accept' },
    )
    for (const step of nights(8)) await perform(world, step)
    expect(await suspectsOf(world)).toEqual([])
  })

  test('an acceptance outlives the replacement of the backup that was accepted', async () => {
    const world = await worldAfter(
      {},
      { do: 'night' },
      { do: 'lose', kind: 'users' },
      { do: 'night' },
      { do: 'accept' },
      { do: 'again', hours: 1, replace: true },
    )
    expect(await suspectsOf(world)).toEqual([])
  })

  // Its manifest holds the iv and the tag without which nobody can decrypt it.
  test('a run leaves a backup of the previous system of the same day alone', async () => {
    const world = await worldAfter({})
    const files = olderDaily({
      date: dayText(world.nowMs),
      sql: Buffer.from(Array.from({ length: 60 }, (_, n) => `SELECT ${String(n * 7919)};\n`).join('')),
      encryption: 'ab'.repeat(32),
    })
    for (const { key, bytes } of files) await world.plant(key, bytes)
    world.ledger.plantOlder(files)
    await world.run({ replace: false })
    expect(world.ledger.wrongs).toEqual([])
    expect(world.ledger.objects.get(files[1].key)).toEqual(files[1].bytes)
  })

  // The gap before the newest backup tells of a jump; what the previous system left counts for the gap too.
  test('the first night of ours, with a wrong clock, lets go nothing of the previous system', async () => {
    const world = await worldAfter({ olderDays: 6 })
    world.passToNight()
    await world.run({ replace: false, clockMs: 30 * dayMs })
    const { nowMs } = world
    expect(broken(world.ledger, { nowMs, shownMs: nowMs, calendarMs: nowMs, trusted: false })).toEqual([])
  })

  test('a manifest of today that cannot be read does not keep today without a backup', async () => {
    const world = await worldAfter({}, { do: 'night' })
    const [daily] = world.ledger.present()
    if (daily === undefined) throw new Error('there is no daily')
    daily.state = 'damaged'
    await world.plant(daily.manifestKey, daily.manifest.subarray(0, 100))
    world.passHours(1)
    const { thrown } = await world.run({ replace: false })
    expect(thrown).toBeUndefined()
  })

  // Between them lay a repair that no backup had seen; and so the users of 1 February would have been let go for ever.
  test('an acceptance of one loss is none of another, of the night before', async () => {
    const world = await worldAfter(
      { startDay: 29 },
      { do: 'night' },
      { do: 'lose', kind: 'users' },
      { do: 'night' },
      { do: 'repair' },
      { do: 'night', trouble: { at: 'the server', server: 'no-connection' } },
      { do: 'lose', kind: 'notes' },
      { do: 'night' },
      { do: 'accept' },
      { do: 'night' },
    )
    expect(await suspectsOf(world)).toEqual(['backups/daily/2026-02-01-app_db.sql.gz.age'])
  })

  test('a person who asks for tonight once more, on ruins, does not lose the good one', async () => {
    const world = await worldAfter({}, { do: 'night' }, { do: 'lose', kind: 'users' })
    const { thrown } = await world.run({ replace: true })
    expect(thrown).toMatchObject({ code: 'refused' })
    expect(world.ledger.wrongs).toEqual([])
    // The good one of tonight and its month's, and nothing of the new one.
    expect(world.ledger.present().map(({ tier }) => tier)).toEqual(['daily', 'monthly'])
    expect((await world.leftOver()).objects).toHaveLength(4)
  })

  test('a run whose manifest has arrived is a success, whatever became of the answer', async () => {
    const world = await worldAfter({})
    const { thrown } = await world.run({
      replace: false,
      trouble: { at: 'the store', store: { kind: 'fault', counted: 'writes', at: 2, effect: 'whole' } },
    })
    expect(thrown).toBeUndefined()
    expect(world.ledger.present().map(({ tier }) => tier)).toContain('daily')
  })

  // In May there are ruins alone. When the good backup of January is let go, nothing is left to compare them with.
  test('ruins do not become good when what they were compared with is gone', async () => {
    await worldAfter(
      {},
      { do: 'night' },
      { do: 'lose', kind: 'users' },
      { do: 'days without', days: 121 },
      ...nights(2),
      { do: 'repair' },
      { do: 'days without', days: 27 },
      ...nights(6),
    )
  })
})
