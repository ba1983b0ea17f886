import { chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  copyOf,
  drilledBy,
  drillSiteFor,
  failedIn,
  hostOf,
  keptRegistrySite,
  reportsOf,
  type Drilled,
  type DrillSite,
} from '../support/drills.ts'
import { send, startAt } from '../support/faults.ts'
import { eventually, harmPg, processesOf, type Harmed } from '../support/faulty-programs.ts'
import { asking, query, urlOf } from '../support/postgres.ts'
import { clustersIn, leftServer, newStateFolder, processesIn } from '../support/state-folder.ts'
import type { Ended, Environment } from '../support/tool.ts'

/** Drills that must turn red, or come to nothing, because something happens between the archive and the comparison. */

let kept: Awaited<ReturnType<typeof keptRegistrySite>>
beforeAll(async () => {
  kept = await keptRegistrySite(`SELECT lo_from_bytea(4711, 'large')`)
})
afterAll(() => kept.remove())

const registryPlace = async (): Promise<DrillSite> => drillSiteFor(await copyOf(kept.site))

/** psql has loaded everything, and nobody knows that yet. */
const afterLoading = { call: '--file=-', stream: 'output', at: 'end' } as const

/** A drill in which somebody changes the scratch database when it is loaded and not yet compared. */
const drillWithHarm = async ({ site, environment, prefix }: DrillSite, sql: string): Promise<Drilled> => {
  const harmed = await harmPg(site, { ...afterLoading, then: 'wait' })
  const running = startAt(site, ['verify', '--json'], { ...withoutDatabase(environment), ...harmed.environment })
  await harmed.firing()
  const [scratch] = await query<{ name: string }>(
    urlOf(inject('pgPort'), 'postgres'),
    'SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)',
    [prefix],
  )
  await asking(urlOf(inject('pgPort'), scratch?.name ?? ''), async (client) => {
    // As somebody who is above triggers.
    await client.query("SET session_replication_role = 'replica'")
    await client.query(sql)
  })
  await harmed.release()
  const ended = await endOfDrill(running)
  expect(harmed.hasFired()).toBe(true)
  return drilledBy(ended, JSON.parse(ended.stdout))
}

/** However busy the machine is: a drill is several programs and a server's work. */
const patient = { timeout: 300_000 }
const endOfDrill = async (running: PromiseLike<Partial<Ended>>): Promise<Ended> => {
  const { exitCode, stdout = '', stderr = '' } = await running
  return { exitCode, stdout, stderr }
}

/** `startAt` gives the site's environment; a drill host knows no database to back up. */
const withoutDatabase = (environment: Environment): Environment => ({ ...environment, DATABASE_URL: '' })

describe('what was restored and is not what was archived turns the drill red', patient, () => {
  test('a value, a row, an index, a sequence, a function, a large object, an audit row, a role', async () => {
    const place = await registryPlace()
    const drilled = await drillWithHarm(
      place,
      `UPDATE respondents SET full_name = full_name || ' ' WHERE phone = '+2348000000001';
       DELETE FROM submissions WHERE id = 7;
       DROP INDEX respondents_by_name;
       SELECT setval('submissions_id_seq', 12);
       CREATE OR REPLACE FUNCTION forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
       SELECT lo_put(4711, 0, 'L');
       UPDATE audit_logs SET action = 'user.logout' WHERE details = '{"n": 250}';
       DELETE FROM audit_logs WHERE details = '{"n": 300}';
       UPDATE roles SET name = 'root' WHERE name = 'enumerator';`,
    )
    expect(drilled.exitCode).toBe(65)
    expect(drilled.report).toMatchObject({ verdict: 'red', exitStatus: 65 })
    expect(failedIn(drilled)).toEqual(['tables', 'definitions', 'sequences', 'large objects', 'audit chain', 'roles'])
    const { tables, definitions, sequences, roles } = drilled.details
    expect(tables?.split('\n').toSorted()).toEqual([
      '- public.audit_logs: 499 rows restored, 500 in the archive',
      "- public.respondents: the restored rows are not the archive's",
      "- public.roles: the restored rows are not the archive's",
      '- public.submissions: 1999 rows restored, 2000 in the archive',
    ])
    expect(definitions?.split('\n').toSorted()).toEqual([
      '- FUNCTION public.forbid_change(): not as the archive defines it',
      '- INDEX public.respondents_by_name: missing in the restored database',
    ])
    expect(sequences).toBe('- SEQUENCE SET public.submissions_id_seq: not as the archive defines it')
    expect(drilled.details['large objects']).toMatch(/^- BLOBS? .*not as the archive defines it$/)
    expect(drilled.details['audit chain']).toContain('499 rows, 1 altered; 0 forks, 1 gaps')
    expect(drilled.details['audit chain']).toContain('- 499 rows, and 500 by the manifest')
    expect(roles).toBe("- the application's role enumerator is missing")
    // It knows that it would hear, though all around it is red.
    expect(drilled.states['alarm']).toBe('ok')
    expect(await place.leftovers()).toEqual([])
    expect((await reportsOf(place.site)).map(({ verdict }) => verdict)).toEqual(['red'])
  })

  test('a table that is missing', async () => {
    const place = await registryPlace()
    const drilled = await drillWithHarm(place, 'DROP TABLE submissions CASCADE')
    expect(drilled.exitCode).toBe(65)
    expect(failedIn(drilled)).toEqual(['tables', 'definitions', 'sequences'])
    expect(drilled.details['tables']).toBe('- public.submissions: missing in the restored database')
    expect(drilled.report.sentence).toMatch(/^RED: .* is not good: tables, definitions, sequences\.$/)
  })
})

