import { execa } from 'execa'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { query, startCluster, urlOf, type Cluster } from '../support/postgres.ts'

/** As on the production host, as far as it matters here; the rest is the server's own default. */
export const serverSettings = { fsync: 'on', shared_buffers: '256MB', max_wal_size: '4GB' } as const

/** Plain SQL per respondent, with the submission and the audit row that belong to each; measured. */
const bytesPerRespondent = 1264
export const respondentsOfGigabytes = (gigabytes: number): number =>
  Math.round((gigabytes * 1_000_000_000) / bytesPerRespondent)

/** Each has a submission and an audit row. */
export const respondentsOfRows = (rows: number): number => Math.round(rows / 3)

export interface Source {
  readonly url: string
  readonly respondents: number
  readonly seconds: number
  /** On disk, with indexes. */
  readonly databaseBytes: number
}

export const startServer = (): Promise<Cluster> => startCluster(serverSettings)

const runFile = async (url: string, file: string, variables: Readonly<Record<string, number>> = {}): Promise<void> => {
  const settings = Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${String(value)}`])
  await execa('psql', ['-X', '-q', ...settings, '-f', join(import.meta.dirname, 'registry', file), url])
}

/** A registry of this many people in a new database, made by one session per core. */
export const makeRegistry = async (server: Cluster, respondents: number, name = 'registry'): Promise<Source> => {
  const since = performance.now()
  await query(urlOf(server.port, 'postgres'), `CREATE DATABASE ${name}`)
  const url = urlOf(server.port, name)
  await runFile(url, 'tables.sql')
  const sessions = availableParallelism()
  const borders = Array.from({ length: sessions + 1 }, (_, index) => Math.floor((respondents * index) / sessions))
  await Promise.all(
    borders.slice(1).map((last, index) => runFile(url, 'rows.sql', { first: (borders[index] ?? 0) + 1, last })),
  )
  await runFile(url, 'indexes.sql')
  const [size] = await query<{ bytes: string }>(url, 'SELECT pg_database_size(current_database()) AS bytes')
  return {
    url,
    respondents,
    seconds: (performance.now() - since) / 1000,
    databaseBytes: Number(size?.bytes),
  }
}

/** Rows of every table, by name. */
export const countRows = async (url: string): Promise<Readonly<Record<string, number>>> => {
  const tables = await query<{ name: string }>(
    url,
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
  )
  const counts: [string, number][] = []
  for (const { name } of tables) {
    const [count] = await query<{ rows: string }>(url, `SELECT count(*) AS rows FROM ${name}`)
    counts.push([name, Number(count?.rows)])
  }
  return Object.fromEntries(counts)
}
