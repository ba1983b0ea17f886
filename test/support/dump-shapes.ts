import fc from 'fast-check'

/** Dumps as pg_dump writes them, in several shapes, with contents that look like what they are not. */

export interface DumpShape {
  readonly bytes: Buffer
  /** Where the line of pg_dump's trailer has ended. */
  readonly trailerEnd: number
  /** Where rows lie, from and to. */
  readonly rows: readonly (readonly [number, number])[]
}

export const trailerWords = '-- PostgreSQL database dump complete'

const sneaky = fc.constantFrom(
  'COPY public.users (id) FROM stdin;\n',
  '\\.\n',
  '\\.',
  `${trailerWords}\n`,
  `--\n${trailerWords}\n--\n\n`,
  '\\unrestrict abc\n',
  ';',
  "'",
  '"',
  "''",
  '$$',
  '$a$',
  '$a',
  '\\',
  '\\\\',
  '\n',
  '\r\n',
  '/*',
  '*/',
  '/*/',
  '--',
  "E'",
  "\\'",
  '(',
  ')',
  '\u00e9',
  '\u1ecd\u0301',
  'SELECT pg_catalog.lo_open(1, 2);\n',
)
const anyText = fc
  .array(fc.oneof(sneaky, fc.string({ unit: 'grapheme', maxLength: 6 })), { maxLength: 6 })
  .map((parts) => parts.join('').replaceAll('\0', ''))

const statement = fc.oneof(
  anyText.map((text) => `SELECT '${text.replaceAll("'", "''")}';\n`),
  anyText.map((text) => `SELECT E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}';\n`),
  fc.tuple(anyText, fc.constantFrom(1, 2, 40, 3000)).map(([text, length]) => {
    const tag = `$${'_X'.repeat(length)}$`
    return `CREATE FUNCTION f() AS ${tag}${text.replaceAll(tag, '')} ${tag};\n`
  }),
  anyText.map((text) => `CREATE FUNCTION f() BEGIN ATOMIC\n SELECT '${text.replaceAll("'", "''")}';\nEND;\n`),
  anyText.map((text) => `/* ${text.replaceAll(/[*/]/g, '')} */\n`),
  anyText.map((text) => `-- ${text.replaceAll(/[\r\n]/g, ' ')}\n`),
  anyText.map((text) => `CREATE TABLE "x${text.replaceAll('"', '""')}" (a int);\n`),
  fc.constantFrom(
    `SELECT 1 /*/ ' */ + 2;\n`,
    'CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);\n',
    'SELECT pg_catalog.lo_open(16400, 131072);\n',
    '\n\n',
  ),
)
const field = anyText.map((text) =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r'),
)
const block = fc.record({
  name: fc.oneof(
    fc.constantFrom('public.users', 'a.b'),
    anyText.map((text) => `public."y${text.replaceAll('"', '""')}"`),
  ),
  rows: fc.array(
    fc.array(field, { minLength: 1, maxLength: 3 }).map((fields) => `${fields.join('\t')}\n`),
    { maxLength: 4 },
  ),
})
type Piece = { readonly text: string } | { readonly name: string; readonly rows: readonly string[] }
const piece: fc.Arbitrary<Piece> = fc.oneof(
  statement.map((text) => ({ text })),
  block,
)

const assembled = (
  pieces: readonly Piece[],
  { end, isRestricted }: { readonly end: string; readonly isRestricted: boolean },
): DumpShape => {
  const parts: Buffer[] = []
  let length = 0
  const add = (text: string): number => {
    const bytes = Buffer.from(text)
    parts.push(bytes)
    return (length += bytes.length)
  }
  const rows: (readonly [number, number])[] = []
  add(`--${end}-- PostgreSQL database dump${end}--${end}${end}`)
  if (isRestricted) add('\\restrict abc\n\n')
  for (const one of pieces) {
    if ('text' in one) add(one.text)
    else {
      const from = add(`COPY ${one.name} (x) FROM stdin;\n`)
      const to = add(one.rows.join(''))
      if (to > from) rows.push([from, to])
      add('\\.\n\n')
    }
  }
  const trailerEnd = add(`--${end}${trailerWords}${end}`)
  add(`--${end}${end}`)
  if (isRestricted) add('\\unrestrict abc\n\n')
  return { bytes: Buffer.concat(parts), trailerEnd, rows }
}

export const wholeDump: fc.Arbitrary<DumpShape> = fc
  .tuple(fc.array(piece, { maxLength: 7 }), fc.constantFrom('\n', '\n', '\r\n'), fc.boolean())
  .map(([pieces, end, isRestricted]) => assembled(pieces, { end, isRestricted }))
