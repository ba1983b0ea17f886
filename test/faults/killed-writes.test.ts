import { execa } from 'execa'
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { daysBefore, monthOf } from '../../src/domain/calendar.ts'
import { eventually, pathOf, processesOf } from '../support/faulty-programs.ts'
import { dueToday, olderByThreeDays, tellKills, timeOfKills } from '../support/kills.ts'
import { modelOf, plant, type Model } from '../support/planted.ts'
import { newDatabase } from '../support/postgres.ts'
import { completeKeys, expectSound } from '../support/soundness.ts'
import { filesUnder, newSite, newSiteIn, runTool, toolPath, type Site } from '../support/tool.ts'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'

/**
 * Every command that changes a store is killed before each of its calls that change files: a first one, left alone, tells
 * how many there are. What is there is then sound, nothing good is lost, and the next night succeeds and clears up.
 */
const calls = '?link,linkat,?rename,?renameat,renameat2,?unlink,unlinkat,?mkdir,mkdirat,fsync,pwrite64'

/** One thread for all work on files, so that the n-th call is the same in every run. */
const underStrace = async (site: Site, args: readonly string[], more: readonly string[]) => {
  const { exitCode, signal, stderr } = await execa('strace', ['-f', '-qq', ...more, toolPath, ...args], {
    env: { ...site.environment, ...pathOf(site), UV_THREADPOOL_SIZE: '1' },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  return { exitCode, signal, stderr }
}

interface Write {
  readonly call: string
  /** strace counts each kind of call by itself, in each thread. */
  readonly nth: number
}

/** Every write that the busiest thread makes, in order. */
const writesOf = async (site: Site, args: readonly string[]): Promise<readonly Write[]> => {
  const traces = join(site.folder, 'trace')
  const ended = await underStrace(site, args, ['-o', traces, '-e', `trace=${calls}`, '-e', 'signal=none'])
  expect(ended.exitCode, ended.stderr).toBe(0)
  const byThread = new Map<string, Write[]>()
  for (const line of (await readFile(traces, 'utf8')).split('\n')) {
    const [, thread = '', call] = /^(\d+) +(\w+)\(/.exec(line) ?? []
    if (call === undefined) continue
    const writes = byThread.get(thread) ?? []
    byThread.set(thread, [...writes, { call, nth: writes.filter((before) => before.call === call).length + 1 }])
  }
  await rm(traces)
  return [...byThread.values()].toSorted((a, b) => b.length - a.length)[0] ?? []
}

const killBefore = async (site: Site, args: readonly string[], { call, nth }: Write): Promise<boolean> => {
  const strike = `inject=${call}:signal=SIGKILL:when=${String(nth)}`
  const { signal } = await underStrace(site, args, ['-o', '/dev/null', '-e', `trace=${call}`, '-e', strike])
  await eventually('the end of all that it started', async () => (await processesOf(site)).length === 0)
  return signal === 'SIGKILL'
}

let model: Model
let pristine: string
beforeAll(async () => {
  const url = await newDatabase(inject('pgPort'), {
    sql: 'CREATE TABLE users AS SELECT g AS id, md5(g::text) AS name FROM generate_series(1, 100) g',
  })
  pristine = await mkdtemp(join(tmpdir(), 'oslrs-pristine-'))
  model = await modelOf(await newSiteIn(pristine, url))
  // What a night has to promote and to remove: two months, and dailies older than a week.
  await plant(model, [40, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
  return () => rm(pristine, { recursive: true, force: true })
})

/** The same store, to be killed in. */
const anew = async (): Promise<Site> => {
  const site = await newSite(model.site.environment['DATABASE_URL'] ?? '')
  await rm(site.store, { recursive: true })
  await cp(model.site.store, site.store, { recursive: true })
  const { BACKUP_AGE_RECIPIENTS, BACKUP_SIGNING_KEY_FILE, BACKUP_TRUSTED_KEYS } = model.site.environment
  return {
    ...site,
    identityFile: model.site.identityFile,
    environment: {
      ...site.environment,
      BACKUP_AGE_RECIPIENTS: BACKUP_AGE_RECIPIENTS ?? '',
      BACKUP_SIGNING_KEY_FILE: BACKUP_SIGNING_KEY_FILE ?? '',
      BACKUP_TRUSTED_KEYS: BACKUP_TRUSTED_KEYS ?? '',
    },
  }
}

const dayOf = (key: string): string => /(\d{4}-\d{2}-\d{2})-/.exec(key)?.[1] ?? ''

describe('killed before any of its writes, it loses nothing, and the next night succeeds', () => {
  test.each([['run'], ['promote'], ['prune']])('%s', { timeout: timeOfKills(900_000) }, async (command) => {
    const counted = await anew()
    const good = await completeKeys(counted)
    const stays = good.filter((key) => dayOf(key) >= daysBefore(model.today, 6))
    expect(stays.length).toBe(6)
    const writes = await writesOf(counted, [command])
    expect(writes.length).toBeGreaterThan(5)

    const points = dueToday(writes, 16)
    let kills = 0
    for (const write of points) {
      const site = await anew()
      const label = `${command}, killed before ${write.call} number ${String(write.nth)}`
      if (await killBefore(site, [command], write)) kills += 1
      // Nothing that the policy keeps is gone, and no half of a backup counts.
      await expectSound(site, command === 'promote' ? good : stays)
      const night = await runTool(['run', '--replace'], site.environment)
      expect(night.exitCode, `${label}: ${night.stderr}`).toBe(0)
      await olderByThreeDays(site)
      expect(await runTool(['prune'], site.environment), label).toMatchObject({ exitCode: 0 })
      await expectSound(site, stays)
      const left = await filesUnder(site.store)
      expect(
        left.filter((name) => name.endsWith('.unfinished')),
        label,
      ).toEqual([])
      // The months have theirs, be they promoted before it was killed or after.
      const months = new Set(good.map((key) => monthOf(dayOf(key))))
      const monthlies = left.filter((name) => name.startsWith('backups/monthly/'))
      for (const month of months) expect(monthlies.join(), label).toContain(`/${month}-`)
      // Each archive has its manifest: nothing is kept that counts as nothing.
      const archives = left.filter((name) => name.endsWith('.age'))
      expect(archives, label).toHaveLength((await completeKeys(site)).length)
    }
    expect(kills).toBe(points.length)
    tellKills(command, kills, `${String(writes.length)} writes`)
  })
})
