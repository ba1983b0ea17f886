import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { withClient } from '../../src/adapters/postgres/connect.ts'
import { parsePostgresUrl } from '../../src/config/postgres-url.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import {
  backedUpSite,
  endOf,
  expectFault,
  expectNothingLeft,
  flowingDatabase,
  midStream,
  sessionsEnd,
  startAt,
} from '../support/faults.ts'
import { eventually, harmPg, type Harm } from '../support/faulty-programs.ts'
import { query, urlOf } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { filesUnder, newSite } from '../support/tool.ts'

const waiting: Harm = { call: '--section=data', stream: 'output', at: midStream, then: 'wait' }

let url: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
})

const ours = `FROM pg_stat_activity WHERE application_name LIKE 'oslrs-backup%' AND datname = current_database()`
const sessionsLike = async (which: string): Promise<number> => (await query(url, `SELECT ${ours} AND ${which}`)).length
const ofSnapshot = `query LIKE '%audit_logs%'`
/** Ends those of our sessions that fit; returns how many. */
const cut = async (which: string): Promise<number> =>
  (await query(url, `SELECT pg_terminate_backend(pid) ${ours} AND ${which}`)).length

describe('the connection is cut in mid-stream', () => {
  test.each([
    ['of everybody', 'true', 3, /holds the lock of this run was cut|pg_dump failed|does not answer/],
    [
      'of the lock alone',
      `application_name LIKE '% lock'`,
      1,
      'The database session that holds the lock of this run was cut',
    ],
    [
      'of pg_dump alone',
      `query LIKE 'COPY%'`,
      1,
      /^pg_dump failed \(exit status 1\): .*(COPY|PQgetCopyData|server closed)/m,
    ],
  ])('%s: nothing is published', async (_whose, which, sessions, sentence) => {
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, waiting)
    const running = startAt(site, ['run', '--replace'], harmed.environment)
    await harmed.firing()
    // By then the rows of the key tables may still be being counted.
    await eventually('all sessions at work', async () => (await sessionsLike(which)) === sessions)
    expect(await cut(which)).toBe(sessions)
    await harmed.release()
    expectFault(await endOf(running), 75, sentence)
    await expectNothingLeft(site, before)
    await sessionsEnd(url)
  })

  test('of the snapshot, before every pg_dump has it: nothing is published', async () => {
    const { site, before } = await backedUpSite(url)
    const proxy = await startProxy(inject('pgPort'))
    const held = proxy.holdAt('SET TRANSACTION SNAPSHOT')
    const running = startAt(site, ['run', '--replace'], {
      DATABASE_URL: urlOf(proxy.port, new URL(url).pathname.slice(1)),
    })
    await held.holding
    await eventually('the counting to be over', async () => (await sessionsLike(ofSnapshot)) === 1)
    expect(await cut(ofSnapshot)).toBe(1)
    await eventually('its end', async () => (await sessionsLike(ofSnapshot)) === 0)
    held.release()
    expectFault(await endOf(running), 75, /^pg_dump failed \(exit status 1\): .*snapshot/m)
    await expectNothingLeft(site, before)
    await sessionsEnd(url)
  })

  test('of the snapshot, when every pg_dump has it: the dump is of that instant all the same', async () => {
    const site = await newSite(url)
    const harmed = await harmPg(site, waiting)
    const running = startAt(site, ['run'], harmed.environment)
    await harmed.firing()
    await eventually('the counting to be over', async () => (await sessionsLike(ofSnapshot)) === 1)
    expect(await cut(ofSnapshot)).toBe(1)
    await query(url, 'CREATE TABLE made_meanwhile AS SELECT 1 AS a; DELETE FROM users WHERE id > 90')
    await harmed.release()
    const ended = await endOf(running)
    await query(
      url,
      `DROP TABLE made_meanwhile; INSERT INTO users SELECT g, g || '@example.org' FROM generate_series(91, 100) g`,
    )
    expect(ended).toMatchObject({ exitCode: 0 })
    const [key = ''] = (await filesUnder(site.store)).filter((file) => file.endsWith('-manifest.json'))
    const manifest = JSON.parse(await readFile(join(site.store, key), 'utf8')) as Manifest
    expect(manifest.tables.map(({ name, rows }) => [name, rows])).toEqual([
      ['public.respondents', 40_000],
      ['public.users', 100],
    ])
    await expectSound(site)
  })
})

test('a session asks for the signs of life by which each side notices that a network has swallowed the other', async () => {
  const target = parsePostgresUrl(url)
  if (typeof target === 'string') throw new Error(target)
  const [settings, sockets, ourPort] = await withClient(
    target,
    { applicationName: 'oslrs-backup test' },
    async (client) => [
      await client.query<object>(
        `SELECT current_setting('tcp_keepalives_idle') AS idle, current_setting('tcp_keepalives_interval') AS interval,
                current_setting('tcp_keepalives_count') AS count`,
      ),
      await readFile('/proc/net/tcp', 'utf8'),
      (client as unknown as { connection: { stream: Socket } }).connection.stream.localPort,
    ],
  )
  // Of the server's side; and ours, as proc(5) tells: timer 2 is that of keep-alives, in hundredths of a second.
  expect(settings.rows).toEqual([{ idle: '60', interval: '10', count: '6' }])
  const ours = sockets.split('\n').find((line) =>
    line
      .trim()
      .split(/\s+/)[1]
      ?.endsWith(`:${portInHex(ourPort)}`),
  )
  const [timer, left = ''] = (ours?.trim().split(/\s+/)[5] ?? '').split(':')
  expect(timer).toBe('02')
  expect(parseInt(left, 16)).toBeLessThanOrEqual(3000)
})

const portInHex = (port = 0): string => port.toString(16).toUpperCase().padStart(4, '0')
