import { expect, inject } from 'vitest'
import { eventually, pathOf, processesOf } from './faulty-programs.ts'
import { newDatabase, query } from './postgres.ts'
import { completeKeys, expectSound } from './soundness.ts'
import { filesUnder, newSite, runTool, startTool, type Ended, type Environment, type Site } from './tool.ts'

/** A database whose dump is 8 MB that compress badly: more than all pipes between the programs hold together. */
export const flowingDatabase = (port: number): Promise<string> =>
  newDatabase(port, {
    sql: `CREATE FUNCTION noise(text) RETURNS text LANGUAGE sql AS $$ SELECT encode(sha256($1::bytea), 'hex') $$;
          CREATE TABLE respondents (id int PRIMARY KEY, notes text NOT NULL);
          CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL);
          INSERT INTO respondents SELECT g, noise('a' || g) || noise('b' || g) || noise('c' || g) FROM generate_series(1, 40000) g;
          INSERT INTO users SELECT g, g || '@example.org' FROM generate_series(1, 100) g;
          CREATE INDEX last_of_all ON users (email);`,
  })

/** In the middle of the rows of `respondents`, with every program of the pipeline at work. */
export const midStream = { bytes: 4_000_000 } as const

/** What a store held before a fault. */
export interface Before {
  readonly files: readonly string[]
  readonly complete: readonly string[]
}

export const stateOf = async (site: Site): Promise<Before> => ({
  files: await filesUnder(site.store),
  complete: await completeKeys(site),
})

let registry: Promise<string> | undefined
/** A small database for the backup that a fault must not harm. */
const registryDatabase = (): Promise<string> =>
  (registry ??= newDatabase(inject('pgPort'), { template: inject('registryTemplate') }))

/**
 * A site for that database, with one good backup of today in it, of a smaller database on the same server: what comes
 * after must be asked for with --replace.
 */
export const backedUpSite = async (databaseUrl: string): Promise<{ site: Site; before: Before }> => {
  const site = await newSite(databaseUrl)
  const earlier = { ...site.environment, DATABASE_URL: await registryDatabase() }
  expect(await runTool(['run'], earlier)).toMatchObject({ exitCode: 0 })
  return { site, before: await stateOf(site) }
}

/** Starts the tool so that it and everything it starts can be found again; see `processesOf`. */
export const startAt = (
  site: Site,
  args: readonly string[],
  more: Environment = {},
  by?: readonly [string, ...string[]],
) => startTool(args, { ...site.environment, ...pathOf(site), ...more }, by)

/** Sends it a signal, and only that: no SIGKILL follows. */
export const send = (running: { readonly pid?: number }, signal: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void => {
  if (running.pid !== undefined) process.kill(running.pid, signal)
}

/** How the tool has ended. When it does not within 60 s, it is killed and the test fails. */
export const endOf = async (
  running: PromiseLike<Partial<Ended>> & { readonly kill: (signal: 'SIGKILL') => boolean },
): Promise<Ended> => {
  const state = { hangs: false }
  const timer = setTimeout(() => {
    state.hangs = running.kill('SIGKILL')
  }, 60_000)
  const { exitCode, stdout = '', stderr = '' } = await running
  clearTimeout(timer)
  if (state.hangs) throw new Error(`It had not ended after 60 s, having said: ${stderr}`)
  return { exitCode, stdout, stderr }
}

export const runAt = (site: Site, args: readonly string[], more: Environment = {}): Promise<Ended> =>
  endOf(startAt(site, args, more))

/** The fault is told on stderr, in a sentence and with a next step, and nothing is claimed on stdout. */
export const expectFault = (ended: Ended, exitStatus: number, sentence: string | RegExp): void => {
  expect.soft(ended.stderr).toMatch(sentence)
  expect.soft(ended.exitCode).toBe(exitStatus)
  expect(ended.stdout).toBe('')
}

/** After a failed run: no process is left, the store is file for file as it was, and what was good is good. */
export const expectNothingLeft = async (site: Site, before: Before): Promise<void> => {
  expect(await processesOf(site)).toEqual([])
  expect(await filesUnder(site.store)).toEqual(before.files)
  await expectSound(site, before.complete)
}

/** Our sessions in a database are gone, or go within moments: their locks would hinder the application. */
export const sessionsEnd = (databaseUrl: string): Promise<void> =>
  eventually('the end of all sessions', async () => {
    const left = await query(
      databaseUrl,
      `SELECT FROM pg_stat_activity WHERE application_name LIKE 'oslrs-backup%' AND datname = current_database()`,
    )
    return left.length === 0
  })

/** As a server does that is restarted, or an administrator who ends them. */
export const cutSessions = (databaseUrl: string): Promise<unknown> =>
  query(
    databaseUrl,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'oslrs-backup%' AND datname = current_database()`,
  )

/** What a night says that has its backup, and whose promotion failed. */
export const monthlyIsMissing =
  /(?:Promoting to monthlies failed|The monthly of \S+ was not made); the backup itself is complete\./
