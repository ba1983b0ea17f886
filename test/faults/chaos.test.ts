import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { daysBefore, utcDate } from '../../src/domain/calendar.ts'
import { chaosInBucket, chaosInFolder, type ChaosFault, type StruckNight } from '../support/chaos-place.ts'
import { hostOf } from '../support/drills.ts'
import { cutSessions, endOf, monthlyIsMissing, send, startAt } from '../support/faults.ts'
import { eventually, processesOf } from '../support/faulty-programs.ts'
import { asAt } from '../support/other-days.ts'
import { asking, newDatabase } from '../support/postgres.ts'
import { completeKeys } from '../support/soundness.ts'
import { runTool, type Ended } from '../support/tool.ts'

/**
 * Nights in a row, each a day later, as chance has it: most are good, some meet a trouble, some are slept through; an
 * application writes all the time. After each night what is there is sound, and nothing is gone but what the policy removes.
 * The troubles are the faults of the plan that a run meets, and what comes at any moment.
 * `npm run chaos -- --seed N --nights 1000 --store bucket` plays more of them; the same seed gives the same nights.
 */
const nights = Number(process.env['CHAOS_NIGHTS'] ?? '6')
const store = process.env['CHAOS_STORE'] ?? 'folder'
const seed = Number(process.env['CHAOS_SEED'] ?? String(Date.now() % 1_000_000))

/** mulberry32. */
const chance = ((state: number) => (): number => {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
})(seed)
const upTo = (count: number): number => Math.floor(chance() * count)

interface Night extends StruckNight {
  readonly url: string
}

interface Trouble {
  readonly name: string
  /** Exit statuses that it may come to; undefined: killed. */
  readonly exits: readonly (number | undefined)[]
  readonly night: (night: Night) => Promise<Ended>
}

/** A fault of the plan: what it comes to is told there. One that has found nothing to strike leaves a good night. */
const planned = ({ name, told, strike }: ChaosFault): Trouble => ({
  name,
  exits: [told.exit, 0],
  night: async (night) => {
    const { ended, hasFired } = await strike(night)
    if (told.exit !== 0 && hasFired !== undefined)
      expect(hasFired, `${name}: ${ended.stderr}`).toBe(ended.exitCode !== 0)
    return ended
  },
})

const after = (
  ms: () => number,
  name: string,
  exits: Trouble['exits'],
  strike: (night: Night, running: ReturnType<typeof startAt>) => unknown,
): Trouble => ({
  name,
  exits,
  night: async (night) => {
    const running = night.run()
    const state = { isOver: false }
    const end = endOf(running).finally(() => {
      state.isOver = true
    })
    // A night that was faster than its trouble was a good one.
    const [ended] = await Promise.all([
      end,
      pause(ms()).then(() => (state.isOver ? undefined : strike(night, running))),
    ])
    return ended
  },
})

const sometime = (): number => 50 + upTo(900)

/** What comes at any moment, and not by an event: every fourth trouble. The others are faults of the plan. */
const atAnyMoment: readonly Trouble[] = [
  after(sometime, 'it is killed', [0, undefined], (_night, running) => {
    send(running, 'SIGKILL')
  }),
  // Stopped before it has begun to listen, it has no status of its own.
  after(sometime, 'it is stopped', [0, 143, undefined], (_night, running) => {
    send(running, 'SIGTERM')
  }),
  after(sometime, 'its sessions are cut', [0, 75], ({ url }) => cutSessions(url)),
  {
    name: 'a table is locked',
    exits: [75],
    night: ({ url, run }) =>
      asking(url, async (client) => {
        await client.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE')
        const ended = await endOf(run({ BACKUP_LOCK_SECONDS: '1' }))
        await client.query('COMMIT')
        return ended
      }),
  },
]

/** People come in, and their records are changed, as long as the work lasts. */
const whileApplicationWrites = async (url: string, work: () => Promise<void>): Promise<number> => {
  const end = { now: false }
  let writes = 0
  const application = asking(url, async (client) => {
    while (!end.now) {
      await client.query(`INSERT INTO users (name) SELECT md5(random()::text)`)
      await client.query(`UPDATE users SET name = name || 'x' WHERE id = 1 + (random() * 20)::int`)
      writes += 2
      await pause(20)
    }
  })
  try {
    await work()
  } finally {
    end.now = true
    await application
  }
  return writes
}

const dayOf = (key: string): string => /(\d{4}-\d{2}-\d{2})-/.exec(key)?.[1] ?? ''
const monthOf = (key: string): string => /(\d{4}-\d{2})-/.exec(key)?.[1] ?? ''
const isDaily = (key: string): boolean => key.startsWith('backups/daily/')

/** There is another one of that day; or it is older than a week, and enough newer ones and a monthly are there. */
const mayBeGone = (key: string, now: readonly string[], today: string): boolean => {
  const days = now.filter(isDaily).map(dayOf)
  const hasMonthly = now.some((other) => !isDaily(other) && monthOf(other) === monthOf(key))
  const isOld = dayOf(key) <= daysBefore(today, 7) && days.filter((day) => day > dayOf(key)).length >= 3
  return isDaily(key) && (days.includes(dayOf(key)) || (isOld && hasMonthly))
}

