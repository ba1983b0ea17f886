import { expect, inject, test, vi } from 'vitest'
import { send, sessionsEnd, startAt } from '../support/faults.ts'
import { eventually, processesOf } from '../support/faulty-programs.ts'
import { dueToday, tellKills, timeOfKills } from '../support/kills.ts'
import { newDatabase, query, urlOf } from '../support/postgres.ts'
import { startStatementProxy, type Passing, type Speaker, type StatementProxy } from '../support/statement-proxy.ts'
import { manifestsOf, newSite, runTool, withIdentity, type Site } from '../support/tool.ts'

/**
 * A restore, killed at every step: a first one that is left alone tells which statements there are; then for each of them one
 * is begun and killed when that statement comes. Over a database that holds anything: what has the target's name is then the
 * old database whole, or the new one whole, the application can log in and read, and the next restore removes what the killed
 * one left, and nothing else. Into an empty one: it is empty or whole, and an empty one can be filled at once.
 */

/** What is only waited with: how often, is never the same. */
const isNowAndThen = ({ text }: Passing): boolean =>
  text.includes('pg_terminate_backend') || text.startsWith('SELECT pid FROM') || text.includes('ours.pids')

/** How often one of its kind is killed at on a day: of what psql and pg_dump say there is much that is alike. */
type Kind = 'rows' | Speaker
const oneIn: readonly (readonly [Kind, number])[] = [
  ['rows', 4],
  ['ours', 4],
  ['load', 24],
  ['pg_dump', 100],
]
const kindOf = ({ by, text }: Passing): Kind => (text === 'COPY data' ? 'rows' : by)
const isTurningPoint = ({ by, text }: Passing): boolean =>
  by === 'ours' && /^(COMMIT|CREATE DATABASE|DROP DATABASE|ALTER DATABASE|GRANT|BEGIN)/.test(text)

interface Point {
  readonly passing: Passing
  readonly when: 'before' | 'after'
}

/** Before each statement that passed, and after each turning point. */
const pointsOf = (passings: readonly Passing[]): readonly Point[] => {
  const once = new Map(
    passings.filter((passing) => !isNowAndThen(passing)).map((passing) => [JSON.stringify(passing), passing]),
  )
  return [...once.values()].flatMap((passing) => [
    { passing, when: 'before' as const },
    ...(isTurningPoint(passing) ? [{ passing, when: 'after' as const }] : []),
  ])
}

/** Each turning point every time; of all others, some. */
const dueOf = (all: readonly Point[]): readonly Point[] => {
  const others = all.filter(({ passing }) => !isTurningPoint(passing))
  return [
    ...all.filter(({ passing }) => isTurningPoint(passing)),
    ...oneIn.flatMap(([kind, many]) =>
      dueToday(
        others.filter(({ passing }) => kindOf(passing) === kind),
        many,
      ),
    ),
  ]
}

/** Whether it came to the point; when this is over, so are all its children. */
const killedAt = async (
  proxy: StatementProxy,
  site: Site,
  { passing, when }: Point,
  start: () => ReturnType<typeof startAt>,
): Promise<boolean> => {
  const reached = proxy.stopAt(passing, when)
  const running = start()
  const isReached = await Promise.race([reached.then(() => true), running.then(() => false)])
  if (isReached) send(running, 'SIGKILL')
  await running
  proxy.reset()
  await eventually('the end of all children', async () => (await processesOf(site)).length === 0)
  return isReached
}

vi.setConfig({ testTimeout: timeOfKills(600_000) })