describe('a drill that is cut short is no pass, and leaves nothing', patient, () => {
  test.each<[string, Parameters<typeof harmPg>[1], number, string, string]>([
    [
      'psql is killed',
      { call: '--file=-', stream: 'input', at: { bytes: 20_000 }, then: 'kill' },
      75,
      'restore',
      'psql failed',
    ],
    [
      'a row is lost on the way to the server',
      { call: '--file=-', stream: 'input', at: { text: 'skills-1' }, then: 'leave out a row' },
      65,
      'tables',
      'public.submissions: 1999 rows restored, 2000 in the archive',
    ],
    [
      'pg_dump dies while it compares',
      { call: '--section=data', stream: 'output', at: { bytes: 20_000 }, then: { exit: 1 } },
      75,
      'compare',
      'pg_dump failed',
    ],
  ])('%s', async (_what, plan, exitStatus, check, sentence) => {
    const place = await registryPlace()
    const harmed: Harmed = await harmPg(place.site, plan)
    const ended = await endOfDrill(
      startAt(place.site, ['verify', '--json'], { ...withoutDatabase(place.environment), ...harmed.environment }),
    )
    const drilled = drilledBy(ended, JSON.parse(ended.stdout))
    expect(harmed.hasFired()).toBe(true)
    expect(drilled.exitCode).toBe(exitStatus)
    expect(drilled.report.verdict).toBe(exitStatus === 65 ? 'red' : 'not-made')
    expect(drilled.details[check]).toContain(sentence)
    expect(failedIn(drilled)).toContain(check)
    expect(await place.leftovers()).toEqual([])
    expect(await processesOf(place.site)).toEqual([])
  })

  test('SIGTERM: stopped, without a report', async () => {
    const place = await registryPlace()
    const harmed = await harmPg(place.site, { ...afterLoading, then: 'wait' })
    const running = startAt(place.site, ['verify'], { ...withoutDatabase(place.environment), ...harmed.environment })
    await harmed.firing()
    send(running, 'SIGTERM')
    expect(await endOfDrill(running)).toMatchObject({ exitCode: 143, stdout: '' })
    expect(await place.leftovers()).toEqual([])
    expect(await reportsOf(place.site)).toEqual([])
    expect(await processesOf(place.site)).toEqual([])
  })

  test('SIGKILL: its private cluster dies with it, and the next drill sweeps what it left', async () => {
    const { site } = await registryPlace()
    const state = await newStateFolder()
    const environment = hostOf(site, { BACKUP_STATE_DIR: state, DATABASE_URL: '' })
    const running = startAt(site, ['verify'], environment)
    await eventually('a private cluster that answers', async () =>
      (await processesIn(state)).some((line) => line.includes('/postgres -D')),
    )
    // The folder is for nobody else; there is no other way in.
    const [folder = ''] = await clustersIn(state)
    expect((await stat(join(state, folder))).mode & 0o777).toBe(0o700)
    send(running, 'SIGKILL')
    await running
    await eventually('the end of the private cluster', async () => (await processesIn(state)).length === 0)
    expect(await clustersIn(state)).toEqual([folder])
    // One whose server has outlived its drill, which is not to be expected and not to be excluded.
    const survivor = await leftServer(state)

    const ended = await endOfDrill(startAt(site, ['verify', '--json'], environment))
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect(ended.stderr).toContain(`Removed the private cluster ${folder}, which a killed drill had left.`)
    expect(ended.stderr).toContain(`Removed the private cluster ${survivor}`)
    expect(await clustersIn(state)).toEqual([])
    expect(await processesIn(state)).toEqual([])
  })

  test('a second drill on the same server finds the lock', async () => {
    const place = await registryPlace()
    const harmed = await harmPg(place.site, { ...afterLoading, then: 'wait' })
    const running = startAt(place.site, ['verify'], { ...withoutDatabase(place.environment), ...harmed.environment })
    await harmed.firing()
    const second = await endOfDrill(startAt(place.site, ['verify', '--json'], withoutDatabase(place.environment)))
    expect(second.exitCode).toBe(69)
    expect(drilledBy(second, JSON.parse(second.stdout)).report.verdict).toBe('not-made')
    await harmed.release()
    expect(await endOfDrill(running)).toMatchObject({ exitCode: 0 })
  })
})

test('a state folder that its user cannot enter is told, with ways out', patient, async () => {
  const { site } = await registryPlace()
  const state = await newStateFolder()
  await chmod(state, 0o700)
  const ended = await endOfDrill(
    startAt(site, ['verify', '--json'], hostOf(site, { BACKUP_STATE_DIR: state, DATABASE_URL: '' })),
  )
  const drilled = drilledBy(ended, JSON.parse(ended.stdout))
  // Somebody who is not root runs it himself, and may enter.
  if (process.getuid?.() !== 0) return
  expect(drilled.exitCode).toBe(78)
  expect(drilled.details['open the place']).toMatch(/could not be started .*Permission denied/)
  expect(await clustersIn(state)).toEqual([])
})
