import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { daysBefore } from '../../src/domain/calendar.ts'
import { dataKey } from '../support/builders.ts'
import { copyOf, drillSiteFor, keptSite } from '../support/drills.ts'
import { runAt, sessionsEnd, startAt } from '../support/faults.ts'
import { eventually } from '../support/faulty-programs.ts'
import { dueToday, killWhen, olderByThreeDays, oneOfThemToday, tellKills } from '../support/kills.ts'
import { modelOf, plant } from '../support/planted.ts'
import { newDatabase, query } from '../support/postgres.ts'
import { completeKeys, expectSound } from '../support/soundness.ts'
import { startStatementProxy, type Passing, type StatementProxy } from '../support/statement-proxy.ts'
import { filesUnder, manifestsOf, newSite, runTool, type Environment, type Site } from '../support/tool.ts'

/**
 * A night, a promotion, a pruning and a drill are killed at each statement, with all that they have started: before the server hears of it, and
 * of our own also when the server has answered and nobody knows. Two that are left alone tell which statements there are.
 * The store is then sound, nothing of ours is left at the server that stays, and the next one succeeds at once.
 */
let kept: Awaited<ReturnType<typeof keptSite>>
let databaseUrl: string
beforeAll(async () => {
  databaseUrl = await newDatabase(inject('pgPort'), {
    sql: `CREATE TABLE users AS SELECT g AS id, md5(g::text) AS name FROM generate_series(1, 100) g;
          CREATE TABLE submissions (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())`,
  })
  kept = await keptSite(databaseUrl)
  const ran = await runTool(['run'], kept.site.environment)
  expect(ran.exitCode, ran.stderr).toBe(0)
})
afterAll(() => kept.remove())

interface Point {
  readonly passing: Passing
  readonly when: 'before' | 'after'
}
const labelOf = (command: string, { passing, when }: Point): string =>
  `${command}, killed ${when} ${JSON.stringify(passing)}`

/** Who waits for it, a command asks every few seconds beside its work: how often, is never the same. */
const isBesides = ({ text }: Passing): boolean => text.startsWith('WITH ours AS')
const isNowAndThen = (passing: Passing): boolean => isBesides(passing) && passing.nth > 0

/** Those that both runs have made. */
const pointsOf = async (proxy: StatementProxy, counted: () => Promise<unknown>): Promise<readonly Point[]> => {
  const passings: (readonly Passing[])[] = []
  for (let turn = 0; turn < 2; turn += 1) {
    proxy.taken()
    await counted()
    passings.push(proxy.taken())
  }
  const [first = [], second = []] = passings
  const again = new Set(second.map((passing) => JSON.stringify(passing)))
  return first
    .filter((passing) => again.has(JSON.stringify(passing)) && !isNowAndThen(passing))
    .flatMap((passing) => [
      { passing, when: 'before' },
      ...(passing.by === 'ours' ? [{ passing, when: 'after' } as const] : []),
    ])
}

const portOf = (url: string, port: number): string => Object.assign(new URL(url), { port: String(port) }).href

const killAt = async (proxy: StatementProxy, site: Site, args: readonly string[], point: Point, label: string) => {
  const reached = proxy.stopAt(point.passing, point.when)
  await killWhen(site, startAt(site, args), reached, label)
  proxy.reset()
}

const withMore = (site: Site, more: Environment): Site => ({ ...site, environment: { ...site.environment, ...more } })

const succeeds = async (site: Site, args: readonly string[], label: string): Promise<string> => {
  const ended = await runAt(site, args)
  expect(ended.exitCode, `${label}: ${ended.stderr}`).toBe(0)
  return ended.stderr
}

