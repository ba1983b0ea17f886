import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Peak } from '../support/process-tree.ts'
import { startRadosgw } from '../support/radosgw.ts'
import { measureFelt } from './application.ts'
import { asTheUnit } from './as-the-unit.ts'
import { openBucket } from './bucket.ts'
import { contenders, limit, oursToFolder, type Archive, type Contender } from './contenders.ts'
import {
  countRows,
  makeRegistry,
  respondentsOfGigabytes,
  respondentsOfRows,
  serverSettings,
  startServer,
} from './database.ts'
import { install } from './installation.ts'
import { facts } from './machine.ts'
import { fillBucket } from './many-backups.ts'
import { peakOf, type Measured } from './measure.ts'
import { disturbingCores, othersCores } from './quiet.ts'
import { lists, verifies } from './reading.ts'
import { factsText, feltTable, peakText, sizesTable, summarize, table, type Line, type Round } from './report.ts'
import { requireRestored, restoreAndCompare, restores, type Restored } from './restores.ts'
import { measureRounds, type Rounds } from './rounds.ts'
import { measureSizes } from './sizes.ts'

const allParts = ['backup', 'restore', 'verify', 'list', 'application', 'sizes'] as const

const { values: asked } = parseArgs({
  options: {
    rows: { type: 'string' },
    'size-gb': { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    // Which of the tables; archives that a table reads are made, once and not timed, where `backup` is left out.
    parts: { type: 'string', default: allParts.join(',') },
    // Which contenders of the part `backup`, by their ids; a part that reads what one has left needs it.
    only: { type: 'string' },
    // Rows of the registries of the part `sizes`.
    sizes: { type: 'string', default: '100000,1000000,5000000,12000000' },
    name: { type: 'string', default: 'bench' },
    // How long to wait, altogether, for the machine to be left alone; 0: take it as it is.
    'quiet-minutes': { type: 'string', default: '0' },
  },
})
const respondents =
  asked.rows === undefined ? respondentsOfGigabytes(Number(asked['size-gb'])) : respondentsOfRows(Number(asked.rows))
const roundsAsked = Number(asked.rounds)
const sizes = asked.sizes.split(',').map(Number)
const parts = new Set(asked.parts.split(','))
const unknown = [...parts].filter((part) => !allParts.some((known) => known === part))
if (unknown.length > 0) throw new Error(`--parts takes ${allParts.join(', ')}; not: ${unknown.join(', ')}`)
if (![respondents, roundsAsked, ...sizes].every((value) => value >= 1))
  throw new Error('--rows, --size-gb, --rounds and --sizes take numbers above zero')

const say = (text: string): void => void process.stderr.write(`${text}\n`)
const print = (text: string): void => void process.stdout.write(`${text}\n`)

const storedSizes = async (all: readonly Contender[]): Promise<ReadonlyMap<string, number>> => {
  const stored = new Map<string, number>()
  for (const contender of all) {
    const archive = await contender.archive()
    if (archive !== undefined) stored.set(contender.id, archive.storedBytes)
  }
  return stored
}

const measurePeaks = async (all: readonly Contender[]): Promise<readonly (readonly [Contender, Peak])[]> => {
  const peaks: [Contender, Peak][] = []
  for (const contender of all) if (contender.id.startsWith('ours')) peaks.push([contender, await peakOf(contender)])
  return peaks
}

const restoreAll = async (
  port: number,
  all: readonly Contender[],
  expected: Readonly<Record<string, number>>,
): Promise<readonly Restored[]> => {
  const restored: Restored[] = []
  for (const contender of all) {
    const one = await restoreAndCompare(port, contender, expected)
    if (one !== undefined) restored.push(one)
  }
  return restored
}

/** A table of its own, printed as soon as it is there. */
const compare = async (title: string, all: readonly Measured[], rounds: Rounds): Promise<Compared> => {
  say(title)
  const measured = await measureRounds(all, rounds)
  return { lines: show(title, all, measured), rounds: measured }
}

interface Compared {
  readonly lines: readonly Line[]
  readonly rounds: readonly Round[]
}

const show = (
  title: string,
  all: readonly Measured[],
  measured: readonly Round[],
  stored: ReadonlyMap<string, number> = new Map(),
): readonly Line[] => {
  const lines = summarize(all, measured, stored)
  print(`\n${title}\n\n${table(lines)}\n`)
  const disturbed = measured.filter(({ timing }) => othersCores(timing) > disturbingCores).length
  const again = measured.reduce((sum, { discarded }) => sum + discarded.length, 0)
  const mostRead = Math.max(...measured.map(({ timing }) => timing.diskReadBytes))
  print(
    `Of ${String(measured.length)} runs that count, ${String(disturbed)} were disturbed: others used more than ${String(disturbingCores)} cores. ${String(again)} more were made again for that reason. Read from the disk in any of them: ${(mostRead / 1e6).toFixed(0)} MB at most.`,
  )
  return lines
}

const folder = await mkdtemp(join(tmpdir(), 'oslrs-bench-'))
const [server, gateway] = await Promise.all([startServer(), startRadosgw()])
try {
  const installation = await install(folder)
  const bucket = await openBucket(gateway)
  const { binaries, port } = server
  const [postmaster = ''] = (await readFile(join(server.folder, 'data/postmaster.pid'), 'utf8')).split('\n')
  const deadline = performance.now() + Number(asked['quiet-minutes']) * 60_000
  const warmed = [join(server.folder, 'data/base'), folder]
  const rounds: Rounds = { postmaster, warmed, rounds: roundsAsked, deadline, say }

  say(`Making a registry of ${String(respondents)} people.`)
  const source = await makeRegistry(server, respondents)
  const rows = await countRows(source.url)
  const only = asked.only?.split(',')
  const all = contenders({ url: source.url, folder, installation, binaries, bucket }).filter(
    ({ id }) => id === 'limit' || only === undefined || only.includes(id),
  )
  const archiveOf = async (id: string): Promise<Archive> => {
    const found = await all.find((contender) => contender.id === id)?.archive()
    if (found === undefined) throw new Error(`There is no archive of ${id}.`)
    return found
  }

  const about = await facts(binaries)
  print(factsText(about))
  const settings = Object.entries(serverSettings).map(([name, value]) => `${name}=${value}`)
  print(
    `${String(respondents)} people, made in ${source.seconds.toFixed(0)} s; server: ${settings.join(', ')}, else as delivered; all read from the page cache; ${String(roundsAsked)} rounds after one that does not count`,
  )
  const results = join(import.meta.dirname, 'results')
  await mkdir(results, { recursive: true })
  const file = join(results, `${about.date.slice(0, 10)}-${asked.name}.json`)
  const document: Record<string, unknown> = {
    formatVersion: 2,
    ...about,
    bundleSha256: installation.bundleSha256,
    server: serverSettings,
    database: { respondents, rows, databaseBytes: source.databaseBytes, madeInSeconds: source.seconds },
  }

  /** After each part: a later one that fails takes nothing away. */
  const keep = async (part: string, found: unknown): Promise<void> => {
    document[part] = found
    await writeFile(file, `${JSON.stringify(document, undefined, 2)}\n`)
    say(`Written: ${file}`)
  }

  if (parts.has('backup')) {
    const measured = await measureRounds(all, rounds)
    const lines = show('Backing up', all, measured, await storedSizes(all))
    say('Restoring what each has left behind.')
    const restored = await restoreAll(port, all, rows)
    for (const { contender, rows: found, seconds } of restored)
      print(
        `restored ${contender} by standard programs alone: ${String(found)} rows, all there, ${seconds.toFixed(0)} s`,
      )
    say('Looking at memory.')
    const peaks = await measurePeaks(all)
    for (const [contender, peak] of peaks) print(peakText(contender.name, peak))
    const memory = peaks.map(([{ id }, peak]) => ({
      contender: id,
      ...peak,
      ofProgram: Object.fromEntries(peak.ofProgram),
    }))
    const { plain } = (await archiveOf('ours')).manifest ?? {}
    await keep('backup', { lines, rounds: measured, restored, memory, plain })
  } else
    for (const contender of all.filter(({ id }) =>
      ['replaced', 'custom', 'directory', 'ours', 'ours-bucket'].includes(id),
    )) {
      await contender.clean()
      await contender.start().ended
    }

  const store = join(folder, 'ours')
  if (parts.has('restore'))
    await keep(
      'restore',
      await compare(
        'Restoring into a new database',
        restores(
          port,
          {
            gzip: await archiveOf('replaced'),
            custom: await archiveOf('custom'),
            directory: await archiveOf('directory'),
            ours: await archiveOf('ours'),
          },
          { installation, store, binaries },
        ),
        {
          ...rounds,
          check: async ({ name }) => {
            await requireRestored(port, name, rows)
          },
        },
      ),
    )

  if (parts.has('verify'))
    await keep(
      'verify',
      await compare('Reading an archive to its end', verifies(await archiveOf('ours'), installation, store), rounds),
    )

  if (parts.has('list')) {
    const { manifest } = await archiveOf('ours-bucket')
    if (manifest === undefined) throw new Error('There is no manifest.')
    const there = await fillBucket(bucket, installation, manifest)
    await keep('list', {
      ...there,
      ...(await compare(
        `A bucket with ${String(there.backups)} backups and ${String(there.drills)} drills`,
        lists(installation, bucket),
        rounds,
      )),
    })
  }

  if (parts.has('application')) {
    say('The application beside it.')
    const ours = oursToFolder(
      { url: source.url, folder, installation },
      'felt',
      'oslrs-backup run, as the unit runs it',
      installation.path,
      '',
    )
    const { under, settings: unit, end } = await asTheUnit()
    const felt = await measureFelt(
      port,
      { folder, warmed },
      [limit({ url: source.url, binaries }), { ...ours, under }],
      {
        rounds: roundsAsked,
        seconds: Math.max(30, Math.round(respondents / 25_000)),
      },
    )
    await end()
    print(`\nThe application beside it (as the unit: ${unit})\n\n${feltTable(felt)}\n`)
    await keep('application', { unit, felt })
  }

  if (parts.has('sizes')) {
    const found = await measureSizes(server, { folder, installation, binaries }, sizes.map(respondentsOfRows), rounds)
    print(`\nWhat a row costs\n\n${sizesTable(found)}\n`)
    await keep('sizes', found)
  }
} finally {
  await Promise.all([server.stop(), gateway.stop()])
  await rm(folder, { recursive: true, force: true })
}
