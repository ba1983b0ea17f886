import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DumpContent } from '../../src/domain/content.ts'
import { extensionOf, serverVersionOf, tocEntryOf } from '../../src/domain/toc.ts'
import { ContentMeter } from '../../src/pipeline/content-meter.ts'

const head = "SET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', false);\n\n"
const entry = (name: string, type: string, ...statements: string[]): string =>
  `--\n-- Name: ${name}; Type: ${type}; Schema: public; Owner: -\n--\n\n${statements.join('\n')}\n\n`
const data = (table: string, ...rows: string[]): string =>
  `--\n-- Data for Name: ${table}; Type: TABLE DATA; Schema: public; Owner: -\n--\n\nCOPY public.${table} (id, "e, mail") FROM stdin;\n${rows.map((row) => `${row}\n`).join('')}\\.\n\n`
const trailer = '--\n-- PostgreSQL database dump complete\n--\n\n'

const users = entry('users', 'TABLE', 'CREATE TABLE public.users (id integer);')
const index = entry('users_by_id', 'INDEX', 'CREATE INDEX users_by_id ON public.users (id);')
const sequence = entry('s', 'SEQUENCE SET', "SELECT pg_catalog.setval('public.s', 41, true);")
const rows = ['1\ta', '2\tb', '22\tb', '3\t\\N']

const contentOf = (text: string, cut?: number): DumpContent => {
  const meter = new ContentMeter()
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += cut ?? bytes.length)
    meter.update(bytes.subarray(at, at + (cut ?? bytes.length)))
  return meter.end()
}

describe('what a dump holds', () => {
  const dump = head + users + data('users', ...rows) + index + sequence + trailer
  const content = contentOf(dump)

  test('is taken down by object and by table', () => {
    expect([...content.entries.keys()]).toEqual([
      'TABLE public.users',
      'TABLE DATA public.users',
      'INDEX public.users_by_id',
      'SEQUENCE SET public.s',
    ])
    const lines = rows.map((row) => `${row}\n`).join('')
    expect(content.tables.get('public.users')).toMatchObject({
      columns: ['id', '"e, mail"'],
      rows: 4,
      bytes: lines.length,
      sha256: createHash('sha256').update(lines).digest('hex'),
    })
  })

  test('is the same in whatever chunks it comes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), (cut) => {
        expect(contentOf(dump, cut)).toEqual(content)
      }),
      { numRuns: 50 },
    )
  })

  test('is the same in whatever order objects and rows come', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([index, sequence], { minLength: 2, maxLength: 2 }),
        fc.shuffledSubarray(rows, { minLength: rows.length, maxLength: rows.length }),
        (objects, shuffled) => {
          const other = contentOf(head + users + data('users', ...shuffled) + objects.join('') + trailer)
          expect(new Map(other.entries)).toEqual(content.entries)
          const { sha256: _, ...known } = content.tables.get('public.users') ?? {}
          expect(other.tables.get('public.users')).toMatchObject(known)
        },
      ),
    )
  })

  test.each<[string, string]>([
    ['a value', dump.replace('22\tb', '22\tc')],
    ['a row twice instead of another', dump.replace('22\tb', '2\tb')],
    ['a definition', dump.replace('(id integer)', '(id bigint)')],
    ['where a sequence stands', dump.replace('41, true', '40, true')],
    ['the columns of a COPY', dump.replace('(id, "e, mail")', '("e, mail", id)')],
    ['an object', dump.replace(index, '')],
    ['what no entry announces', dump.replace(head, `${head}DROP TABLE x;\n`)],
  ])('differs when %s differs', (_what, other) => {
    expect(contentOf(other)).not.toEqual(content)
  })

  test('a row twice is not nothing', () => {
    const sumOf = (...of: string[]) => contentOf(head + data('users', ...of) + trailer).tables.get('public.users')?.sum
    expect(sumOf('1\ta', '1\ta')).not.toBe(sumOf())
    expect(sumOf('1\ta', '1\ta', '2\tb')).not.toBe(sumOf('1\ta', '2\tb', '2\tb'))
  })

  test('a table in another access method is another table, and the line that says so stands elsewhere', () => {
    const set = (method: string): string => `SET default_table_access_method = ${method};\n\n`
    const other = entry('other', 'TABLE', 'CREATE TABLE public.other (id integer);')
    const heap = contentOf(head + set('heap') + users + other + trailer)
    const mixed = contentOf(head + set('heap') + users + set('columnar') + other + trailer)
    const turned = contentOf(head + set('columnar') + other + set('heap') + users + trailer)
    expect(mixed.entries.get('TABLE public.users')).toEqual(heap.entries.get('TABLE public.users'))
    expect(mixed.entries.get('TABLE public.other')).not.toEqual(heap.entries.get('TABLE public.other'))
    expect(new Map([...turned.entries].toSorted())).toEqual(new Map([...mixed.entries].toSorted()))
  })
})

describe('what pg_dump says beside the SQL', () => {
  test.each([
    ['-- Name: users; Type: TABLE; Schema: public; Owner: -\n', 'TABLE public.users'],
    ['-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -\n', 'TABLE DATA public.users'],
    [
      '-- Name: f(integer, text); Type: FUNCTION; Schema: Odd Schema; Owner: -\n',
      'FUNCTION Odd Schema.f(integer, text)',
    ],
    ['-- Name: pg_trgm; Type: EXTENSION; Schema: -; Owner: -\n', 'EXTENSION pg_trgm'],
    ['-- Name: TABLE "a; Type: b"; Type: COMMENT; Schema: public; Owner: -\n', 'COMMENT public.TABLE "a; Type: b"'],
    ['-- Name: x; Type: TABLE; Schema: public; Owner: -; Tablespace: fast\n', 'TABLE public.x'],
    ['-- PostgreSQL database dump\n', undefined],
    ['-- Dumped by pg_dump version 15.18\n', undefined],
  ])('%j announces %s', (comment, announced) => {
    expect(tocEntryOf(comment)).toBe(announced)
  })

  test('the version of the server', () => {
    expect(serverVersionOf('-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)\n')).toBe('15.18')
    expect(serverVersionOf('-- Dumped by pg_dump version 15.18\n')).toBeUndefined()
  })

  test.each([
    ['CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;', { name: 'pg_trgm', schema: 'public' }],
    ['CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA "O""dd";', { name: 'uuid-ossp', schema: 'O"dd' }],
    ['CREATE EXTENSION IF NOT EXISTS a WITH SCHEMA b; DROP TABLE c;', undefined],
    ['CREATE TABLE public.a (id integer);', undefined],
  ])('%s', (statement, extension) => {
    expect(extensionOf(statement)).toEqual(extension)
  })
})
