import { acceptAnomaly } from '../../../src/commands/accept-anomaly.ts'
import { list } from '../../../src/commands/list.ts'
import { promote } from '../../../src/commands/promote.ts'
import { prune } from '../../../src/commands/prune.ts'
import type { RunContext } from '../../../src/commands/run-context.ts'
import { run } from '../../../src/commands/run.ts'
import type { ObjectKey } from '../../../src/domain/key.ts'
import { Fault } from '../../../src/errors.ts'
import type { Store } from '../../../src/ports.ts'
import { layout, listed, newKeyPair } from '../builders.ts'
import { crashingStore, type CrashingStore } from '../crashing-store.ts'
import { olderHistory, type OlderFile } from '../older-backups.ts'
import { Registry } from '../simulated-registry.ts'
import { clockOf, forgetful, keyTables, silent, simulatedDatabase, simulatedPrograms } from '../simulated-server.ts'
import { dayMs, dayText, hourMs } from './calendar.ts'
import { Ledger, watched } from './ledger.ts'
import { policy } from './promise.ts'
import type { History, Trouble } from './steps.ts'

/** A place for a history: an empty store, and ways behind its back. Its times are the world's. */
export interface Place {
  readonly store: Store
  plant(name: string, bytes: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  leaveUnfinished(key: ObjectKey): Promise<void>
}

export type Setting = Omit<History, 'steps'>

const pair = newKeyPair()
const beginningMs = Date.UTC(2026, 0, 1, 12)
const decadeMs = 3653 * dayMs

/** What a command did, as far as the promise depends on it. */
export interface Outcome {
  /** What it threw, and nothing where the process died: nobody heard of it. */
  readonly thrown?: unknown
  readonly struck: CrashingStore['struck']
  /** In true time and without any trouble, or not. */
  readonly isClean: boolean
}

/** One registry, its server and its drill host, an acting person, and time itself. */
export class World {
  readonly setting: Setting
  readonly registry = new Registry()
  readonly ledger = new Ledger(
    () => this.registry.losses,
    (loss) => this.registry.kindOf(loss),
    () => this.#nowMs,
  )
  readonly place: Place
  readonly #watched: Store
  readonly #startMs: number
  #nowMs: number

