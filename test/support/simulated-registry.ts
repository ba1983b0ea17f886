/** The ways to lose data that the tripwire must notice; each is told from the others by a table of its own. */
export const lossKinds = ['users', 'respondents', 'submissions', 'notes'] as const
export type LossKind = (typeof lossKinds)[number]

/** The share of a table's rows that a loss leaves: little, so that it shows beside any backup of the last ten years. */
const kept = 0.25
const growthPerDay = 1 / 4000

interface Loss {
  readonly id: number
  readonly kind: LossKind
}

export interface SimulatedTable {
  readonly name: string
  readonly rows: number
  /** The text of each row. */
  readonly filler: string
}

/**
 * The registry as it truly is. It grows; a loss takes rows, a table, or most of the bytes; a repair brings them back; a
 * loss that was meant stays. It knows which losses a dump of now would carry: that is the truth which the model holds
 * the tripwire against.
 */
export class Registry {
  #users = 40
  #respondents = 30
  #submissions: number | undefined = 25
  #notes = 40
  #losses: readonly Loss[] = []
  readonly #kinds: LossKind[] = []

  /** Ids of the losses that a dump of now would show. */
  get losses(): readonly number[] {
    return this.#losses.map(({ id }) => id)
  }

  /** Of any loss that ever was, by its id. */
  kindOf(loss: number): LossKind {
    const kind = this.#kinds[loss]
    if (kind === undefined) throw new Error(`there was no loss ${String(loss)}`)
    return kind
  }

  /** Nothing grows on ruins: else a loss would be made good by the years. */
  grow(days: number): void {
    if (this.#losses.length > 0) return
    const growth = 1 + days * growthPerDay
    this.#users *= growth
    this.#respondents *= growth
    if (this.#submissions !== undefined) this.#submissions *= growth
  }

  /** Does nothing when that is lost already, or when too little is left for a loss to show. */
  lose(kind: LossKind): void {
    const left = {
      users: this.#users,
      respondents: this.#respondents,
      submissions: this.#submissions,
      notes: this.#notes,
    }
    const isLost = (left[kind] ?? 0) < 5 || this.#losses.some((loss) => loss.kind === kind)
    if (!isLost) this.#losses = [...this.#losses, { id: this.#kinds.push(kind) - 1, kind }]
  }

  repair(): void {
    this.#losses = []
  }

  /** What is lost was meant to go: it is the registry's new size. */
  settle(): void {
    for (const { kind } of this.#losses)
      if (kind === 'users') this.#users *= kept
      else if (kind === 'respondents') this.#respondents *= kept
      else if (kind === 'submissions') this.#submissions = undefined
      else this.#notes = 0
    this.#losses = []
  }

  tables(): readonly SimulatedTable[] {
    const has = (kind: LossKind): boolean => this.#losses.some((loss) => loss.kind === kind)
    const rows = (kind: LossKind, count: number): number => Math.floor(has(kind) ? count * kept : count)
    return [
      { name: 'users', rows: rows('users', this.#users), filler: 'user' },
      { name: 'respondents', rows: rows('respondents', this.#respondents), filler: 'somebody' },
      ...(this.#submissions === undefined || has('submissions')
        ? []
        : [{ name: 'submissions', rows: Math.floor(this.#submissions), filler: 'form' }]),
      // Most of the dump's bytes, and no key table.
      { name: 'notes', rows: has('notes') ? 0 : this.#notes, filler: 'a long note '.repeat(20) },
    ]
  }
}
