import type { Peak } from '../support/process-tree.ts'
import type { Felt } from './application.ts'
import type { Facts } from './machine.ts'
import type { Measured, Timing } from './measure.ts'
import type { Sized } from './sizes.ts'

export interface Round {
  readonly contender: string
  readonly round: number
  readonly timing: Timing
  /** Runs before it that others disturbed. */
  readonly discarded: readonly Timing[]
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Line {
  readonly id: string
  readonly name: string
  readonly seconds: Spread
  /** Its time over that of the limit in the same round. */
  readonly ratio: Spread
  readonly clientSeconds: number
  readonly serverSeconds: number
  readonly othersSeconds: number
  readonly storedBytes: number | null
}

export const spread = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? NaN
  const middle = (sorted.length - 1) / 2
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  }
}

/** One line for each contender; the first is the limit that the others are compared with. */
export const summarize = (
  all: readonly Measured[],
  rounds: readonly Round[],
  stored: ReadonlyMap<string, number>,
): readonly Line[] => {
  const ofContender = (id: string): readonly Round[] => rounds.filter((round) => round.contender === id)
  const limits = new Map(ofContender(all[0]?.id ?? '').map(({ round, timing }) => [round, timing.seconds]))
  return all.map(({ id, name }) => {
    const own = ofContender(id)
    const median = (pick: (timing: Timing) => number): number => spread(own.map(({ timing }) => pick(timing))).median
    return {
      id,
      name,
      seconds: spread(own.map(({ timing }) => timing.seconds)),
      ratio: spread(own.map(({ round, timing }) => timing.seconds / (limits.get(round) ?? NaN))),
      clientSeconds: median((timing) => timing.clientSeconds),
      serverSeconds: median((timing) => timing.serverSeconds),
      othersSeconds: median((timing) => timing.othersSeconds),
      storedBytes: stored.get(id) ?? null,
    }
  })
}

const two = (value: number): string => value.toFixed(2)
const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(0)} MB`
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const spreadText = ({ median, min, max }: Spread): string => `${two(median)} (${two(min)}–${two(max)})`

/** In Markdown, so that it can be pasted. */
export const table = (lines: readonly Line[]): string =>
  [
    row([
      'contender',
      'seconds: median (min–max)',
      'ratio to the first',
      'CPU s: its own',
      'server’s',
      'others’',
      'stored',
    ]),
    row(['---', '---:', '---:', '---:', '---:', '---:', '---:']),
    ...lines.map((line) =>
      row([
        `\`${line.name.replaceAll('|', String.raw`\|`)}\``,
        spreadText(line.seconds),
        spreadText(line.ratio),
        two(line.clientSeconds),
        two(line.serverSeconds),
        two(line.othersSeconds),
        line.storedBytes === null ? '–' : megabytes(line.storedBytes),
      ]),
    ),
  ].join('\n')

export const peakText = (name: string, { total, ofProgram, samples }: Peak): string =>
  `${name}: ${megabytes(total.aloneBytes)} together at most (PSS ${megabytes(total.pssBytes)}); each program at its own peak: ${[
    ...ofProgram,
  ]
    .map(([program, { aloneBytes }]) => `${program} ${megabytes(aloneBytes)}`)
    .join(', ')}; ${String(samples)} looks`

export const factsText = ({ date, machine, versions, commit }: Facts): string =>
  [
    `${date}, commit ${commit}`,
    `${String(machine.cores)} × ${machine.processor}, ${megabytes(machine.memoryBytes)} of memory, Linux ${machine.kernel}, ${versions['system'] ?? ''}; load ${two(machine.loadAtStart)} at the start`,
    Object.entries(versions)
      .filter(([name]) => name !== 'system')
      .map(([name, version]) => `${name}: ${version}`)
      .join(' · '),
  ].join('\n')

export const feltTable = (all: readonly Felt[]): string =>
  [
    row([
      'beside the application',
      'p95 latency, ms: median (min–max)',
      'ratio to `pg_dump`',
      'transactions',
      'read from the disk',
    ]),
    row(['---', '---:', '---:', '---:', '---:']),
    ...all.map(({ id, name, p95Ms, transactions, diskReadBytes }) => {
      const reference = all.find((one) => one.id === 'limit')?.p95Ms.median ?? NaN
      return row([
        id === 'idle' ? name : `\`${name}\``,
        spreadText(p95Ms),
        two(p95Ms.median / reference),
        String(transactions),
        megabytes(diskReadBytes),
      ])
    }),
  ].join('\n')

export const sizesTable = (all: readonly Sized[]): string =>
  [
    row(['rows', 'SQL', '`pg_dump`, s', 'µs per row', '`oslrs-backup run`, s', 'µs per row', 'PSS at most']),
    row(['---:', '---:', '---:', '---:', '---:', '---:', '---:']),
    ...all.map((one) =>
      row([
        one.rows.toLocaleString('en'),
        megabytes(one.plainBytes),
        spreadText(one.limitSeconds),
        two(one.limitMicrosPerRow),
        spreadText(one.seconds),
        two(one.microsPerRow),
        megabytes(one.pssBytes),
      ]),
    ),
  ].join('\n')
