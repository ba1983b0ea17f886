import { describe, expect, inject, test } from 'vitest'
import {
  backedUpSite,
  endOf,
  expectFault,
  expectNothingLeft,
  flowingDatabase,
  midStream,
  runAt,
  startAt,
} from '../support/faults.ts'
import { eventually, harmPg, processesOf, type Harm } from '../support/faulty-programs.ts'
import { asking, newDatabase, query, urlOf } from '../support/postgres.ts'
import { completeKeys, expectSound } from '../support/soundness.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { manifestsOf, newSite, withIdentity, type Site } from '../support/tool.ts'

const waitingInMidStream: Harm = { call: '--section=data', stream: 'output', at: midStream, then: 'wait' }

const somebodyWaits = (url: string, who: string): Promise<void> =>
  eventually(`${who} waits for a lock`, async () => {
    const waiting = await query(
      url,
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND ${who}`,
    )
    return waiting.length > 0
  })

const ourRun = `application_name LIKE 'oslrs-backup%'`
const theAlter = `query LIKE 'ALTER TABLE%'`

const rowsInManifest = async (site: Site): Promise<Record<string, number>> =>
  Object.fromEntries((await manifestsOf(site)).flatMap(({ tables }) => tables.map(({ name, rows }) => [name, rows])))

const expectBackup = async (site: Site, rows: Record<string, number>): Promise<void> => {
  expect(await rowsInManifest(site)).toEqual(rows)
  // The daily, and the monthly that is made of it.
  expect(await completeKeys(site)).toHaveLength(2)
  expect(await processesOf(site)).toEqual([])
  await expectSound(site)
}

const usersAndDoomed = `CREATE TABLE users (id int); INSERT INTO users SELECT generate_series(1, 7);
                        CREATE TABLE doomed (id int); INSERT INTO doomed SELECT generate_series(1, 5);`

describe('the schema changes between the list of tables and their locks, and the backup is of what is then there', () => {
  test.each([
    ['a table is dropped', 'DROP TABLE doomed', { 'public.users': 7 }],
    ['a table is made', 'CREATE TABLE late AS SELECT 1', { 'public.users': 7, 'public.doomed': 5, 'public.late': 1 }],
    ['a table is made anew', 'DROP TABLE doomed; CREATE TABLE doomed ()', { 'public.users': 7, 'public.doomed': 0 }],
    ['a table is renamed', 'ALTER TABLE doomed RENAME TO saved', { 'public.users': 7, 'public.saved': 5 }],
    ['a key table is dropped', 'DROP TABLE users', { 'public.doomed': 5 }],
  ])('%s', async (_what, sql, rows) => {
    const url = await newDatabase(inject('pgPort'), { sql: usersAndDoomed })
    const site = await newSite(url)
    const proxy = await startProxy(inject('pgPort'))
    const held = proxy.holdAt('LOCK TABLE ONLY')
    const running = startAt(site, ['run'], { DATABASE_URL: urlOf(proxy.port, new URL(url).pathname.slice(1)) })
    await held.holding
    await query(url, sql)
    held.release()
    expect(await endOf(running)).toMatchObject({ exitCode: 0 })
    await expectBackup(site, rows)
  })
})

describe('a TRUNCATE holds its table when the run comes', () => {
  test.each([
    ['commits', 'COMMIT', 0],
    ['rolls back', 'ROLLBACK', 7],
  ])('and %s while the run waits: the backup is of after it', async (_what, end, rows) => {
    const url = await newDatabase(inject('pgPort'), { sql: usersAndDoomed })
    const site = await newSite(url)
    const running = await asking(url, async (client) => {
      await client.query('BEGIN; TRUNCATE users')
      const started = startAt(site, ['run'])
      await somebodyWaits(url, ourRun)
      await client.query(end)
      return { started }
    })
    expect(await endOf(running.started)).toMatchObject({ exitCode: 0 })
    await expectBackup(site, { 'public.users': rows, 'public.doomed': 5 })
    expect((await manifestsOf(site))[0]?.tableCounts.users).toBe(rows)

    const target = `${url}_new`
    expect(
      await runAt(site, ['restore', '--latest', '--target-db', target, '--owner', 'postgres'], withIdentity(site)),
    ).toMatchObject({
      exitCode: 0,
    })
    expect(await query(target, 'SELECT FROM users')).toHaveLength(rows)
  })
})

describe('an ALTER TABLE waits', () => {
  const alter = 'ALTER TABLE users ADD COLUMN added int'

  test('for somebody else when the run comes: the run gives up in time, and the ALTER is not lost', async () => {
    const url = await newDatabase(inject('pgPort'), { sql: usersAndDoomed })
    const { site, before } = await backedUpSite(url)
    await asking(url, async (reader) => {
      await reader.query('BEGIN; SELECT FROM users')
      const altering = query(url, alter)
      await somebodyWaits(url, theAlter)
      const ended = await runAt(site, ['run', '--replace'], { BACKUP_LOCK_SECONDS: '1' })
      expectFault(ended, 75, 'A lock on a table was not had in time')
      await somebodyWaits(url, theAlter)
      await reader.query('COMMIT')
      await altering
    })
    await expectNothingLeft(site, before)
  })

  test('for the dump: the backup gives way, and the ALTER goes on', async () => {
    const url = await flowingDatabase(inject('pgPort'))
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, waitingInMidStream)
    const running = startAt(site, ['run', '--replace'], { ...harmed.environment, BACKUP_GIVE_WAY_SECONDS: '1' })
    await harmed.firing()
    const altering = query(url, alter)
    await somebodyWaits(url, theAlter)
    expectFault(
      await endOf(running),
      75,
      'Another session has waited 1 s for a table that the dump holds, so the backup gave way',
    )
    await altering
    await expectNothingLeft(site, before)
  })

  test('for the dump, and a pg_dump that comes behind it: nobody waits for ever', async () => {
    const url = await flowingDatabase(inject('pgPort'))
    const { site, before } = await backedUpSite(url)
    const proxy = await startProxy(inject('pgPort'))
    const held = proxy.holdAt('SET TRANSACTION SNAPSHOT')
    const running = startAt(site, ['run', '--replace'], {
      DATABASE_URL: urlOf(proxy.port, new URL(url).pathname.slice(1)),
      BACKUP_LOCK_SECONDS: '1',
    })
    await held.holding
    const altering = query(url, alter)
    await somebodyWaits(url, theAlter)
    held.release()
    expectFault(await endOf(running), 75, 'pg_dump did not get its locks on the tables in time')
    await altering
    await expectNothingLeft(site, before)
  })

  test('for the dump alone: every pg_dump has had its locks from the beginning', async () => {
    const url = await flowingDatabase(inject('pgPort'))
    const site = await newSite(url)
    const harmed = await harmPg(site, { ...waitingInMidStream, at: 'end' })
    const running = startAt(site, ['run'], { ...harmed.environment, BACKUP_LOCK_SECONDS: '1' })
    await harmed.firing()
    const altering = query(url, alter)
    await somebodyWaits(url, theAlter)
    await harmed.release()
    expect(await endOf(running)).toMatchObject({ exitCode: 0 })
    await altering
    await expectBackup(site, { 'public.respondents': 40_000, 'public.users': 100 })
  })
})

describe('a second run', () => {
  test('is refused at once with 69 while the first is at work, and does not disturb it', async () => {
    const url = await flowingDatabase(inject('pgPort'))
    const site = await newSite(url)
    const harmed = await harmPg(site, waitingInMidStream)
    const first = startAt(site, ['run'], harmed.environment)
    await harmed.firing()
    expectFault(await runAt(site, ['run']), 69, /^Another run holds the lock since \d\d:\d\d UTC\./m)
    await harmed.release()
    expect(await endOf(first)).toMatchObject({ exitCode: 0 })
    await expectBackup(site, { 'public.respondents': 40_000, 'public.users': 100 })
  })
})
