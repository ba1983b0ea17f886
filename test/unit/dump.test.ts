import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { CopyMeter } from '../../src/pipeline/copy-meter.ts'
import { restricted } from '../../src/pipeline/restrict.ts'
import type { Metered } from '../../src/ports.ts'

const trailer = '--\n-- PostgreSQL database dump complete\n--\n\n'
const meter = (text: string): Metered => {
  const copyMeter = new CopyMeter()
  copyMeter.update(Buffer.from(text))
  return copyMeter.end()
}
const rowsOf = (text: string): Record<string, number> =>
  Object.fromEntries(meter(text).tables.map((table) => [table.name, table.rows]))

describe('the meter counts', () => {
  test('rows, bytes and digest of the data lines, with their line ends and without the end mark', () => {
    const data = '1\ta\\\\.\\nb\n2\t\\N\n'
    expect(meter(`COPY public.users (id, name) FROM stdin;\n${data}\\.\n`).tables).toEqual([
      { name: 'public.users', rows: 2, bytes: data.length, sha256: createHash('sha256').update(data).digest('hex') },
    ])
  })
  test.each<[string, string, Record<string, number>]>([
    ['an empty table', 'COPY public.a (x) FROM stdin;\n\\.\n', { 'public.a': 0 }],
    ['a table without columns', 'COPY public.a  FROM stdin;\n\n\n\\.\n', { 'public.a': 2 }],
    [
      'data that looks like the end mark',
      'COPY public.a (x) FROM stdin;\n\\\\.\n.\n\\.x\n\\N\n\\.\n',
      { 'public.a': 4 },
    ],
    [
      'blocks of one table, summed',
      'COPY public.a (x) FROM stdin;\n1\n\\.\n\nCOPY public.a (x) FROM stdin;\n2\n3\n\\.\n',
      { 'public.a': 3 },
    ],
    [
      'a name with everything in it',
      'COPY "O""dd ; S"."two\nlines (a) FROM stdin;" ("c\n;") FROM stdin;\n1\n\\.\n',
      { '"O""dd ; S"."two\nlines (a) FROM stdin;"': 1 },
    ],
  ])('%s', (_what, text, rows) => {
    expect(rowsOf(text)).toEqual(rows)
  })
})

const block = 'COPY public.users (id) FROM stdin;\n1\n\\.\n'
describe('the meter is not fooled by', () => {
  test.each<[string, string]>([
    ['a dollar-quoted body', `CREATE FUNCTION f() AS $$\n${block}${trailer}$$;`],
    [
      'a tagged body with other dollars in it',
      `CREATE FUNCTION f() AS $body$ $1 $$ $bod $body\n${block} $ body$ $body$;`,
    ],
    ['a body with a tag of other letters', `CREATE FUNCTION f() AS $Ọ_1$\n${block}$Ọ_1$;`],
    ['a string', `SELECT 'it''s\n${block}';`],
    ['a string with backslashes, which mean nothing', `SELECT '\\';\nSELECT '\n${block}';`],
    ['an escape string', `SELECT E'\\'\n${block}\\\\';`],
    ['a string after a name that ends with e', `SELECT type'\\';SELECT '\n${block}';`],
    ['a quoted name', `CREATE TABLE "x\n${block}" (a int);`],
    ['a comment to the end of the line', `-- it's ; COPY public.users (id) FROM stdin;\nSELECT 1;`],
    ['a nested block comment', `/* it's /* ; */\n${block}*/ SELECT 1;`],
    ['a comment that begins like its end', `/*/ ;\n${block}*/ SELECT 1;`],
    [
      'a rule with several actions',
      `CREATE RULE r AS ON INSERT TO t DO (SELECT 1;\nCOPY public.users (id) FROM stdin;\n);`,
    ],
    ['a parameter', `SELECT $1, $2;`],
    ['a name with a dollar', `SELECT a$b$, '\n${block}';`],
    ['a view named like it', `CREATE VIEW v AS\n SELECT 1 AS copy\n   FROM stdin;`],
  ])('%s', (_what, text) => {
    expect(rowsOf(`${text}\nCOPY public.real (id) FROM stdin;\n1\n2\n\\.\n`)).toEqual({ 'public.real': 2 })
  })
})

