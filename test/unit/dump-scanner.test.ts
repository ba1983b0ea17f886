import { describe, expect, test } from 'vitest'
import { CopyMeter } from '../../src/pipeline/copy-meter.ts'
import { DumpScanner } from '../../src/pipeline/dump-scanner.ts'
import { restricted } from '../../src/pipeline/restrict.ts'
import { breakingAfter, codeOf, collected, streamOf } from '../support/builders.ts'

/** What the scanner meets, in order; white space is left out. */
const met = (...chunks: readonly string[]): (readonly string[])[] => {
  const pieces: string[][] = []
  let rows = ''
  const scanner = new DumpScanner({
    text: (kind, bytes) => {
      if (kind !== 'space') pieces.push([kind, bytes.toString()])
    },
    copyBegins: (table, statement) => {
      rows = ''
      pieces.push(['copy', table, statement.toString()])
    },
    copyRows: (bytes) => (rows += bytes.toString()),
    copyEnds: (bytes) => pieces.push(['rows', rows, bytes.toString()]),
  })
  for (const chunk of chunks) scanner.push(Buffer.from(chunk))
  scanner.end()
  return pieces
}
const statements = (...texts: readonly string[]) => texts.map((text) => ['statement', text])

describe('a dump is taken apart as psql would', () => {
  test('into statements, comments, meta-commands, and blocks of data', () => {
    const dump = [
      '--\n-- PostgreSQL database dump\n--\n\n',
      '\\restrict abc\n\n',
      'SET lock_timeout = 0;\n',
      'COPY public.users (id, name) FROM stdin;\n1\tAda\n2\t\\N\n\\.\n\n',
      '/* the end */\n',
    ].join('')
    expect(met(dump)).toEqual([
      ['comment', '--\n'],
      ['comment', '-- PostgreSQL database dump\n'],
      ['comment', '--\n'],
      ['meta', '\\restrict abc\n'],
      ['statement', 'SET lock_timeout = 0;'],
      ['copy', 'public.users', 'COPY public.users (id, name) FROM stdin;\n'],
      ['rows', '1\tAda\n2\t\\N\n', '\\.\n'],
      ['comment', '/* the end */'],
    ])
  })

  test.each<readonly [string, string, readonly string[]]>([
    ['statements on one line', 'SELECT 1; SELECT 2;SELECT 3;', ['SELECT 1;', 'SELECT 2;', 'SELECT 3;']],
    [
      'a semicolon in parentheses',
      'CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);SELECT 3;',
      ['CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2);', 'SELECT 3;'],
    ],
    [
      'a comment in mid-statement',
      'SELECT 1 -- ; it\'s "x"\n;SELECT 2 /* ; */;',
      ['SELECT 1 -- ; it\'s "x"\n;', 'SELECT 2 /* ; */;'],
    ],
    ['doubled quotes', `SELECT 'a''; b', "c""; d";SELECT 2;`, [`SELECT 'a''; b', "c""; d";`, 'SELECT 2;']],
    ['E before a quote', String.raw`SELECT E'\';', e'\\';SELECT 2;`, [String.raw`SELECT E'\';', e'\\';`, 'SELECT 2;']],
    [
      'other letters before a quote',
      String.raw`SELECT U&'\', B'1', X'F', N'\';SELECT 2;`,
      [String.raw`SELECT U&'\', B'1', X'F', N'\';`, 'SELECT 2;'],
    ],
    ['dollars that are no quotes', 'SELECT $1, a$b$, 1 $ 2;SELECT $2;', ['SELECT $1, a$b$, 1 $ 2;', 'SELECT $2;']],
    [
      'a dollar quote in a dollar quote',
      'DO $a$ x $b$ ; $b$ $ $$ $a ; $a$;SELECT 2;',
      ['DO $a$ x $b$ ; $b$ $ $$ $a ; $a$;', 'SELECT 2;'],
    ],
    [
      'a tag that begins like the other',
      'DO $ab$ $a$ ; $abc$ $ab$;SELECT 2;',
      ['DO $ab$ $a$ ; $abc$ $ab$;', 'SELECT 2;'],
    ],
    ['a dollar before its own tag', 'DO $a$ ; $$a$;SELECT 2;', ['DO $a$ ; $$a$;', 'SELECT 2;']],
    [
      'a comment that begins in an operator',
      'SELECT 1 +-- ;\n2;SELECT 3 */* ; */ 4;',
      ['SELECT 1 +-- ;\n2;', 'SELECT 3 */* ; */ 4;'],
    ],
    ['quotes in comments', `SELECT 1 /* ' " $$ */;SELECT 2;`, [`SELECT 1 /* ' " $$ */;`, 'SELECT 2;']],
    [
      'comments in quotes',
      `SELECT '/*', "--", $$ /* -- $$;SELECT 2;`,
      [`SELECT '/*', "--", $$ /* -- $$;`, 'SELECT 2;'],
    ],
    [
      'minus and slash at the ends of quotes',
      `SELECT '-'-'-', 'x/'*2;SELECT 2;`,
      [`SELECT '-'-'-', 'x/'*2;`, 'SELECT 2;'],
    ],
    [
      'bodies of SQL functions, as several statements',
      'CREATE FUNCTION f() BEGIN ATOMIC\n SELECT 1;\n SELECT 2;\nEND;\nSELECT 3;',
      ['CREATE FUNCTION f() BEGIN ATOMIC\n SELECT 1;', 'SELECT 2;', 'END;', 'SELECT 3;'],
    ],
    [
      'letters beyond ASCII',
      `SELECT "ọ́;", ọ$ọ$, 'ọ;';SELECT $ọ$;$ọ$;`,
      [`SELECT "ọ́;", ọ$ọ$, 'ọ;';`, 'SELECT $ọ$;$ọ$;'],
    ],
  ])('%s', (_what, dump, texts) => {
    expect(met(dump)).toEqual(statements(...texts))
    expect(met(...Array.from(dump))).toEqual(statements(...texts))
  })

  test('a dollar quote may have a tag of any length', () => {
    // pg_dump lengthens the tag until the body does not hold it.
    const tag = `$${'_X'.repeat(300)}$`
    const body = `CREATE FUNCTION f() AS ${tag};\nCOPY public.users (id) FROM stdin;\n1\n\\.\n${tag};`
    expect(met(body)).toEqual(statements(body))
  })

  test.each<readonly [string, string, string]>([
    ['a table without columns', 'COPY public.t  FROM stdin;\n\n\n\\.\n', 'public.t'],
    ['quoted names', 'COPY "Odd Schema"."ta.ble" ("a b") FROM stdin;\n\\.\n', '"Odd Schema"."ta.ble"'],
    [
      'a name with a line end and quotes',
      'COPY public."a\n""b"" FROM stdin;\n" (x) FROM stdin;\n\\.\n',
      'public."a\n""b"" FROM stdin;\n"',
    ],
    ['a column with a semicolon', 'COPY public.t ("; FROM stdin;") FROM stdin;\n\\.\n', 'public.t'],
  ])('data of %s', (_what, dump, table) => {
    expect(met(dump)[0]?.[1]).toBe(table)
    expect(met(...Array.from(dump))[0]?.[1]).toBe(table)
  })

  test.each([
    'COPY public.users (id) TO stdout;',
    'COPY (SELECT 1) TO stdout;',
    "SELECT 'COPY public.users (id) FROM stdin;';",
    'CREATE VIEW copy AS SELECT 1 FROM stdin;',
    'copy public.users FROM stdin WITH (FORMAT csv);',
  ])('%j is only a statement', (text) => {
    expect(met(text)).toEqual(statements(text))
  })

  test.each([
    'COPY users (id) FROM stdin;\n\\.\n',
    'COPY Public.users (id) FROM stdin;\n\\.\n',
    'COPY "x FROM stdin; \n;',
  ])('%j is damage: pg_dump writes whole, quoted names', async (dump) => {
    expect(await codeOf(() => met(dump))).toBe('damaged')
  })

  test.each<readonly [string, string]>([
    ['data lines that begin like the end mark', '\\.x\n\\\\.\n\\N\n.\n\\\n'],
    ['a row of nothing', '\n\n'],
    ['a row with words of a dump', '-- PostgreSQL database dump complete\n$$ \' " /*\n'],
    ['carriage returns', '\\.\r\nx\r\n'],
  ])('%s are data', (_what, rows) => {
    const dump = `COPY public.t (x) FROM stdin;\n${rows}\\.\nSELECT 1;`
    const whole = [
      ['copy', 'public.t', 'COPY public.t (x) FROM stdin;\n'],
      ['rows', rows, '\\.\n'],
      ['statement', 'SELECT 1;'],
    ]
    expect(met(dump)).toEqual(whole)
    expect(met(...Array.from(dump))).toEqual(whole)
    for (let at = 1; at < dump.length; at += 1) expect(met(dump.slice(0, at), dump.slice(at))).toEqual(whole)
  })

  test('a chunk may be empty', () => {
    expect(met('', 'SELECT 1', '', ';', '')).toEqual(statements('SELECT 1;'))
  })
})

