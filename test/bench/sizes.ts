import type { Cluster } from '../support/postgres.ts'
import { query, urlOf } from '../support/postgres.ts'
import { limit, oursToFolder, type Contender } from './contenders.ts'
import { makeRegistry } from './database.ts'
import type { Installation } from './installation.ts'
import { peakOf } from './measure.ts'
import { spread, type Spread } from './report.ts'
import { measureRounds, type Rounds } from './rounds.ts'

export interface Sized {
  readonly rows: number
  readonly plainBytes: number
  readonly seconds: Spread
  /** What a run costs that backs up an empty registry is taken off: µs per row. */
  readonly microsPerRow: number
  readonly limitSeconds: Spread
  readonly limitMicrosPerRow: number
  /** Of our process tree, at most. */
  readonly pssBytes: number
}

/** The same registry with more and more people: what a row costs, and how much memory it takes. */
export const measureSizes = async (
  server: Cluster,
  around: { readonly folder: string; readonly installation: Installation; readonly binaries: string },
  respondents: readonly number[],
  rounds: Rounds,
): Promise<readonly Sized[]> => {
  const found: Sized[] = []
  let empty: { ours: number; limit: number } | undefined
  for (const people of [1, ...respondents]) {
    const name = `people_${String(people)}`
    rounds.say(`Making a registry of ${String(people)} people.`)
    const { url } = await makeRegistry(server, people, name)
    const reference = limit({ ...around, url })
    const ours = oursToFolder({ ...around, url }, name, `oslrs-backup run, ${name}`, around.installation.path, '')
    const measured = await measureRounds([reference, ours], rounds)
    const secondsOf = ({ id }: Contender): Spread =>
      spread(measured.filter(({ contender }) => contender === id).map(({ timing }) => timing.seconds))
    const [oursSeconds, limitSeconds] = [secondsOf(ours), secondsOf(reference)]
    const peak = await peakOf(ours)
    const manifest = (await ours.archive())?.manifest
    const rows = (manifest?.tables ?? []).reduce((sum, table) => sum + table.rows, 0)
    empty ??= { ours: oursSeconds.median, limit: limitSeconds.median }
    if (people > 1)
      found.push({
        rows,
        plainBytes: manifest?.plain.sizeBytes ?? 0,
        seconds: oursSeconds,
        microsPerRow: ((oursSeconds.median - empty.ours) / rows) * 1e6,
        limitSeconds,
        limitMicrosPerRow: ((limitSeconds.median - empty.limit) / rows) * 1e6,
        pssBytes: peak.total.pssBytes,
      })
    await ours.clean()
    await query(urlOf(server.port, 'postgres'), `DROP DATABASE ${name}`)
  }
  return found
}