describe('a dump is whole', () => {
  const sectionOf = (text: string) => {
    const copyMeter = new CopyMeter()
    copyMeter.update(Buffer.from(text))
    copyMeter.endOfSection('data')
  }
  test.each([
    trailer,
    `${block}\n\n${trailer}`,
    `${block}${trailer}\\unrestrict abc\n\n`,
    `\\restrict abc\n${trailer}\n\n\\unrestrict abc\n`,
  ])('%j', (text) => {
    expect(() => {
      sectionOf(text)
    }).not.toThrow()
  })
  test.each([
    '',
    block,
    `SELECT 1;\n`,
    `${trailer}SELECT 1;\n`,
    `${trailer}${block}`,
    `${trailer}-- more\n`,
    `${trailer}\\connect other\n`,
    `SELECT $$\n${trailer}$$;\n`,
    `COPY public.a (x) FROM stdin;\n${trailer}`,
    `COPY public.a (x) FROM stdin;\n${trailer}\\.\n`,
    `${block}--\n-- PostgreSQL database dump comple`,
    `${trailer}SELECT 1`,
  ])('but not %j', (text) => {
    expect(() => {
      sectionOf(text)
    }).toThrow(expect.objectContaining({ code: 'dump-failed' }))
  })
  test('and code sections hold no data', () => {
    const copyMeter = new CopyMeter()
    copyMeter.update(Buffer.from(block + trailer))
    expect(() => {
      copyMeter.endOfSection('pre-data')
    }).toThrow(expect.objectContaining({ code: 'dump-failed' }))
  })
  test.each([
    'COPY public.a (x) FROM stdin;\n1\n',
    'COPY public.a (x) FROM stdin;\n1\n\\',
    "SELECT 'x",
    'SELECT 1',
    '/* x',
  ])('%j ends in mid-way', (text) => {
    expect(() => meter(text)).toThrow(expect.objectContaining({ code: 'damaged' }))
  })
  test('something between a COPY statement and its data is damage', () => {
    expect(() => meter('COPY public.a (x) FROM stdin; SELECT 1;\n1\n\\.\n')).toThrow(
      expect.objectContaining({ code: 'damaged' }),
    )
  })
})

describe('what psql is given', () => {
  const given = async (text: string, oneTransaction: boolean): Promise<string> => {
    async function* dump() {
      await Promise.resolve()
      yield Buffer.from(text)
    }
    const chunks: Uint8Array[] = []
    for await (const chunk of restricted(dump(), { oneTransaction })) chunks.push(chunk)
    return Buffer.concat(chunks).toString()
  }
  const dump = `\\restrict theirs\nSELECT 1;\n${block}BEGIN;\nSELECT '\\unrestrict x';\nCOMMIT;\n\\unrestrict theirs\n`
  test('begins with a \\restrict of ours, and holds none of theirs', async () => {
    const text = await given(dump, false)
    expect(text).toMatch(/^\\restrict [0-9a-f]{48}\n/)
    expect(text.slice(text.indexOf('\n') + 1)).toBe(`SELECT 1;\n${block}BEGIN;\nSELECT '\\unrestrict x';\nCOMMIT;\n`)
  })
  test('in one transaction has no BEGIN and COMMIT in the middle', async () => {
    const text = await given(dump, true)
    expect(text).not.toMatch(/^BEGIN|^COMMIT/m)
    expect(text).toContain(block)
  })
  test('still holds every other meta-command, for psql itself to refuse', async () => {
    expect(await given(`\\! touch /tmp/x\n`, false)).toContain('\\! touch /tmp/x\n')
  })
})
