import { execa } from 'execa'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { endOf, expectFault, flowingDatabase, midStream, runAt, send, sessionsEnd, startAt } from '../support/faults.ts'
import { eventually, harmPg, pathOf, processesOf, type Harm, type Harmed } from '../support/faulty-programs.ts'
import { query, startCluster, urlOf, type Cluster } from '../support/postgres.ts'
import { backupOf, databaseOf, expectUntouched, kindsOfTarget, type Target } from '../support/restore-targets.ts'
import { newSite, withIdentity, type Site } from '../support/tool.ts'

let url: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
})

describe.each(kindsOfTarget)('into %s, a restore that is interrupted changes nothing, when', (_kind, newTarget) => {
  const psql: Omit<Harm, 'then'> = { call: '--file=-', stream: 'input', at: midStream }

  const starting = async (then: Harm['then']) => {
    const backup = await backupOf(url)
    const target = await newTarget()
    const harmed = await harmPg(backup.site, { ...psql, then })
    const start = () =>
      startAt(backup.site, backup.restoreTo(target), { ...withIdentity(backup.site), ...harmed.environment })
    return { ...backup, target, harmed, start }
  }
  const expectFired = async (harmed: Harmed, site: Site, target: Target): Promise<void> => {
    expect(harmed.hasFired()).toBe(true)
    await expectUntouched(site, target)
  }

  test.each<[string, Harm['then'], string]>([
    ['psql is killed', 'kill', 'psql failed (killed by SIGKILL)'],
    ['psql exits 1', { exit: 1 }, 'psql failed (exit status 1)'],
    ['psql ends well and has not read to the end', 'stop reading', 'psql failed'],
  ])('%s', async (_what, then, sentence) => {
    const { site, target, harmed, start } = await starting(then)
    expectFault(await endOf(start()), 75, sentence)
    await expectFired(harmed, site, target)
  })

  test('its session is cut', async () => {
    const { site, target, harmed, start } = await starting('wait')
    const running = start()
    await harmed.firing()
    const cut = await query(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name LIKE 'oslrs-backup%' AND query LIKE 'COPY%'
         AND (datname = $1 OR starts_with(datname, $1 || '_restore_'))`,
      [databaseOf(target.url)],
    )
    expect(cut).toHaveLength(1)
    await harmed.release()
    expectFault(await endOf(running), 75, 'psql failed (exit status 2): the connection to the server was lost.')
    await expectFired(harmed, site, target)
  })

  test.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('it is sent %s', async (signal, exitStatus) => {
    const { site, target, harmed, start } = await starting('wait')
    const running = start()
    await harmed.firing()
    send(running, signal)
    expectFault(await endOf(running), exitStatus, `Stopped by ${signal}.`)
    await expectFired(harmed, site, target)
  })

  test('it is killed: and the next one succeeds', async () => {
    const { site, target, harmed, start, restoreTo } = await starting('wait')
    const running = start()
    await harmed.firing()
    send(running, 'SIGKILL')
    await running
    await harmed.release()
    await eventually('the end of all children', async () => (await processesOf(site)).length === 0)
    if (target.databases.length > 0) await sessionsEnd(target.url)
    const present = await query(url, 'SELECT datname FROM pg_database WHERE datname = $1', [databaseOf(target.url)])
    expect(present).toHaveLength(target.databases.length)

    const ended = await runAt(site, restoreTo(target), { ...withIdentity(site), ...pathOf(site) })
    expect(ended).toMatchObject({ exitCode: 0 })
    expect(await query(target.url, 'SELECT count(*)::int AS rows FROM respondents')).toEqual([{ rows: 40_000 }])
  })
})

describe('the server cannot drop what a failed restore has begun', () => {
  // A server of its own: no other test could drop a database meanwhile.
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster()
    return () => cluster.stop()
  })

  test('while a session of any database is stuck in the middle of a COPY: it is told, and the next restore does it', async () => {
    const [source, target] = [urlOf(cluster.port, 'source'), urlOf(cluster.port, 'target')]
    await query(urlOf(cluster.port, 'postgres'), 'CREATE DATABASE source')
    await query(source, `CREATE TABLE users AS SELECT g AS id FROM generate_series(1, 1000) g`)
    const site = await newSite(source)
    expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
    const stuck = execa('psql', ['--no-psqlrc', '--quiet', source], { stdin: 'pipe', reject: false })
    stuck.stdin.write('COPY users FROM STDIN;\n')
    await eventually('a session in the middle of a COPY', async () => {
      const active = await query(source, `SELECT FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'`)
      return active.length === 1
    })
    const restore = ['restore', '--latest', '--owner', 'postgres', '--target-db', target]
    const harmed = await harmPg(site, { call: '--file=-', stream: 'input', at: 'end', then: 'kill' })
    const failed = await runAt(site, restore, { ...withIdentity(site), ...harmed.environment })
    expectFault(
      failed,
      75,
      /The unfinished database target_restore_\S+ could not be dropped; the next restore does that\./,
    )
    expect(failed.stderr).toContain('psql failed')

    stuck.stdin.end('\\.\n')
    await stuck
    expect(await runAt(site, restore, withIdentity(site))).toMatchObject({ exitCode: 0 })
    const left = await query<{ datname: string }>(
      source,
      `SELECT datname FROM pg_database WHERE starts_with(datname, 'target')`,
    )
    expect(left).toEqual([{ datname: 'target' }])
  })
})
