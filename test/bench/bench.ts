import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Peak } from '../support/process-tree.ts'
import { startRadosgw } from '../support/radosgw.ts'
import { openBucket } from './bucket.ts'
import { contenders, type Contender } from './contenders.ts'
import { countRows, makeRegistry, respondentsOfGigabytes, serverSettings, startServer } from './database.ts'
import { install } from './installation.ts'
import { facts } from './machine.ts'
import { peakOf, time } from './measure.ts'
import { disturbingCores, othersCores, timeInQuiet } from './quiet.ts'
import { factsText, peakText, summarize, table, type Round } from './report.ts'
import { restoreAndCompare, type Restored } from './restores.ts'

const { values: asked } = parseArgs({
  options: {
    rows: { type: 'string' },
    'size-gb': { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    name: { type: 'string', default: 'bench' },
    // How long to wait, altogether, for the machine to be left alone; 0: take it as it is.
    'quiet-minutes': { type: 'string', default: '0' },
  },
})
const respondents = asked.rows === undefined ? respondentsOfGigabytes(Number(asked['size-gb'])) : Number(asked.rows)
const roundsAsked = Number(asked.rounds)
if (!(respondents >= 1 && roundsAsked >= 1)) throw new Error('--rows, --size-gb and --rounds take numbers above zero')

const say = (text: string): void => void process.stderr.write(`${text}\n`)
const print = (text: string): void => void process.stdout.write(`${text}\n`)

/** Every contender once a round, each round beginning with another one, after one round that does not count. */
const measureRounds = async (all: readonly Contender[], postmaster: string): Promise<readonly Round[]> => {
  const measured: Round[] = []
  const deadline = performance.now() + Number(asked['quiet-minutes']) * 60_000
  for (let round = 0; round <= roundsAsked; round++) {
    const shift = round % all.length
    for (const contender of [...all.slice(shift), ...all.slice(0, shift)]) {
      if (round === 0) {
        await time(contender, postmaster)
        continue
      }
      const { timing, discarded } = await timeInQuiet(contender, postmaster, deadline)
      say(
        `  round ${String(round)}: ${contender.id} ${timing.seconds.toFixed(2)} s, others ${othersCores(timing).toFixed(2)} cores; ${String(discarded.length)} runs made again`,
      )
      measured.push({ contender: contender.id, round, timing, discarded })
    }
  }
  return measured
}

const storedSizes = async (all: readonly Contender[]): Promise<ReadonlyMap<string, number>> => {
  const sizes = new Map<string, number>()
  for (const contender of all) {
    const archive = await contender.archive()
    if (archive !== undefined) sizes.set(contender.id, archive.storedBytes)
  }
  return sizes
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

/** What lies in the bucket: the parts that it went up in, and the tag by which it was proved. */
const bucketFacts = async (all: readonly Contender[]): Promise<Readonly<Record<string, unknown>> | null> => {
  const archive = await all.find(({ id }) => id === 'ours-bucket')?.archive()
  return archive?.manifest === undefined
    ? null
    : { storedBytes: archive.storedBytes, storage: archive.manifest.storage }
}

const folder = await mkdtemp(join(tmpdir(), 'oslrs-bench-'))
const [server, gateway] = await Promise.all([startServer(), startRadosgw()])
try {
  const installation = await install(folder)
  say(`Making a registry of ${String(respondents)} people.`)
  const source = await makeRegistry(server, respondents)
  const rows = await countRows(source.url)
  const all = contenders({
    url: source.url,
    folder,
    installation,
    binaries: server.binaries,
    bucket: await openBucket(gateway),
  })
  const [postmaster = ''] = (await readFile(join(server.folder, 'data/postmaster.pid'), 'utf8')).split('\n')

  const about = await facts(server.binaries)
  print(factsText(about))
  const rounds = await measureRounds(all, postmaster)
  say('Restoring what each has left behind.')
  const stored = await storedSizes(all)
  const restored = await restoreAll(server.port, all, rows)
  const plainBytes = (await all.find(({ id }) => id === 'ours')?.archive())?.manifest?.plain.sizeBytes ?? 0
  say('Looking at memory.')
  const peaks = await measurePeaks(all)

  const lines = summarize(all, rounds, stored)
  const settings = Object.entries(serverSettings).map(([name, value]) => `${name}=${value}`)
  print(
    `${(plainBytes / 1e9).toFixed(2)} GB of SQL, ${String(respondents)} people, made in ${source.seconds.toFixed(0)} s; server: ${settings.join(', ')}, else as delivered; all read from the page cache; ${String(roundsAsked)} rounds after one that does not count`,
  )
  print(`\n${table(lines)}\n`)
  const disturbed = rounds.filter(({ timing }) => othersCores(timing) > disturbingCores).length
  const again = rounds.reduce((sum, { discarded }) => sum + discarded.length, 0)
  print(
    `Of ${String(rounds.length)} runs that count, ${String(disturbed)} were disturbed: others used more than ${String(disturbingCores)} cores. ${String(again)} more were made again for that reason.`,
  )
  for (const [contender, peak] of peaks) print(peakText(contender.name, peak))
  for (const { contender, rows: found, seconds } of restored)
    print(`restored ${contender} by standard programs alone: ${String(found)} rows, all there, ${seconds.toFixed(0)} s`)

  const results = join(import.meta.dirname, 'results')
  await mkdir(results, { recursive: true })
  const file = join(results, `${about.date.slice(0, 10)}-${asked.name}.json`)
  const document = {
    formatVersion: 1,
    ...about,
    bundleSha256: installation.bundleSha256,
    server: serverSettings,
    database: { respondents, rows, plainBytes, databaseBytes: source.databaseBytes, madeInSeconds: source.seconds },
    lines,
    rounds,
    bucket: await bucketFacts(all),
    memory: peaks.map(([{ id }, peak]) => ({
      contender: id,
      ...peak,
      ofProgram: Object.fromEntries(peak.ofProgram),
    })),
    restored,
  }
  await writeFile(file, `${JSON.stringify(document, undefined, 2)}\n`)
  say(`Written: ${file}`)
} finally {
  await Promise.all([server.stop(), gateway.stop()])
  await rm(folder, { recursive: true, force: true })
}