test('killed at any statement, a restore leaves the old database whole or the new one whole', async () => {
  const server = urlOf(inject('pgPort'), 'postgres')
  const role = `app_killed_${String(process.pid)}`
  await query(server, `CREATE ROLE ${role} LOGIN`)
  const url = await newDatabase(inject('pgPort'), {
    sql: `CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users SELECT g, g || '@oyo.example' FROM generate_series(1, 3) g;
          CREATE TABLE submissions AS SELECT g AS id FROM generate_series(1, 50) g; CREATE INDEX by_id ON submissions (id);
          GRANT SELECT ON users TO ${role};`,
  })
  const database = new URL(url).pathname.slice(1)
  // Nearly ours by their names, and somebody else's.
  const strangers = [`${database}_restore_old`, `${database}_restored`, `${database}x_restore_20260302t031500z`]
  for (const stranger of strangers) await query(server, `CREATE DATABASE ${stranger}`)
  const site = await newSite(url)
  expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
  expect(await manifestsOf(site)).toHaveLength(2)
  const proxy = await startStatementProxy(inject('pgPort'))
  const start = () =>
    startAt(site, ['restore', '--latest', '--confirm', '--target-db', urlOf(proxy.port, database)], withIdentity(site))
  const ruin = () => query(url, `CREATE TABLE IF NOT EXISTS ruined (); DELETE FROM users WHERE id > 1`)
  const state = async (): Promise<'old' | 'new' | 'neither'> => {
    // As the application: it must be able to log in and to read.
    const [found] = await query<{ users: number; ruined: boolean }>(
      urlOf(inject('pgPort'), database, role),
      `SELECT count(*)::int AS users, to_regclass('ruined') IS NOT NULL AS ruined FROM users`,
    )
    if (found?.ruined === true && found.users === 1) return 'old'
    const indexed = await query(url, `SELECT FROM pg_indexes WHERE indexname = 'by_id'`)
    const [submissions] = await query<{ n: number }>(url, 'SELECT count(*)::int AS n FROM submissions')
    return found?.ruined === false && found.users === 3 && indexed.length === 1 && submissions?.n === 50
      ? 'new'
      : 'neither'
  }

  await ruin()
  expect(await start()).toMatchObject({ exitCode: 0 })
  expect(await state()).toBe('new')
  const all = pointsOf(proxy.taken())
  expect(all.length).toBeGreaterThan(60)
  const points = dueOf(all)

  const outcomes = { old: 0, new: 0, notReached: 0 }
  for (const { passing, when } of points) {
    await ruin()
    if (!(await killedAt(proxy, site, { passing, when }, start))) outcomes.notReached += 1
    const found = await state()
    expect(found, `killed ${when} ${JSON.stringify(passing)}`).not.toBe('neither')
    if (found !== 'neither') outcomes[found] += 1
  }
  expect(outcomes.notReached).toBeLessThan(5)
  expect(outcomes.old).toBeGreaterThan(points.length / 2)
  // After the swap's own COMMIT, at least.
  expect(outcomes.new).toBeGreaterThan(0)
  tellKills('restore', points.length - outcomes.notReached, `${String(all.length)}, at its statements`)

  await ruin()
  expect(await start()).toMatchObject({ exitCode: 0 })
  const left = await query<{ datname: string }>(
    server,
    `SELECT datname FROM pg_database WHERE datname ~ '_restore' AND starts_with(datname, $1) ORDER BY 1`,
    [database],
  )
  expect(left.map(({ datname }) => datname)).toEqual(strangers.toSorted())
})

test('killed at any statement, a restore into an empty database leaves it empty or whole', async () => {
  const source = await newDatabase(inject('pgPort'), {
    sql: `CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users SELECT g, g || '@oyo.example' FROM generate_series(1, 3) g;
          CREATE TABLE submissions AS SELECT g AS id FROM generate_series(1, 50) g; CREATE INDEX by_id ON submissions (id)`,
  })
  const site = await newSite(source)
  expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
  const proxy = await startStatementProxy(inject('pgPort'))
  const into = (url: string) => {
    const target = urlOf(proxy.port, new URL(url).pathname.slice(1))
    return startAt(site, ['restore', '--latest', '--target-db', target], withIdentity(site))
  }
  const stateOf = async (url: string): Promise<'empty' | 'whole' | 'neither'> => {
    const [objects] = await query<{ n: number }>(
      url,
      `SELECT count(*)::int AS n FROM pg_class WHERE relnamespace = 'public'::regnamespace`,
    )
    if (objects?.n === 0) return 'empty'
    const [found] = await query<{ users: number; submissions: number; indexes: number }>(
      url,
      `SELECT (SELECT count(*) FROM users)::int AS users, (SELECT count(*) FROM submissions)::int AS submissions,
              (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public')::int AS indexes`,
    )
    return found?.users === 3 && found.submissions === 50 && found.indexes === 2 ? 'whole' : 'neither'
  }

  const alone = await newDatabase(inject('pgPort'))
  proxy.taken()
  expect(await into(alone)).toMatchObject({ exitCode: 0 })
  expect(await stateOf(alone)).toBe('whole')
  const all = pointsOf(proxy.taken())
  expect(all.length).toBeGreaterThan(20)

  const outcomes = { empty: 0, whole: 0, notReached: 0 }
  const points = dueOf(all)
  for (const { passing, when } of points) {
    const label = `killed ${when} ${JSON.stringify(passing)}`
    const url = await newDatabase(inject('pgPort'))
    if (!(await killedAt(proxy, site, { passing, when }, () => into(url)))) outcomes.notReached += 1
    await sessionsEnd(url)
    const found = await stateOf(url)
    expect(found, label).not.toBe('neither')
    if (found === 'neither') continue
    outcomes[found] += 1
    if (found === 'whole') continue
    const next = await into(url)
    expect(next.exitCode, `${label}: ${next.stderr}`).toBe(0)
    expect(await stateOf(url), label).toBe('whole')
  }
  expect(outcomes.notReached).toBeLessThan(3)
  expect(outcomes.empty).toBeGreaterThan(points.length / 4)
  tellKills(
    'restore',
    points.length - outcomes.notReached,
    `${String(all.length)}, at its statements, into an empty database`,
  )
})
