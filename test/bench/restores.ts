import { execa } from 'execa'
import { query, urlOf } from '../support/postgres.ts'
import type { Archive, Contender } from './contenders.ts'
import { countRows } from './database.ts'
import type { Installation } from './installation.ts'
import { bareEnvironment, shell, type Measured } from './measure.ts'

export interface Restored {
  readonly contender: string
  readonly rows: number
  readonly seconds: number
}

const database = 'restored'
const psqlInto = (port: number): string => `psql -X -q -o /dev/null -v ON_ERROR_STOP=1 ${urlOf(port, database)}`

const newTarget = async (port: number): Promise<void> => {
  const maintenance = urlOf(port, 'postgres')
  await query(maintenance, `DROP DATABASE IF EXISTS ${database}`)
  await query(maintenance, `CREATE DATABASE ${database}`)
  // What one left for the server to write is not the next one's.
  await query(maintenance, 'CHECKPOINT')
}

/** Throws where the target's rows are not those of the source; how many they are, all together. */
export const requireRestored = async (
  port: number,
  name: string,
  expected: Readonly<Record<string, number>>,
): Promise<number> => {
  const found = await countRows(urlOf(port, database))
  if (JSON.stringify(found) !== JSON.stringify(expected))
    throw new Error(`"${name}" restores ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`)
  return Object.values(found).reduce((sum, rows) => sum + rows, 0)
}

/**
 * What the contender left behind is restored with its own standard programs and psql alone, into a new database, and its
 * rows are counted. Throws where they are not those of the source.
 */
export const restoreAndCompare = async (
  port: number,
  contender: Contender,
  expected: Readonly<Record<string, number>>,
): Promise<Restored | undefined> => {
  const archive = await contender.archive()
  if (archive === undefined) return undefined
  await newTarget(port)
  const since = performance.now()
  await execa('bash', ['-c', `set -eo pipefail; ${archive.open} | ${psqlInto(port)}`, 'bench', archive.path], {
    stdin: 'ignore',
    ...bareEnvironment(archive.env),
  })
  const seconds = (performance.now() - since) / 1000
  const rows = await requireRestored(port, contender.name, expected)
  return { contender: contender.id, rows, seconds }
}

/** Ways to restore, each from what a way to back up has left; the first is what the others are compared with. */
export const restores = (
  port: number,
  archives: { readonly gzip: Archive; readonly custom: Archive; readonly directory: Archive; readonly ours: Archive },
  { installation, store, binaries }: { installation: Installation; store: string; binaries: string },
): readonly Measured[] => {
  const target = urlOf(port, database)
  const clean = (): Promise<void> => newTarget(port)
  const pgRestore = (id: string, name: string, jobs: number, { path }: Archive): Measured => ({
    id,
    name,
    start: () => shell(`${binaries}/pg_restore --no-owner -j ${String(jobs)} -d ${target} "$1"`, [path]),
    clean,
  })
  return [
    {
      id: 'gunzip',
      name: 'gunzip | psql',
      start: () => shell(`gunzip < "$1" | ${psqlInto(port)}`, [archives.gzip.path]),
      clean,
    },
    pgRestore('custom-1', 'pg_restore -j1, from -Fc', 1, archives.custom),
    pgRestore('custom-2', 'pg_restore -j2, from -Fc', 2, archives.custom),
    pgRestore('directory-1', 'pg_restore -j1, from -Fd', 1, archives.directory),
    pgRestore('directory-2', 'pg_restore -j2, from -Fd', 2, archives.directory),
    {
      id: 'ours',
      name: 'oslrs-backup restore',
      start: () => startOurs(installation, store, ['restore', '--latest', '--target-db', target, '--json']),
      clean,
    },
  ]
}

/** A command of ours that reads the store, as on the host that has the private key. */
export const startOurs = (
  { program, path, environment, identityFile }: Installation,
  store: string,
  args: readonly string[],
): ReturnType<Measured['start']> => {
  const child = execa(program, args, {
    env: { ...environment, PATH: path, BACKUP_STORE_DIR: store, BACKUP_AGE_IDENTITY_FILE: identityFile },
    extendEnv: false,
    stdin: 'ignore',
    stdout: 'ignore',
  })
  return { pid: child.pid, ended: child }
}