test(
  `${String(nights)} nights as chance has it, seed ${String(seed)}, in a ${store}`,
  { timeout: 60_000 + nights * 30_000 },
  async () => {
    process.stderr.write(`chaos: seed ${String(seed)}, ${String(nights)} nights in a ${store}\n`)
    const port = inject('pgPort')
    // As the database of the plan, and a fortieth of it.
    const url = await newDatabase(port, {
      sql: `CREATE TABLE respondents AS SELECT g AS id, encode(sha256(g::text::bytea), 'hex') || encode(sha256((-g)::text::bytea), 'hex') AS notes
            FROM generate_series(1, 1500) g;
          CREATE TABLE users (id serial PRIMARY KEY, name text);
          INSERT INTO users (name) SELECT md5(g::text) FROM generate_series(1, 100) g;
          CREATE INDEX last_of_all ON users (name)`,
    })
    const maintenance = await newDatabase(port)
    const place = store === 'bucket' ? await chaosInBucket(port, url) : await chaosInFolder(port, url)
    const { site: plain, expectSound } = place
    const troubles = place.faults.map(planned)
    const tally = new Map<string, number>()
    const count = (what: string): void => void tally.set(what, (tally.get(what) ?? 0) + 1)
    let date = new Date('2027-01-28T01:00:00Z')
    let good: readonly string[] = []
    const months = new Set<string>()

    const oneNight = async (number: number): Promise<void> => {
      const site = { ...plain, environment: { ...plain.environment, ...asAt(date) } }
      const today = utcDate(date)
      const run: Night['run'] = (more) => startAt(site, ['run', '--replace'], more)
      await place.setClock(date)
      const [isTroubled, isAtAnyMoment, which] = [chance() < 0.45, chance() < 0.25, chance()]
      const among = isAtAnyMoment ? atAnyMoment : troubles
      const trouble = isTroubled ? among[Math.floor(which * among.length)] : undefined
      // Drawn whether or not it is needed: how a night ends must not change the nights after it.
      const isTriedAgain = chance() < 0.8
      const label = `seed ${String(seed)}, night ${String(number)} (${today}): ${trouble?.name ?? 'nothing happens'}`
      let isStruck = trouble !== undefined
      let ended = trouble === undefined ? await endOf(run()) : await trouble.night({ site, url, run })
      count(trouble?.name ?? 'nothing happens')
      expect(trouble?.exits ?? [0], `${label}\n${ended.stderr}`).toContain(ended.exitCode)
      await eventually(`${label}: the end of all that it started`, async () => (await processesOf(site)).length === 0)
      await rm(join(site.folder, 'programs'), { recursive: true, force: true })
      if (ended.exitCode !== 0) {
        count('failed')
        await expectSound(site, good)
        // The timer tries again; now and then all attempts of a night fail.
        if (isTriedAgain) {
          isStruck = false
          ended = await endOf(run())
          expect(ended.exitCode, `${label}, tried again\n${ended.stderr}`).toBe(0)
        }
      }
      const now = await completeKeys(site)
      if (ended.exitCode === 0) {
        expect(now.map(dayOf), label).toContain(today)
        // Each month that had a good night has a monthly; where its trouble came after the backup, the night says so, and the next one makes it.
        if (isStruck && monthlyIsMissing.test(ended.stderr)) count('its monthly waits')
        else months.add(today.slice(0, 7))
        for (const month of months)
          expect(now.filter((key) => !isDaily(key)).map(monthOf), `${label}\n${ended.stderr}`).toContain(month)
      }
      for (const key of good)
        expect(now.includes(key) || mayBeGone(key, now, today), `${label}: ${key} is gone`).toBe(true)
      good = now
      await expectSound(site, good)
      if (number % 10 === 0 && good.length > 0) {
        const host = hostOf(site, { VERIFY_DATABASE_URL: maintenance })
        const drill = await runTool(['verify'], host)
        expect(drill.exitCode, `${label}: drill\n${drill.stderr}${drill.stdout}`).toBe(0)
        count('drills')
      }
      // Now and then the machine is off for some days.
      const off = chance() < 0.04 ? 1 + upTo(5) : 0
      if (off > 0) count('machine off')
      date = new Date(date.getTime() + (1 + off) * 86_400_000)
    }

    const writes = await whileApplicationWrites(url, async () => {
      for (let number = 1; number <= nights; number += 1) {
        await oneNight(number)
        if (number % 100 === 0) process.stderr.write(`chaos: ${String(number)} nights, nothing lost\n`)
      }
    })
    expect(writes).toBeGreaterThan(nights)
    process.stderr.write(
      `chaos: ${[...tally].map(([what, times]) => `${what} ${String(times)}`).join(', ')}; ${String(good.length)} backups in the end; ${String(writes)} writes of the application\n`,
    )
  },
)
