import { beforeAll, describe, expect, inject, test } from 'vitest'
import { endOf, expectFault, flowingDatabase, midStream, runAt, send, sessionsEnd, startAt } from '../support/faults.ts'
import { eventually, harmPg, pathOf, processesOf, type Harm, type Harmed } from '../support/faulty-programs.ts'
import { query } from '../support/postgres.ts'
import { backupOf, databaseOf, expectUntouched, kindsOfTarget, type Target } from '../support/restore-targets.ts'
import { withIdentity, type Site } from '../support/tool.ts'

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