describe('the meter', () => {
  const meterOf = (text: string): CopyMeter => {
    const meter = new CopyMeter()
    meter.update(Buffer.from(text))
    return meter
  }

  test('counts large objects, each once', () => {
    const dump = [
      'BEGIN;\n\n',
      "SELECT pg_catalog.lo_open('16434', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lowrite(0, '\\x01');\nSELECT pg_catalog.lo_close(0);\n\n",
      "SELECT pg_catalog.lo_open('16435', 131072);\nSELECT pg_catalog.lo_close(0);\n\n",
      'COMMIT;\n',
      "SELECT 'SELECT pg_catalog.lo_open(';\n-- SELECT pg_catalog.lo_open(\n",
    ].join('')
    expect(meterOf(dump).end().largeObjects).toBe(2)
  })

  test('tells rows and bytes so far', () => {
    const meter = meterOf('COPY public.a (x) FROM stdin;\n1\n2\n')
    expect(meter.rows).toBe(2)
    expect(meter.sizeBytes).toBe(34)
    meter.update(Buffer.from('3'))
    expect(meter.rows).toBe(2)
    meter.update(Buffer.from('\n\\.\n'))
    expect(meter.rows).toBe(3)
  })

  test('sees each section end for itself: one trailer is not enough for three', () => {
    const trailer = '--\n-- PostgreSQL database dump complete\n--\n\n'
    const meter = meterOf(`CREATE TABLE public.a (x text);\n${trailer}`)
    meter.endOfSection('pre-data')
    expect(() => {
      meter.endOfSection('data')
    }).toThrow(expect.objectContaining({ code: 'dump-failed' }) as Error)
    meter.update(Buffer.from(`COPY public.a (x) FROM stdin;\n1\n\\.\n${trailer}`))
    meter.endOfSection('data')
    meter.update(Buffer.from(`CREATE INDEX i ON public.a (x);\n${trailer}`))
    meter.endOfSection('post-data')
    expect(meter.end().tables).toHaveLength(1)
  })

  test.each(['pre-data', 'post-data'] as const)('takes table data in %s for a fault of its own', (section) => {
    const meter = meterOf('COPY public.a (x) FROM stdin;\n\\.\n-- PostgreSQL database dump complete\n')
    expect(() => {
      meter.endOfSection(section)
    }).toThrow(expect.objectContaining({ code: 'dump-failed' }) as Error)
  })
})

