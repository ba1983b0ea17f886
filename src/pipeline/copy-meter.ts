import { createHash, type Hash } from 'node:crypto'
import { Fault } from '../errors.ts'
import type { Bytes, DumpSection, Metered } from '../ports.ts'
import { DumpScanner, type DumpVisitor } from './dump-scanner.ts'

interface Count {
  rows: number
  bytes: number
  readonly hash: Hash
}

const trailer = /^-- PostgreSQL database dump complete\r?\n$/

/**
 * Counts and digests what passes in a plain-text dump: every table's rows, and the whole. Several blocks of one table
 * (partitions loaded through their root) are summed. It changes nothing and holds no data, whatever the size.
 *
 * It also knows whether the dump came to its end: pg_dump's trailer must have passed as a comment of its own, outside
 * data and code, with nothing but `\unrestrict` and blank lines behind it.
 */
export class CopyMeter {
  readonly #scanner: DumpScanner
  readonly #whole = createHash('sha256')
  readonly #tables = new Map<string, Count>()
  #sizeBytes = 0
  #largeObjects = 0
  #ended = false
  #blocksInSection = 0
  #rows = 0

  constructor() {
    let current: Count = { rows: 0, bytes: 0, hash: createHash('sha256') }
    const visitor: DumpVisitor = {
      text: (kind, bytes) => {
        this.#text(kind, bytes)
      },
      copyBegins: (table) => {
        this.#ended = false
        this.#blocksInSection += 1
        const known = this.#tables.get(table)
        current = known ?? { rows: 0, bytes: 0, hash: createHash('sha256') }
        if (known === undefined) this.#tables.set(table, current)
      },
      copyRows: (bytes, rowEnds) => {
        current.rows += rowEnds
        current.bytes += bytes.length
        current.hash.update(bytes)
        this.#rows += rowEnds
      },
      copyEnds: () => undefined,
    }
    this.#scanner = new DumpScanner(visitor)
  }

  /** Rows seen so far, over all tables. */
  get rows(): number {
    return this.#rows
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  update(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.byteLength
    this.#whole.update(chunk)
    this.#scanner.push(chunk)
  }

  /** One `pg_dump --section` has ended. Throws `dump-failed` when what it wrote is not whole, or not of that section. */
  endOfSection(section: DumpSection): void {
    if (!this.#scanner.atRest || !this.#ended)
      throw new Fault(
        'dump-failed',
        `pg_dump ended without its trailer in the section ${section}: the dump is truncated.`,
        {
          hint: "Look at the server's log for that minute; the backup is worth trying again.",
        },
      )
    if (section !== 'data' && this.#blocksInSection > 0)
      throw new Fault('dump-failed', `The section ${section} of the dump seems to hold table data, which it cannot.`, {
        hint: 'This is a fault of oslrs-backup: please report it with the definition of the function or view it met.',
      })
    this.#blocksInSection = 0
    this.#ended = false
  }

  /** The figures, once all has passed. Throws `damaged` when the dump is not whole. */
  end(): Metered {
    this.#scanner.end()
    return {
      sizeBytes: this.#sizeBytes,
      sha256: this.#whole.digest('hex'),
      tables: [...this.#tables].map(([name, { rows, bytes, hash }]) => ({
        name,
        rows,
        bytes,
        sha256: hash.digest('hex'),
      })),
      largeObjects: this.#largeObjects,
    }
  }

  /** As `end`, for a dump read back: its last words must be the trailer. */
  endOfDump(): Metered {
    if (!this.#ended) throw new Fault('damaged', "The dump does not end with pg_dump's trailer: it is truncated.")
    return this.end()
  }

  #text(kind: 'statement' | 'comment' | 'meta' | 'space', bytes: Buffer): void {
    if (kind === 'space') return
    const start = bytes.toString('latin1', 0, 64)
    if (kind === 'comment') {
      if (trailer.test(start)) this.#ended = true
      else if (!/^--\r?\n$/.test(start)) this.#ended = false
    } else if (kind !== 'meta' || !start.startsWith('\\unrestrict ')) this.#ended = false
    // In the data section each large object is opened once; in PostgreSQL 17 several are created in one statement.
    if (kind === 'statement' && start.startsWith('SELECT pg_catalog.lo_open(')) this.#largeObjects += 1
  }
}

/** The same bytes, seen by the meter as they pass. */
export async function* metered(input: Bytes, meter: { update(chunk: Uint8Array): void }): AsyncGenerator<Uint8Array> {
  for await (const chunk of input) {
    meter.update(chunk)
    yield chunk
  }
}
