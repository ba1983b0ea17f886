import { createHash } from 'node:crypto'
import type { Store } from '../../../src/ports.ts'
import type { OlderFile } from '../older-backups.ts'
import { monthNumber, nameOf } from './calendar.ts'

/** A backup as the model knows it, from the moment in which its manifest lay in the store. */
export interface Entry {
  readonly tier: 'daily' | 'monthly'
  readonly period: string
  readonly manifestKey: string
  readonly manifest: Buffer
  readonly dataKey: string
  readonly data: Buffer
  /** When it says that it was started. */
  readonly startedMs: number
  /** Ids of the losses that it carries; see Registry. */
  readonly losses: readonly number[]
  /** Written by the previous system. */
  readonly older: boolean
  /**
   * `going`: its manifest was removed in this step, and the promise says whether it might be. `gone`: rightly so.
   * `replaced` and `damaged`: a person or the model did it, so that nothing is promised any more.
   */
  state: 'present' | 'going' | 'gone' | 'replaced' | 'damaged'
}

interface Stated {
  readonly s3Key: string
  readonly checksumSha256: string
  readonly timestamp: string
  readonly promotedFrom?: string
}

/**
 * What was committed, accepted and removed, written down as it happens at the store itself. It knows nothing of what the
 * code under test thinks of it.
 */
export class Ledger {
  /** A mirror of all that lies in the store, foreign things too. */
  readonly objects = new Map<string, Buffer>()
  /** When each of them came, in true time. */
  readonly came = new Map<string, number>()
  /** Data that was removed in this step, for which no manifest spoke when it began, and when it came. */
  removedOrphans: { readonly key: string; readonly cameMs: number }[] = []
  readonly foreign = new Map<string, Buffer>()
  readonly entries: Entry[] = []
  readonly acceptedLosses = new Set<number>()
  /** Months of which there was a good backup, and which the model has not lost itself. */
  readonly months = new Set<number>()
  /** What was done wrong, at the moment at which it was done. */
  readonly wrongs: string[] = []
  /** The backups that a person has accepted. */
  readonly acceptedOnes: Entry[] = []
  /** In this step, in order: "put KEY", "copy KEY", "delete KEY". */
  doings: string[] = []
  readonly #losses: () => readonly number[]
  readonly #kindOf: (loss: number) => string
  readonly #now: () => number
  /** Of backups that were replaced in this step. */
  replacedMonths: number[] = []
  /** Whether this step may replace the backup of its day. */
  mayReplace = false

  constructor(losses: () => readonly number[], kindOf: (loss: number) => string, now: () => number) {
    this.#losses = losses
    this.#kindOf = kindOf
    this.#now = now
  }

  present(): Entry[] {
    return this.entries.filter(({ state }) => state === 'present')
  }

  isGood(entry: Entry): boolean {
    return entry.losses.every((loss) => this.acceptedLosses.has(loss))
  }

  entryAt(manifestKey: string): Entry | undefined {
    return this.present().find((entry) => entry.manifestKey === manifestKey)
  }