describe('what psql is given', () => {
  test('has a random word of ours, another one each time', async () => {
    const words = await Promise.all(
      [1, 2, 3].map(async () => String(await collected(restricted(streamOf(''), { oneTransaction: false })))),
    )
    expect(new Set(words).size).toBe(3)
    for (const word of words) expect(word).toMatch(/^\\restrict [0-9a-f]{48}\n$/)
  })

  test('is never more than what was whole: a stream that breaks gives its own error', async () => {
    const own = new Error('the root cause')
    await expect(collected(restricted(breakingAfter(own, 'SELECT 1;'), { oneTransaction: false }))).rejects.toBe(own)
    expect(await codeOf(() => collected(restricted(streamOf('SELECT 1'), { oneTransaction: false })))).toBe('damaged')
  })

  test('still holds a BEGIN and COMMIT that belong to something else, in one transaction too', async () => {
    const dump = `SELECT 'BEGIN;', $$\nBEGIN;\nCOMMIT;\n$$;\nCOPY public.a (x) FROM stdin;\nBEGIN;\nCOMMIT;\n\\.\nBEGIN WORK;\nCREATE FUNCTION f() BEGIN ATOMIC\n SELECT 1;\nEND;\n`
    const given = String(await collected(restricted(streamOf(dump), { oneTransaction: true })))
    expect(given.slice(given.indexOf('\n') + 1)).toBe(dump)
  })

  test('gives on what has come, as it comes', async () => {
    const given = restricted(streamOf('SELECT 1;', 'SELECT 2;SELECT', ' 3;'), { oneTransaction: false })
    const texts: string[] = []
    for await (const chunk of given) texts.push(Buffer.from(chunk).toString())
    expect(texts.slice(1).filter((text) => text !== '')).toEqual(['SELECT 1;', 'SELECT 2;', 'SELECT 3;'])
  })
})