test(
  'a night that is killed at any statement leaves a sound store and a free lock',
  { timeout: 3_600_000 },
  async () => {
    const proxy = await startStatementProxy(inject('pgPort'))
    const anew = async (): Promise<Site> =>
      withMore(await copyOf(kept.site), { DATABASE_URL: portOf(databaseUrl, proxy.port) })
    const all = await pointsOf(proxy, async () => succeeds(await anew(), ['run', '--replace'], 'counted'))
    const points = dueToday(all, 200)
    for (const point of points) {
      const label = labelOf('run', point)
      const site = await anew()
      await killAt(proxy, site, ['run', '--replace'], point, label)
      await expectSound(site)
      // The day has its backup, and the month has: the earlier ones, or those of the killed night.
      expect(await manifestsOf(site), label).toHaveLength(2)
      await sessionsEnd(databaseUrl)
      await succeeds(site, ['run', '--replace'], label)
      await olderByThreeDays(site)
      await succeeds(site, ['prune'], label)
      const left = (await filesUnder(site.store)).filter((name) => !name.endsWith('-manifest.json'))
      expect(left, label).toEqual((await completeKeys(site)).toSorted())
      expect(left, label).toHaveLength(2)
    }
    tellKills('run', points.length, `${String(all.length)}, at its statements`)
  },
)

describe('killed at any statement, it loses nothing, and its next one does what it would have done', () => {
  test.each(oneOfThemToday(['promote', 'prune']))('%s', { timeout: 3_600_000 }, async (command) => {
    const proxy = await startStatementProxy(inject('pgPort'))
    const model = await modelOf(await newSite(databaseUrl))
    const days = await plant(model, [40, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    // What has no monthly yet is not removed.
    if (command === 'prune') await succeeds(model.site, ['promote'], 'before')
    const anew = async (): Promise<Site> =>
      withMore(await copyOf(model.site), { DATABASE_URL: portOf(databaseUrl, proxy.port) })
    const left = { alone: [] as readonly string[] }
    const counted = await pointsOf(proxy, async () => {
      const site = await anew()
      await succeeds(site, [command], 'counted')
      left.alone = await filesUnder(site.store)
    })
    // It is over in so short a time that it may have ended when the first of these comes.
    const all = counted.filter(({ passing }) => !isBesides(passing))
    expect(left.alone).not.toEqual(await filesUnder(model.site.store))
    const stays = days.filter((day) => command === 'promote' || day >= daysBefore(model.today, 6))
    const points = dueToday(all, 8)
    for (const point of points) {
      const label = labelOf(command, point)
      const site = await anew()
      await killAt(proxy, site, [command], point, label)
      await expectSound(
        site,
        stays.map((day) => dataKey(day)),
      )
      await sessionsEnd(databaseUrl)
      await succeeds(site, [command], label)
      const isHalf = (name: string): boolean => name.endsWith('.unfinished')
      const found = await filesUnder(site.store)
      expect(
        found.filter((name) => !isHalf(name)),
        label,
      ).toEqual(left.alone)
      await olderByThreeDays(site)
      await succeeds(site, ['prune'], label)
      expect((await filesUnder(site.store)).filter(isHalf), label).toEqual([])
    }
    tellKills(command, points.length, `${String(all.length)}, at its statements`)
  })
})

test(
  'a drill that is killed at any statement leaves nothing that its next one does not remove',
  { timeout: 3_600_000 },
  async () => {
    const proxy = await startStatementProxy(inject('pgPort'))
    const place = await drillSiteFor(await copyOf(kept.site))
    const maintenance = place.environment['VERIFY_DATABASE_URL'] ?? ''
    const site: Site = {
      ...place.site,
      environment: { ...place.environment, VERIFY_DATABASE_URL: portOf(maintenance, proxy.port) },
    }
    const all = await pointsOf(proxy, async () => succeeds(site, ['verify'], 'counted'))
    const points = dueToday(all, 200)
    for (const point of points) {
      const label = labelOf('verify', point)
      await killAt(proxy, site, ['verify'], point, label)
      await expectSound(site)
      await sessionsEnd(maintenance)
      await eventually('the end of all sessions in its databases', async () => {
        const sql = 'SELECT FROM pg_stat_activity WHERE starts_with(datname, $1)'
        return (await query(maintenance, sql, [place.prefix])).length === 0
      })
      const behind = await place.leftovers()
      const said = await succeeds(site, ['verify'], label)
      for (const name of behind) expect(said, label).toContain(`${name}, which a killed drill had left`)
      expect(await place.leftovers(), label).toEqual([])
    }
    tellKills('verify', points.length, `${String(all.length)}, at its statements`)
  },
)
