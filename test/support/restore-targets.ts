import { join } from 'node:path'
import { expect, inject } from 'vitest'
import { runAt } from './faults.ts'
import { processesOf } from './faulty-programs.ts'
import { newDatabase, query, urlOf } from './postgres.ts'
import { manifestsOf, newSite, type Environment, type Site } from './tool.ts'

/** Where to restore to, and what there is to be found there afterwards, if nothing is changed. */
export interface Target {
  readonly url: string
  readonly databases: readonly string[]
  /** What its only table holds; undefined: it has none. */
  readonly holds?: string
}

let made = 0
const newTarget = (): Promise<Target> =>
  Promise.resolve({ url: urlOf(inject('pgPort'), `new_${String(process.pid)}_${String(++made)}`), databases: [] })

export const emptyTarget = async (): Promise<Target> => {
  const url = await newDatabase(inject('pgPort'))
  return { url, databases: [databaseOf(url)] }
}

/** One that is in use, and may be replaced. */
const fullTarget = async (): Promise<Target> => {
  const url = await newDatabase(inject('pgPort'), { sql: `CREATE TABLE in_use AS SELECT 'precious' AS content` })
  return { url, databases: [databaseOf(url)], holds: 'precious' }
}

export const kindsOfTarget = [
  ['a new database', newTarget],
  ['an empty database', emptyTarget],
  ['the place of a database in use', fullTarget],
] as const

export const databaseOf = (url: string): string => new URL(url).pathname.slice(1)

/** A site with a backup: where it lies, and how to ask for it. */
export const backupOf = async (databaseUrl: string, change: Environment = {}) => {
  const site = await newSite(databaseUrl)
  expect(await runAt(site, ['run'], change)).toMatchObject({ exitCode: 0 })
  const [manifest] = await manifestsOf(site)
  const date = manifest?.timestamp.slice(0, 10) ?? ''
  return {
    site,
    archive: join(site.store, manifest?.s3Key ?? ''),
    manifest: join(site.store, `backups/manifests/${date}-manifest.json`),
    restoreTo: (target: Target) => [
      ...['restore', '--date', date, '--target-db', target.url],
      ...(target.databases.length === 0 ? ['--owner', 'postgres'] : []),
      ...(target.holds === undefined ? [] : ['--confirm']),
    ],
  }
}
export type BackedUp = Awaited<ReturnType<typeof backupOf>>

/** The target is as it was, no database of ours lies beside it, and no process is left. */
export const expectUntouched = async (site: Site, target: Target): Promise<void> => {
  expect(await processesOf(site)).toEqual([])
  const found = await query<{ datname: string }>(
    urlOf(inject('pgPort'), 'postgres'),
    `SELECT datname FROM pg_database WHERE datname = $1 OR starts_with(datname, $1 || '_') ORDER BY 1`,
    [databaseOf(target.url)],
  )
  expect(found.map((row) => row.datname)).toEqual(target.databases)
  if (target.databases.length === 0) return
  if (target.holds !== undefined) {
    expect(await query(target.url, 'SELECT content FROM in_use')).toEqual([{ content: target.holds }])
    return
  }
  const objects = `SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
                   UNION ALL SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace`
  expect(await query(target.url, objects)).toEqual([])
}
