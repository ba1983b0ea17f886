import { Fault } from '../../src/errors.ts'
import { newStatus } from '../../src/domain/status.ts'
import { CopyMeter, metered } from '../../src/pipeline/copy-meter.ts'
import type { StateFolder } from '../../src/ports/telling.ts'
import type {
  Flow,
  Metered,
  MeteredFeed,
  Bytes,
  Clock,
  Database,
  Dumper,
  DumpSection,
  Gzip,
  Journal,
  Programs,
  Snapshot,
  SourceDatabase,
  TableName,
} from '../../src/ports.ts'
import { streamOf } from './builders.ts'
import type { Registry } from './simulated-registry.ts'

/**
 * The ports of a server, in memory: the real stories run against a simulated registry. Dumps are tiny and are real plain
 * text in three sections, so the meter, the lengths and the row comparison of src do their work on them.
 */

/** Where a night goes wrong on the server's side. */
export type ServerTrouble =
  | 'lock-held'
  | 'no-connection'
  | 'dump-dies'
  /** pg_dump exits 0 and has not written all: its trailer is missing. */
  | 'dump-is-cut'
  /** The dump has a row less than SQL counted. */
  | 'row-is-missing'

const trailer = '--\n-- PostgreSQL database dump complete\n--\n\n'
const keyTableNames = ['users', 'respondents', 'submissions'] as const
export const keyTables: readonly TableName[] = keyTableNames.map((table) => ({ schema: 'public', table }))

const blocks = (registry: Registry, trouble: ServerTrouble | undefined): string =>
  registry
    .tables()
    .map(({ name, rows, filler }) => {
      const lines = Array.from({ length: rows }, (_, n) => `${String(n)}\t${filler}\n`)
      if (trouble === 'row-is-missing' && name === 'users') lines.pop()
      return `COPY public.${name} (id, text) FROM stdin;\n${lines.join('')}\\.\n\n`
    })
    .join('')

async function* dump(
  registry: Registry,
  section: DumpSection,
  trouble: ServerTrouble | undefined,
): AsyncGenerator<Uint8Array> {
  if (section !== 'data') {
    yield* streamOf(`SELECT '${section}';\n`, trailer)
    return
  }
  const text = blocks(registry, trouble)
  if (trouble !== 'dump-dies' && trouble !== 'dump-is-cut') {
    yield* streamOf(text, trailer)
    return
  }
  yield* streamOf(text.slice(0, text.length >> 1))
  if (trouble === 'dump-dies') throw new Fault('dump-failed', 'pg_dump was killed.')
}

const source: SourceDatabase = {
  host: '127.0.0.1',
  database: 'app_db',
  serverVersion: '15.18',
  serverMajor: 15,
  systemIdentifier: '7300000000000000001',
  sizeBytes: 8000,
  encoding: 'UTF8',
  collate: 'C.UTF-8',
  ctype: 'C.UTF-8',
  requires: { extensions: [], superuser: [] },
  blockers: [],
  warnings: [],
  notContained: [],
}

const snapshotOf = (registry: Registry): Snapshot => ({
  id: 'snapshot',
  tables: registry.tables().map(({ name }) => ({ schema: 'public', table: name, holdsRows: true, parents: [] })),
  countRows: ({ table }) => Promise.resolve(registry.tables().find(({ name }) => name === table)?.rows),
  auditChain: () => Promise.resolve(null),
})

export const simulatedDatabase = (registry: Registry, trouble?: ServerTrouble): Database => ({
  inspect: () =>
    trouble === 'no-connection'
      ? Promise.reject(new Fault('database-unavailable', 'Nobody answers.'))
      : Promise.resolve(source),
  holdingLock: (_options, work) =>
    trouble === 'lock-held'
      ? Promise.reject(new Fault('lock-held', 'Another run holds the lock.'))
      : work({ signal: new AbortController().signal }),
  inSnapshot: (_signal, work) => work(snapshotOf(registry)),
})

/** As real programs do, the fake ones keep the shape of their formats: gzip's length at its end, age's header and tags. */
const gzip: Gzip = {
  name: 'identity 1',
  compress: async function* (input) {
    let sizeBytes = 0
    for await (const chunk of input.bytes()) {
      sizeBytes += chunk.byteLength
      yield chunk
    }
    const tail = Buffer.alloc(4)
    tail.writeUInt32LE(sizeBytes)
    yield tail
  },
  decompress: (input) => input,
}

async function* age(input: Bytes): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`age-encryption.org/v1\n--- mac\n${'n'.repeat(16)}`)
  let sizeBytes = 0
  for await (const chunk of input) {
    sizeBytes += chunk.byteLength
    yield chunk
  }
  yield Buffer.alloc(16 * Math.max(1, Math.ceil(sizeBytes / 65_536)))
}

/** In this process: there are no programs. */
const meteredHere = (dumpOf: (section: DumpSection) => Bytes, flow: Flow): MeteredFeed => {
  const found = Promise.withResolvers<Metered>()
  found.promise.catch(() => undefined)
  async function* bytes(): AsyncGenerator<Uint8Array> {
    const meter = new CopyMeter()
    try {
      for (const section of ['pre-data', 'data', 'post-data'] as const) {
        yield* metered(dumpOf(section), meter)
        meter.endOfSection(section)
      }
      found.resolve(meter.end())
    } catch (thrown) {
      flow.fail(thrown)
      found.reject(thrown)
      throw thrown
    }
  }
  return {
    into: () => Promise.reject(new TypeError('there is no program here')),
    bytes,
    metered: found.promise,
    ended: () => Promise.resolve(),
  }
}

export const simulatedPrograms = (registry: Registry, trouble?: ServerTrouble): Programs => {
  const dumper: Dumper = {
    version: '15.18',
    whole: (_snapshotId, flow) => meteredHere((section) => dump(registry, section, trouble), flow),
    trial: (flow) => meteredHere(() => streamOf(trailer), flow),
  }
  return {
    dumperFor: () => Promise.resolve(dumper),
    gzip: () => Promise.resolve(gzip),
    ageVersion: () => Promise.resolve('1.2.0'),
    encrypt: (input) => age(input),
    decrypt: (input) => input,
  }
}

/** A clock that shows what it is told to. */
export const clockOf = (now: () => number): Clock => ({ now: () => new Date(now()), monotonicMs: now })

/** A machine that remembers nothing. */
export const forgetful: Pick<StateFolder, 'read'> = { read: () => Promise.resolve(newStatus) }

export const silent: Journal = {
  info: () => undefined,
  warn: () => undefined,
  debug: () => undefined,
  progress: () => ({ at: () => undefined, end: () => undefined }),
}