  /** As it lies there from the beginning. */
  plantOlder(files: readonly OlderFile[]): void {
    for (const { key, bytes } of files) {
      this.objects.set(key, bytes)
      this.came.set(key, this.#now())
    }
    for (const { key } of files) if (nameOf(key)?.what === 'manifest') this.#commit(key)
  }

  /** The store has it now. */
  stored(how: 'put' | 'copy', key: string, bytes: Buffer): void {
    this.doings.push(`${how} ${key}`)
    const before = this.objects.get(key)
    if (before !== undefined && !before.equals(bytes)) this.#judgeOverwriting(key)
    this.objects.set(key, bytes)
    this.came.set(key, this.#now())
    const name = nameOf(key)
    if (name?.what === 'manifest') this.#commit(key)
    if (name?.what === 'ack') this.#accept(name.period)
  }

  removed(key: string): void {
    this.doings.push(`delete ${key}`)
    const speaking = this.present().find((entry) => entry.dataKey === key)
    if (speaking !== undefined)
      this.wrongs.push(`promise 6: ${key} was removed while its manifest still says that it is there`)
    const hadManifest = this.entries.some(
      ({ dataKey, manifestKey }) => dataKey === key && this.doings.includes(`delete ${manifestKey}`),
    )
    if (nameOf(key)?.what === 'data' && !hadManifest) this.removedOrphans.push({ key, cameMs: this.came.get(key) ?? 0 })
    this.objects.delete(key)
    const entry = this.entryAt(key)
    if (entry !== undefined) entry.state = 'going'
  }

  /** Data is never written over, whether a manifest points to it or not; a manifest only where that was asked for. */
  #judgeOverwriting(key: string): void {
    if (nameOf(key)?.what === 'data') this.wrongs.push(`promise 4: ${key} was written over with other bytes`)
    const entry = this.entryAt(key)
    if (entry !== undefined && !(this.mayReplace && entry.tier === 'daily'))
      this.wrongs.push(`promise 4: ${key} was written over, and nobody asked for that`)
  }

  #commit(manifestKey: string): void {
    const name = nameOf(manifestKey)
    const manifest = this.objects.get(manifestKey)
    if (name === undefined || manifest === undefined) throw new Error(`no manifest: ${manifestKey}`)
    const stated = JSON.parse(String(manifest)) as Stated
    const older = !String(manifest).includes('"formatVersion"')
    // A monthly of the previous system is a copy, manifest and all, and speaks of the daily.
    const dataKey =
      older && name.tier === 'monthly'
        ? stated.s3Key.replace('/daily/', '/monthly/').replace(/\d{4}-\d\d-\d\d/, name.period)
        : stated.s3Key
    const data = this.objects.get(dataKey)
    if (data === undefined || createHash('sha256').update(data).digest('hex') !== stated.checksumSha256) {
      this.wrongs.push(`promise 6: ${manifestKey} was committed, and its data is not there, or is other data`)
      return
    }
    const from = this.entries.findLast(({ dataKey: key }) => key === stated.promotedFrom)
    const before = this.entryAt(manifestKey)
    if (before !== undefined) {
      before.state = 'replaced'
      this.replacedMonths.push(monthNumber(before.period))
    }
    const entry: Entry = {
      ...name,
      manifestKey,
      manifest,
      dataKey,
      data,
      startedMs: Date.parse(stated.timestamp),
      losses: from?.losses ?? (older ? [] : this.#losses()),
      older,
      state: 'present',
    }
    this.entries.push(entry)
    if (before !== undefined && this.isGood(before) && !this.isGood(entry))
      this.wrongs.push(`promise 4: ${manifestKey} was good, and a ruined one was put in its place`)
    if (name.tier === 'monthly' && !older) this.#judgePromotion(entry, from)
  }

  /** A monthly is the first good daily of its month that there was, byte for byte. */
  #judgePromotion(monthly: Entry, from: Entry | undefined): void {
    const first = this.dailiesOfMonth(monthNumber(monthly.period)).find((entry) => this.isGood(entry) && !entry.older)
    if (from === undefined || from !== first || !from.data.equals(monthly.data))
      this.wrongs.push(
        `promise 3: the monthly of ${monthly.period} was made of ${from?.dataKey ?? 'nothing'}, and the first good daily is ${first?.dataKey ?? 'none'}`,
      )
  }

  /** Those that are there, the first first. */
  dailiesOfMonth(month: number): Entry[] {
    return this.present()
      .filter(({ tier, period }) => tier === 'daily' && monthNumber(period) === month)
      .toSorted((a, b) => (a.period < b.period ? -1 : 1))
  }

  /** Accepting a backup accepts what those right before it have lost as well, if that is no more. */
  #accept(date: string): void {
    const accepted = this.present().find(({ tier, period }) => tier === 'daily' && period === date)
    if (accepted === undefined) return
    this.acceptedOnes.push(accepted)
    const kinds = new Set(accepted.losses.map(this.#kindOf))
    const before = this.present()
      .filter(({ tier, period, older }) => tier === 'daily' && period < date && !older)
      .toSorted((a, b) => (a.period > b.period ? -1 : 1))
    const end = before.findIndex(
      (entry) => this.isGood(entry) || !entry.losses.every((loss) => kinds.has(this.#kindOf(loss))),
    )
    for (const { losses } of [accepted, ...before.slice(0, end < 0 ? undefined : end)])
      for (const loss of losses) this.acceptedLosses.add(loss)
  }
}

/** Any store, with the ledger looking on. It sees what has happened, also where the answer is then lost. */
export const watched = (inner: Store, ledger: Ledger): Store => ({
  ...inner,
  put: async (key, body, options) => {
    const chunks: Uint8Array[] = []
    async function* seen(): AsyncGenerator<Uint8Array> {
      for await (const chunk of body) {
        chunks.push(Buffer.from(chunk))
        yield chunk
      }
    }
    const result = await inner.put(key, seen(), options)
    ledger.stored('put', key, Buffer.concat(chunks))
    return result
  },
  copy: async (from, to, options) => {
    const result = await inner.copy(from, to, options)
    ledger.stored('copy', to, ledger.objects.get(from) ?? Buffer.alloc(0))
    return result
  },
  delete: async (key) => {
    await inner.delete(key)
    ledger.removed(key)
  },
})
