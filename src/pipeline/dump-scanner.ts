import { Fault } from '../errors.ts'
import { qualifiedName } from '../domain/table-name.ts'

/** What the scanner meets in a plain-text dump, in order. All bytes of the dump pass exactly once. */
export interface DumpVisitor {
  /**
   * Text between blocks of data, whole: one statement to its `;`, one comment, one psql meta-command line, or white
   * space. `BEGIN ATOMIC` bodies come as several statements.
   */
  text(kind: 'statement' | 'comment' | 'meta' | 'space', bytes: Buffer): void
  /** A `COPY … FROM stdin;` statement with its line end; rows of this table follow. `table` is the name as written. */
  copyBegins(table: string, statement: Buffer): void
  /** A stretch of data lines; `rowEnds` of them end in it. A long row may come in several stretches. */
  copyRows(bytes: Buffer, rowEnds: number): void
  /** The line `\.` */
  copyEnds(bytes: Buffer): void
}

const code = (char: string): number => char.charCodeAt(0)
const NEWLINE = code('\n'),
  BACKSLASH = code('\\'),
  DOT = code('.'),
  SEMICOLON = code(';'),
  SINGLE = code("'")
const DOUBLE = code('"'),
  DOLLAR = code('$'),
  MINUS = code('-'),
  SLASH = code('/'),
  STAR = code('*')
