import { createHash, hash, type Hash } from 'node:crypto'
import type { DumpContent, Rows } from '../domain/content.ts'
import { extensionOf, serverVersionOf, tocEntryOf } from '../domain/toc.ts'
import { DumpScanner } from './dump-scanner.ts'

/**
 * Takes down what a dump holds, so that two dumps of the same content can be compared though they are not the same text:
 * each object's statements by the entry that pg_dump announces them with, in whatever order the objects come, and each
 * table's rows in whatever order the rows come. It holds digests alone, no data.
 *
 * Rows that were restored come back in another order: what does not fit a page leaves room there that a later, shorter row
 * may take, and rows dumped through the root of their partitions are hashed anew.
 */
export class ContentMeter {
  readonly #scanner: DumpScanner
  readonly #tables = new Map<string, RowsMeter>()
  readonly #entries = new Map<string, string[]>()
  readonly #extensions: { readonly name: string; readonly schema: string }[] = []
  #serverVersion: string | undefined
  #entry: string | undefined
  #entryHash = createHash('sha256')
  /** `SET default_table_access_method` and the like, which stand before the tables that they hold for. */
  #defaults: readonly string[] = []

  constructor() {
    let rows = new RowsMeter([])
    this.#scanner = new DumpScanner({
      text: (kind, bytes) => {
        if (kind === 'comment') this.#comment(bytes)
        else if (kind === 'statement') this.#statement(bytes)
      },
      copyBegins: (table, statement) => {
        this.#entryHash.update(statement)
        const known = this.#tables.get(table)
        rows = known ?? new RowsMeter(columnsOf(statement))
        if (known === undefined) this.#tables.set(table, rows)
      },
      copyRows: (bytes) => {
        rows.update(bytes)
      },
      copyEnds: () => undefined,
    })
  }

  update(chunk: Uint8Array): void {
    this.#scanner.push(chunk)
  }

  end(): DumpContent {
    this.#scanner.end()
    this.#endEntry()
    return {
      tables: new Map([...this.#tables].map(([name, rows]) => [name, rows.end()])),
      entries: new Map([...this.#entries].map(([name, digests]) => [name, digests.toSorted()])),
      extensions: this.#extensions,
      serverVersion: this.#serverVersion,
    }
  }

  #comment(bytes: Buffer): void {
    const line = bytes.toString('utf8', 0, 4096)
    this.#serverVersion ??= serverVersionOf(line)
    const entry = line.startsWith('-- PostgreSQL database dump complete') ? null : tocEntryOf(line)
    if (entry === undefined) return
    this.#endEntry()
    this.#entry = entry ?? undefined
  }

  #statement(bytes: Buffer): void {
    const start = bytes.toString('utf8', 0, 200)
    if (start.startsWith('SET default_table')) {
      const name = start.slice(0, start.indexOf('='))
      this.#defaults = [...this.#defaults.filter((other) => !other.startsWith(name)), start]
      return
    }
    // What a dump sets for its own session says nothing about what it holds.
    if (this.#entry === undefined && /^SET |^SELECT pg_catalog\.set_config\(/.test(start)) return
    if (/^CREATE (UNLOGGED |FOREIGN )?(TABLE|MATERIALIZED VIEW) /.test(start))
      this.#entryHash.update(this.#defaults.toSorted().join('\n'))
    this.#entry ??= 'what no entry announces'
    this.#entryHash.update(bytes)
    const extension = extensionOf(start)
    if (extension !== undefined) this.#extensions.push(extension)
  }

  #endEntry(): void {
    if (this.#entry !== undefined) {
      const digests = this.#entries.get(this.#entry) ?? []
      digests.push(this.#entryHash.digest('hex'))
      this.#entries.set(this.#entry, digests)
    }
    this.#entry = undefined
    this.#entryHash = createHash('sha256')
  }
}

const NEWLINE = 0x0a

/** Counts and digests lines as the meter does, and adds up their SHA-256s word by word: a sum that is the same in whatever order they come. */
export class RowsMeter {
  readonly #columns: readonly string[]
  readonly #inOrder = createHash('sha256')
  readonly #sum = new Uint32Array(8)
  #rows = 0
  #bytes = 0
  /** Of a line that the chunk's border cut. */
  #begun: Hash | undefined

  constructor(columns: readonly string[]) {
    this.#columns = columns
  }

  update(bytes: Buffer): void {
    this.#bytes += bytes.length
    this.#inOrder.update(bytes)
    let at = 0
    while (at < bytes.length) {
      const end = bytes.indexOf(NEWLINE, at) + 1
      if (end === 0) {
        this.#begun ??= createHash('sha256')
        this.#begun.update(bytes.subarray(at))
        return
      }
      const line = bytes.subarray(at, end)
      this.#add(this.#begun === undefined ? hash('sha256', line, 'buffer') : this.#begun.update(line).digest())
      this.#begun = undefined
      at = end
    }
  }

  end(): Rows {
    return {
      columns: this.#columns,
      rows: this.#rows,
      bytes: this.#bytes,
      sha256: this.#inOrder.digest('hex'),
      sum: Buffer.from(this.#sum.buffer).toString('hex'),
    }
  }

  #add(digest: Buffer): void {
    this.#rows += 1
    for (let word = 0; word < 8; word += 1)
      this.#sum[word] = ((this.#sum[word] ?? 0) + digest.readUInt32LE(word * 4)) >>> 0
  }
}

/** The column list of a COPY statement as pg_dump writes it: `COPY public.users (id, "e mail") FROM stdin;` */
const columnsOf = (statement: Buffer): readonly string[] => {
  const list = /\(((?:"(?:[^"]|"")*"|[^")])*)\) FROM stdin;\s*$/.exec(statement.toString('utf8'))?.[1] ?? ''
  return list.match(/"(?:[^"]|"")*"|[^", ]+/g) ?? []
}
