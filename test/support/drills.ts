import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject } from 'vitest'
import { prefixFor } from '../../src/adapters/scratch/server.ts'
import type { DrillReport } from '../../src/domain/drill-report.ts'
import { newDatabase, query, urlOf } from './postgres.ts'
import {
  filesUnder,
  newFolder,
  newSite,
  newSiteIn,
  runTool,
  runToolJson,
  withIdentity,
  type Ended,
  type Environment,
  type Site,
} from './tool.ts'

/** A site whose drills restore into scratch databases on the tests' server, as the role of the URL. */
export interface DrillSite {
  readonly site: Site
  /** Of a drill: no DATABASE_URL, the private key, and the server for drills. */
  readonly environment: Environment
  /** What the names of its databases and roles begin with. */
  readonly prefix: string
  /** Databases and roles of its drills that are there now. */
  readonly leftovers: () => Promise<string[]>
}

const databaseOf = (url: string): string => new URL(url).pathname.slice(1)

/** What a host has that drills: never the database that is backed up. */
export const hostOf = (site: Site, more: Environment = {}): Environment => {
  const { DATABASE_URL: _, ...rest } = withIdentity(site)
  return { ...rest, ...more }
}

/** The maintenance database is its own, so that no drill of another test is in the way. */
export const drillSiteFor = async (site: Site, user = 'postgres'): Promise<DrillSite> => {
  const maintenance = databaseOf(await newDatabase(inject('pgPort')))
  const prefix = prefixFor(maintenance)
  return {
    site,
    prefix,
    environment: hostOf(site, { VERIFY_DATABASE_URL: urlOf(inject('pgPort'), maintenance, user) }),
    leftovers: async () =>
      (
        await query<{ name: string }>(
          urlOf(inject('pgPort'), 'postgres'),
          `SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)
           UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)`,
          [prefix],
        )
      ).map(({ name }) => name),
  }
}

/** The same site once more, in a folder of its own: a backup is made once, and every test harms its own copy. */
export const copyOf = async (site: Site): Promise<Site> => {
  const folder = await newFolder()
  await cp(site.folder, folder, { recursive: true })
  return JSON.parse(JSON.stringify(site).replaceAll(site.folder, folder)) as Site
}

/** A site for as long as the file's tests run; `copyOf` gives each its own. */
export const keptSite = async (databaseUrl: string): Promise<{ site: Site; readonly remove: () => Promise<void> }> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-kept-'))
  return {
    site: await newSiteIn(folder, databaseUrl),
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

/** The same with a backup of the registry in it. */
export const keptRegistrySite = async (sql = ''): ReturnType<typeof keptSite> => {
  const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
  if (sql !== '') await query(url, sql)
  const kept = await keptSite(url)
  const ran = await runTool(['run'], kept.site.environment)
  expect(ran.exitCode, ran.stderr).toBe(0)
  return kept
}

/** With one backup of that database in it. */
export const backedUpDrillSite = async (databaseUrl: string, more: Environment = {}): Promise<DrillSite> => {
  const site = await newSite(databaseUrl)
  const ran = await runTool(['run'], { ...site.environment, ...more })
  expect(ran.exitCode, ran.stderr).toBe(0)
  return drillSiteFor(site)
}

export interface Drilled extends Ended {
  readonly report: DrillReport
  readonly reportKey: string | null
  /** Of each check, by its name. */
  readonly states: Readonly<Record<string, string>>
  readonly details: Readonly<Record<string, string>>
}

export const drilledBy = (ended: Ended, document: unknown): Drilled => {
  const { backups } = document as { backups?: { report: DrillReport; reportKey: string | null }[] }
  const [first] = backups ?? []
  if (first === undefined) throw new Error(`No drill was made: ${ended.stderr}`)
  const { checks } = first.report
  return {
    ...ended,
    ...first,
    states: Object.fromEntries(checks.map(({ name, state }) => [name, state])),
    details: Object.fromEntries(checks.map(({ name, detail }) => [name, detail])),
  }
}

export const drillAt = async (environment: Environment, ...args: readonly string[]): Promise<Drilled> => {
  const { document, ...ended } = await runToolJson(['verify', ...args], environment)
  return drilledBy(ended, document)
}

/** The checks that turned red, by name. */
export const failedIn = ({ states }: Drilled): string[] =>
  Object.entries(states).flatMap(([name, state]) => (state === 'failed' ? [name] : []))

/** The reports in a folder store, oldest first. */
export const reportsOf = async (site: Site): Promise<DrillReport[]> => {
  const folder = join(site.store, 'backups/drills')
  return Promise.all(
    (await filesUnder(folder)).map(
      async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as DrillReport,
    ),
  )
}