const OPEN = code('('),
  CLOSE = code(')')

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)
const isLetter = (byte: number): boolean => (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a
/** Of identifiers: letters, digits, _, $ and all of UTF-8 beyond ASCII (PostgreSQL's scan.l, `ident_cont`). */
const isWord = (byte: number): boolean =>
  isLetter(byte) || (byte >= 0x30 && byte <= 0x39) || byte === 0x5f || byte === DOLLAR || byte >= 0x80

type State =
  | 'between' // statements
  | 'space'
  | 'statement'
  | 'single' // '…'
  | 'escape-string' // E'…'
  | 'escaped' // the character after a backslash in it
  | 'double' // "…"
  | 'dollar-tag' // $tag, not yet known whether a $ follows
  | 'dollar' // $tag$…$tag$
  | 'line-comment'
  | 'block-comment'
  | 'meta'
  | 'copy-line-end' // between `COPY … FROM stdin;` and its line end
  | 'copy'

/** pg_dump lengthens a tag until the body does not hold it, so a body may make it long. */
const maxTagBytes = 1024 * 1024

/** A statement larger than this is no dump of ours; a function body of this size does not exist. */
const maxStatementBytes = 256 * 1024 * 1024

/**
 * Reads a plain-text dump of pg_dump as psql would: it knows strings, quoted names, dollar quotes and comments, so that a
 * function body holding `COPY … FROM stdin;`, `\.` or the trailer's words is only text. It assumes
 * standard_conforming_strings, which the dump itself sets. Chunks may be cut anywhere.
 *
 * Blocks of data are searched for line ends only, at the speed of memory. A line `\.` ends a block: COPY's text format
 * writes a backslash in data as `\\`, so no row can look like it.
 */
export class DumpScanner {
  readonly #visitor: DumpVisitor
  #state: State = 'between'
  #kind: 'statement' | 'comment' = 'statement'
  #held: Buffer[] = []
  #heldBytes = 0
  /** How many of those held are copies; the others are the chunk's. */
  #copied = 0
  #previous = 0
  /** The byte just read was the second of a pair such as `/*`, and is the first of no other. */
  #pairDone = false
  /** Length of the word just before: E'…' and $tag$ mean something only at the right place. */
  #wordLength = 0
  #parentheses = 0
  #commentDepth = 0
  #dollarTag = ''
  #dollarMatched = 0
  /** How many bytes of the piece were read as a statement's own text. */
  #textBytes = 0
  #inRow = false
  #carried: Buffer | undefined
  #copyTable = ''

  constructor(visitor: DumpVisitor) {
    this.#visitor = visitor
  }

  /** True between statements: here a dump may end. */
  get atRest(): boolean {
    return this.#state === 'between' || this.#state === 'space'
  }

  /** When this returns, the chunk is the caller's again: what is still needed of it was copied. */
  push(chunk: Uint8Array): void {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (this.#carried !== undefined) {
      bytes = Buffer.concat([this.#carried, bytes])
      this.#carried = undefined
    }
    let at = 0
    while (at < bytes.length) at = this.#state === 'copy' ? this.#scanRows(bytes, at) : this.#scanText(bytes, at)
    for (; this.#copied < this.#held.length; this.#copied += 1)
      this.#held[this.#copied] = Buffer.from(this.#held[this.#copied] ?? [])
  }

  /** The dump's end. Throws `damaged` when it ends inside of something. */
  end(): void {
    if (this.#state === 'space') this.#emit('space')
    if (this.#state !== 'between' || this.#carried !== undefined)
      throw new Fault(
        'damaged',
        this.#state === 'copy'
          ? 'The dump ends in the middle of the data of a table.'
          : 'The dump ends in the middle of a statement.',
      )
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > maxStatementBytes)
      throw new Fault('damaged', 'The dump holds a statement larger than 256 MiB.')
  }

  #takeHeld(): Buffer {
    const [first] = this.#held
    const whole = this.#held.length === 1 && first !== undefined ? first : Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    this.#copied = 0
    return whole
  }

  #emit(kind: 'statement' | 'comment' | 'meta' | 'space'): void {
    this.#visitor.text(kind, this.#takeHeld())
    this.#state = 'between'
  }

  /** Scans from `start` to the end of a piece or of the chunk; returns where it stopped. */
  #scanText(bytes: Buffer, start: number): number {
    if (this.#state === 'between') this.#begin(bytes[start] ?? 0)
    let at = start
    while (at < bytes.length) {
      const byte = bytes[at] ?? 0
      if (this.#state === 'space' && !isSpace(byte)) {
        this.#hold(bytes.subarray(start, at))
        this.#emit('space')
        return at
      }
      at = this.#step(bytes, at, byte)
      const last = bytes[at - 1] ?? 0
      this.#previous = this.#takePairDone() ? 0 : last
      const ended = this.#pieceEnded(last)
      if (ended !== undefined) {
        this.#hold(bytes.subarray(start, at))
        this.#finish(ended)
        return at
      }
    }
    this.#hold(bytes.subarray(start, at))
    return at
  }

  #takePairDone(): boolean {
    const done = this.#pairDone
    this.#pairDone = false
    return done
  }

  #begin(byte: number): void {
    this.#kind = 'statement'
    this.#textBytes = 0
    this.#wordLength = 0
    this.#parentheses = 0
    this.#previous = 0
    this.#state = isSpace(byte) ? 'space' : byte === BACKSLASH ? 'meta' : 'statement'
  }

  #ended: 'statement' | 'comment' | 'meta' | 'copy' | undefined
  #pieceEnded(byte: number): 'statement' | 'comment' | 'meta' | 'copy' | undefined {
    if (this.#state === 'meta') return byte === NEWLINE ? 'meta' : undefined
    if (this.#state === 'copy-line-end') {
      if (byte === NEWLINE) return 'copy'
      throw new Fault('damaged', 'The dump holds something between a COPY statement and its data.')
    }
    const ended = this.#ended
    this.#ended = undefined
    return ended
  }

  #finish(ended: 'statement' | 'comment' | 'meta' | 'copy'): void {
    if (ended === 'copy') {
      this.#state = 'copy'
      this.#inRow = false
      this.#visitor.copyBegins(this.#copyTable, this.#takeHeld())
      return
    }
    if (ended === 'statement') {
      const whole = this.#takeHeld()
      const table = copiedTable(whole)
      this.#hold(whole)
      if (table !== undefined) {
        this.#copyTable = table
        this.#state = 'copy-line-end'
        return
      }
    }
    this.#emit(ended)
  }

  /** Handles the byte at `at`, skipping ahead where nothing can happen; returns the position after what was handled. */
  #step(bytes: Buffer, at: number, byte: number): number {
    switch (this.#state) {
      case 'between':
      case 'space':
      case 'meta':
      case 'copy-line-end':
      case 'copy':
        return at + 1
      case 'statement':
        return this.#stepStatement(at, byte)
      case 'single':
        return this.#skipTo(bytes, at, SINGLE)
      case 'double':
        return this.#skipTo(bytes, at, DOUBLE)
      case 'escape-string':
        if (byte === BACKSLASH) this.#state = 'escaped'
        else if (byte === SINGLE) this.#backToStatement()
        return at + 1
      case 'escaped':
        this.#state = 'escape-string'
        return at + 1
      case 'dollar-tag':
        return this.#stepDollarTag(at, byte)
      case 'dollar':
        return this.#stepDollar(bytes, at, byte)
      case 'line-comment': {
        const end = bytes.indexOf(NEWLINE, at)
        if (end < 0) return bytes.length
        this.#commentEnds()
        return end + 1
      }
      case 'block-comment':
        if (byte === STAR && this.#previous === SLASH) this.#commentDepth += 1
        else if (byte === SLASH && this.#previous === STAR) this.#commentDepth -= 1
        else return at + 1
        this.#pairDone = true
        if (this.#commentDepth === 0) this.#commentEnds()
        return at + 1
    }
  }

  #stepStatement(at: number, byte: number): number {
    this.#textBytes += 1
    const wordBefore = this.#wordLength
    this.#wordLength = isWord(byte) ? wordBefore + 1 : 0
    if (byte === SINGLE) this.#state = wordBefore === 1 && (this.#previous | 0x20) === 0x65 ? 'escape-string' : 'single'
    else if (byte === DOUBLE) this.#state = 'double'
    else if (byte === DOLLAR && wordBefore === 0) {
      this.#state = 'dollar-tag'
      this.#dollarTag = ''
    } else if (byte === MINUS && this.#previous === MINUS) this.#commentBegins('line-comment')
    else if (byte === STAR && this.#previous === SLASH) this.#commentBegins('block-comment')
    else if (byte === OPEN) this.#parentheses += 1
    else if (byte === CLOSE) this.#parentheses -= 1
    else if (byte === SEMICOLON && this.#parentheses <= 0) this.#ended = 'statement'
    return at + 1
  }

  #commentBegins(state: 'line-comment' | 'block-comment'): void {
    // Only when nothing but its first character stands before it is the comment a piece of its own.
    if (this.#textBytes <= 2) this.#kind = 'comment'
    this.#state = state
    this.#commentDepth = 1
    this.#pairDone = true
  }

  #commentEnds(): void {
    if (this.#kind === 'comment') this.#ended = 'comment'
    else this.#backToStatement()
  }

  #backToStatement(): void {
    this.#state = 'statement'
    this.#wordLength = 0
  }

  #skipTo(bytes: Buffer, at: number, quote: number): number {
    const end = bytes.indexOf(quote, at)
    if (end < 0) return bytes.length
    // A doubled quote leaves and enters again, which comes to the same.
    this.#backToStatement()
    return end + 1
  }

  #stepDollarTag(at: number, byte: number): number {
    if (byte === DOLLAR) {
      this.#state = 'dollar'
      this.#dollarMatched = 0
      return at + 1
    }
    const mayContinue = isWord(byte) && !(this.#dollarTag === '' && byte >= 0x30 && byte <= 0x39)
    if (mayContinue && this.#dollarTag.length < maxTagBytes) {
      this.#dollarTag += String.fromCharCode(byte)
      return at + 1
    }
    // `$1` or a lone dollar: no quote begins here. The byte is looked at once more as ordinary text.
    this.#state = 'statement'
    this.#wordLength = this.#dollarTag.length + 1
    return this.#stepStatement(at, byte)
  }

  #stepDollar(bytes: Buffer, at: number, byte: number): number {
    if (this.#dollarMatched === 0 && byte !== DOLLAR) {
      const next = bytes.indexOf(DOLLAR, at)
      return next < 0 ? bytes.length : next
    }
    if (byte === DOLLAR && this.#dollarMatched === this.#dollarTag.length + 1) this.#backToStatement()
    else if (byte === DOLLAR) this.#dollarMatched = 1
    else if (byte === this.#dollarTag.charCodeAt(this.#dollarMatched - 1)) this.#dollarMatched += 1
    else this.#dollarMatched = 0
    return at + 1
  }

  #scanRows(bytes: Buffer, start: number): number {
    let at = start
    let rows = 0
    for (;;) {
      const lineEnd = bytes.indexOf(NEWLINE, at)
      if (!this.#inRow && bytes[at] === BACKSLASH && (at + 1 >= bytes.length || bytes[at + 1] === DOT)) {
        if (lineEnd === at + 2) {
          if (at > start) this.#visitor.copyRows(bytes.subarray(start, at), rows)
          this.#visitor.copyEnds(bytes.subarray(at, lineEnd + 1))
          this.#state = 'between'
          return lineEnd + 1
        }
        if (lineEnd < 0 && bytes.length - at <= 2) {
          // Perhaps the end marker, cut by the chunk's border.
          if (at > start) this.#visitor.copyRows(bytes.subarray(start, at), rows)
          this.#carried = Buffer.from(bytes.subarray(at))
          return bytes.length
        }
      }
      if (lineEnd < 0) {
        this.#inRow = this.#inRow || at < bytes.length
        if (start < bytes.length) this.#visitor.copyRows(bytes.subarray(start), rows)
        return bytes.length
      }
      rows += 1
      this.#inRow = false
      at = lineEnd + 1
    }
  }
}

/** The table of a `COPY … FROM stdin;` statement, as written; undefined for any other statement. */
const copiedTable = (statement: Buffer): string | undefined => {
  if (
    statement.length > 1_000_000 ||
    statement.toString('latin1', 0, 5) !== 'COPY ' ||
    !statement.toString('latin1', statement.length - 12).endsWith(' FROM stdin;')
  )
    return undefined
  const found = qualifiedName.exec(statement.toString('utf8', 5))
  if (found === null) throw new Fault('damaged', 'The dump holds a COPY statement whose table cannot be read.')
  return found[0]
}