  private constructor(setting: Setting, open: (now: () => Date) => Place) {
    this.setting = setting
    this.#startMs = beginningMs + setting.startDay * dayMs
    this.#nowMs = this.#startMs
    this.place = open(() => new Date(this.#nowMs))
    this.#watched = watched(this.place.store, this.ledger)
  }

  static async begin(setting: Setting, open: (now: () => Date) => Place): Promise<World> {
    const world = new World(setting, open)
    const files = olderFiles(setting, world.nowMs)
    for (const { key, bytes } of files) await world.place.plant(key, bytes)
    world.ledger.plantOlder(files)
    return world
  }

  /** True time. */
  get nowMs(): number {
    return this.#nowMs
  }

  get isOver(): boolean {
    return this.#nowMs > this.#startMs + decadeMs
  }

  pass(ms: number): void {
    this.#nowMs += ms
    this.registry.grow(ms / dayMs)
  }

  passToNight(): void {
    this.pass(((dayMs + hourMs - (this.#nowMs % dayMs) - 1) % dayMs) + 1)
  }

  /** Hours, and never into the next day. */
  passHours(hours: number): void {
    this.pass(Math.min(hours * hourMs, dayMs - 1 - (this.#nowMs % dayMs)))
  }

  run(asked: {
    readonly trouble?: Trouble | undefined
    readonly clockMs?: number | undefined
    readonly replace: boolean
  }) {
    this.ledger.mayReplace = asked.replace
    return this.#trying(asked, (ctx) =>
      run(ctx, { replace: asked.replace, adopt: false, attempt: 1, lastAttempt: false }),
    )
  }

  /** On the drill host, which has no database and so no lock, and may always prune. */
  alone(
    what: 'prune' | 'promote',
    asked: { readonly trouble?: Trouble | undefined; readonly clockMs?: number | undefined },
  ): Promise<Outcome> {
    return this.#trying(asked, async (ctx) => {
      const host = { ...ctx, database: undefined, mayRemove: true }
      await (what === 'prune' ? prune(host, { dryRun: false }) : promote(host, { dryRun: false, month: undefined }))
    })
  }

  accept(date: string, trouble: Trouble | undefined): Promise<Outcome> {
    return this.#trying({ trouble }, (ctx) => acceptAnomaly(ctx, { date, reason: 'it was meant' }))
  }

  listing() {
    const ctx = {
      ...this.#context(this.place.store, 0, undefined),
      state: forgetful,
      replaced: () => Promise.resolve([]),
    }
    return list(ctx, { tier: undefined, maxAgeMs: undefined })
  }

  async leftOver() {
    return {
      objects: await listed(this.place.store.list(layout.prefix)),
      uploads: await listed(this.place.store.unfinished(layout.prefix)),
    }
  }

  /** Somebody else writes or removes something, behind the tool's back. */
  async plant(name: string, bytes: Buffer): Promise<void> {
    await this.place.plant(name, bytes)
    this.ledger.objects.set(name, bytes)
    this.ledger.came.set(name, this.#nowMs)
  }
  async remove(name: string): Promise<void> {
    await this.place.remove(name)
    this.ledger.objects.delete(name)
  }

  async #trying(
    { trouble, clockMs = 0 }: { readonly trouble?: Trouble | undefined; readonly clockMs?: number | undefined },
    work: (ctx: RunContext) => Promise<unknown>,
  ): Promise<Outcome> {
    const store = crashingStore(this.#watched, trouble?.at === 'the store' ? trouble.store : undefined, (key) =>
      this.place.leaveUnfinished(key),
    )
    let failure: { readonly thrown?: unknown } = {}
    try {
      await work(this.#context(store, clockMs, trouble))
    } catch (thrown) {
      failure = { thrown }
    }
    const isDead = store.struck?.kind === 'kill'
    return {
      ...(isDead ? {} : failure),
      struck: store.struck,
      isClean: store.struck === undefined && clockMs === 0 && !('thrown' in failure),
    }
  }

  #context(store: Store, clockMs: number, trouble: Trouble | undefined): RunContext {
    const { trusted, sealed, serverPrunes } = this.setting
    const server = trouble?.at === 'the server' ? trouble.server : undefined
    return {
      vault: { store, layout, trusted: trusted ? [pair.publicKey] : [] },
      journal: silent,
      clock: clockOf(() => this.#nowMs + clockMs),
      stop: new AbortController().signal,
      policy: { ...policy, olderCount: !trusted },
      signingKey: trusted ? pair.privateKey : undefined,
      mayRemove: serverPrunes,
      database: simulatedDatabase(this.registry, server),
      programs: simulatedPrograms(this.registry, server),
      environment: 'production',
      recipients: sealed ? ['age1one', 'age1two'] : [],
      keyTables,
      stallMs: 60_000,
      toolVersion: '0.1.0',
      machine: 'one',
      warnings: [],
    }
  }
}

/** The previous system's last day is the day before ours begins, or now and then the same day. */
const olderFiles = ({ olderDays, sealed }: Setting, nowMs: number): readonly OlderFile[] => {
  const lastMs = olderDays % 4 === 1 ? nowMs : nowMs - dayMs
  const dates = Array.from({ length: olderDays }, (_, n) => dayText(lastMs - n * dayMs)).toReversed()
  const sql = Buffer.from(Array.from({ length: 60 }, (_, n) => `SELECT ${String(n * 7919)};\n`).join(''))
  return olderHistory(dates, { sql, encryption: sealed ? 'ab'.repeat(32) : undefined })
}

/** A fault that the tool told of; anything else is a fault in the tool. */
export const isTold = (thrown: unknown, ...codes: readonly string[]): boolean =>
  thrown instanceof Fault && thrown.code !== 'unexpected' && (codes.length === 0 || codes.includes(thrown.code))
