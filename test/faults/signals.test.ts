import { execa } from 'execa'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import {
  backedUpSite,
  endOf,
  expectFault,
  expectNothingLeft,
  flowingDatabase,
  midStream,
  runAt,
  send,
  sessionsEnd,
  startAt,
} from '../support/faults.ts'
import { eventually, harmPg, pathOf, processesOf, type Harm } from '../support/faulty-programs.ts'
import { asking, query, urlOf } from '../support/postgres.ts'
import { completeKeys, expectSound } from '../support/soundness.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { manifestsOf, newSite, toolPath, withIdentity } from '../support/tool.ts'

const waiting: Harm = { call: '--section=data', stream: 'output', at: midStream, then: 'wait' }
const signals = [
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const

let url: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
})

describe.each(signals)('%s ends a run with %i, and nothing is left', (signal, exitStatus) => {
  test('in mid-stream', async () => {
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, waiting)
    const running = startAt(site, ['run', '--replace'], harmed.environment)
    await harmed.firing()
    send(running, signal)
    expectFault(await endOf(running), exitStatus, `Stopped by ${signal}.`)
    await expectNothingLeft(site, before)
    await sessionsEnd(url)
  })

  test('in mid-stream, sent to all processes of the run at once, as by a terminal or systemd', async () => {
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, waiting)
    const running = execa(toolPath, ['run', '--replace'], {
      env: { ...site.environment, ...pathOf(site), ...harmed.environment },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      detached: true,
    })
    await harmed.firing()
    process.kill(-(running.pid ?? 0), signal)
    expectFault(await endOf(running), exitStatus, `Stopped by ${signal}.`)
    await expectNothingLeft(site, before)
    await sessionsEnd(url)
  })

  test('while it waits for the lock of a table', async () => {
    const { site, before } = await backedUpSite(url)
    await asking(url, async (client) => {
      await client.query('BEGIN; LOCK TABLE users')
      const running = startAt(site, ['run', '--replace'])
      const waitsForLock = `SELECT FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass`
      await eventually('the run waits', async () => (await query(url, waitsForLock)).length > 0)
      send(running, signal)
      expectFault(await endOf(running), exitStatus, `Stopped by ${signal}.`)
      await client.query('ROLLBACK')
    })
    await expectNothingLeft(site, before)
    await sessionsEnd(url)
  })
})

describe('SIGTERM ends a run with 143 also while the server does not answer', () => {
  test.each([
    ['to the login', 'oslrs-backup'],
    ['to the question for the lock', 'pg_try_advisory_lock'],
    ['to what it is', 'pg_database_size'],
    ['to the lock of the tables', 'LOCK TABLE ONLY'],
    ['with the snapshot', 'pg_export_snapshot'],
    ['with the count of the rows', 'SELECT count(*)'],
  ])('%s', async (_what, text) => {
    const { site, before } = await backedUpSite(url)
    const proxy = await startProxy(inject('pgPort'))
    const held = proxy.holdAt(text)
    const running = startAt(site, ['run', '--replace'], {
      DATABASE_URL: urlOf(proxy.port, new URL(url).pathname.slice(1)),
    })
    await held.holding
    proxy.freeze()
    send(running, 'SIGTERM')
    expectFault(await endOf(running), 143, 'Stopped by SIGTERM.')
    await expectNothingLeft(site, before)
  })
})

describe('SIGTERM ends a restore with 143 also while the server does not answer', () => {
  test('to what it is', async () => {
    const { site, before } = await backedUpSite(url)
    const proxy = await startProxy(inject('pgPort'))
    const held = proxy.holdAt('pg_database WHERE datname')
    const running = startAt(
      site,
      ['restore', '--latest', '--owner', 'postgres', '--target-db', urlOf(proxy.port, 'never_made')],
      withIdentity(site),
    )
    await held.holding
    proxy.freeze()
    send(running, 'SIGTERM')
    expectFault(await endOf(running), 143, 'Stopped by SIGTERM.')
    await expectNothingLeft(site, before)
  })
})

describe('SIGKILL in mid-stream', () => {
  test('leaves no process and nothing that counts as a backup, and the next run succeeds', async () => {
    const site = await newSite(url)
    const harmed = await harmPg(site, waiting)
    const running = startAt(site, ['run'], harmed.environment)
    await harmed.firing()
    expect(await processesOf(site)).not.toEqual([])
    send(running, 'SIGKILL')
    expect(await running).toMatchObject({ signal: 'SIGKILL' })
    // From here on pg_dump writes to nobody.
    await harmed.release()
    await eventually('the end of all children', async () => (await processesOf(site)).length === 0)
    await sessionsEnd(url)
    expect(await manifestsOf(site)).toEqual([])
    expect(await completeKeys(site)).toEqual([])
    await expectSound(site)

    expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
    // The daily, and the monthly that is made of it.
    expect(await completeKeys(site)).toHaveLength(2)
    await expectSound(site)
  })
})
