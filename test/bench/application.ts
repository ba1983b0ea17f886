import { execa } from 'execa'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { query, urlOf } from '../support/postgres.ts'
import { diskReadBytes, warm, type Measured } from './measure.ts'
import { spread, type Spread } from './report.ts'

/** Transactions a second of pgbench's usual kind (TPC-B), far from all that the server could do. */
const transactionsPerSecond = 100
const clients = 4

export interface Felt {
  readonly id: string
  readonly name: string
  /** 95th percentile of the latency of the application's transactions, in ms: median, min and max of the rounds. */
  readonly p95Ms: Spread
  readonly transactions: number
  /** Read from the disk while it ran, in the round where that was most. */
  readonly diskReadBytes: number
}

/** What runs beside the application, and by way of what it is started. */
export type FeltWork = Measured & { readonly under?: readonly string[] }

/** Where logs go, and what is read before each round: see `warm`. */
interface Place {
  readonly folder: string
  readonly warmed: readonly string[]
}

const percentile95 = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1] ?? NaN

/**
 * How the application, on the same server and at a fixed rate, feels each of these: `idle` is nothing at all, for so long.
 * `seconds` is longer than each of them takes. pgbench counts a transaction's latency from when it was due, so that waiting counts.
 */
export const measureFelt = async (
  port: number,
  place: Place,
  all: readonly FeltWork[],
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<readonly Felt[]> => {
  await query(urlOf(port, 'postgres'), 'CREATE DATABASE application')
  const url = urlOf(port, 'application')
  await execa('pgbench', ['-i', '-q', '-s', '10', url])
  const idle: FeltWork = {
    id: 'idle',
    name: 'nothing',
    start: () => ({ pid: undefined, ended: pause(8000) }),
    clean: () => Promise.resolve(),
  }
  const found = new Map<string, { p95: number[]; transactions: number; diskReadBytes: number }>()
  for (let round = 0; round < rounds; round++)
    for (const one of [idle, ...all]) {
      await one.clean()
      const { latencies, read } = await latenciesDuring(url, place, one, seconds)
      const { p95, transactions, diskReadBytes } = found.get(one.id) ?? nothingYet
      found.set(one.id, {
        p95: [...p95, percentile95(latencies)],
        transactions: transactions + latencies.length,
        diskReadBytes: Math.max(diskReadBytes, read),
      })
    }
  return [idle, ...all].map(({ id, name }) => {
    const { p95, transactions, diskReadBytes } = found.get(id) ?? nothingYet
    return { id, name, p95Ms: spread(p95), transactions, diskReadBytes }
  })
}

const nothingYet = { p95: [], transactions: 0, diskReadBytes: 0 }

const latenciesDuring = async (
  url: string,
  { folder, warmed }: Place,
  { start, under }: FeltWork,
  seconds: number,
): Promise<{ readonly latencies: readonly number[]; readonly read: number }> => {
  const logs = await mkdtemp(join(folder, 'pgbench-'))
  const rate = String(transactionsPerSecond)
  const application = execa(
    'pgbench',
    ['-n', '-c', String(clients), '-j', '1', '-R', rate, '-T', String(seconds), '-l', url],
    { cwd: logs, stdin: 'ignore' },
  )
  await Promise.all([pause(2000), warm(warmed)])
  const readBefore = diskReadBytes()
  const from = Date.now()
  await start(under).ended
  const until = Date.now()
  const read = diskReadBytes() - readBefore
  // Its log is whole once it has ended by itself.
  await application
  if (until > from + (seconds - 2) * 1000) throw new Error(`The application ended before the work that it was to feel.`)
  // pgbench(1), "Per-Transaction Logging": client, number, latency in µs, script, seconds, µs, lag.
  const lines = await Promise.all((await readdir(logs)).map((name) => readFile(join(logs, name), 'utf8')))
  await rm(logs, { recursive: true })
  const latencies = lines.flatMap((text) =>
    text.split('\n').flatMap((line) => {
      const [, , latency = 0, , second = 0, micros = 0] = line.split(' ').map(Number)
      const endedAt = second * 1000 + micros / 1000
      return line !== '' && endedAt >= from && endedAt <= until ? [latency / 1000] : []
    }),
  )
  return { latencies, read }
}
