import { describe, expect, test } from 'vitest'
import { parseKeyTable, parseTableName, qualifiedName, quoteTableName } from '../../src/domain/table-name.ts'

describe('a table name, as pg_dump writes it,', () => {
  test.each([
    ['public.users', 'public', 'users'],
    ['public.audit_logs', 'public', 'audit_logs'],
    ['_a.b$1', '_a', 'b$1'],
    ['"Odd Schema"."ta.ble"', 'Odd Schema', 'ta.ble'],
    ['public."Users"', 'public', 'Users'],
    ['"S".t', 'S', 't'],
    ['public."quo""te"', 'public', 'quo"te'],
    ['public.""""', 'public', '"'],
    ['public."line\nend"', 'public', 'line\nend'],
    ['public."tab\tand\rmore"', 'public', 'tab\tand\rmore'],
    ['public."Bürger"', 'public', 'Bürger'],
    ['public."人😀"', 'public', '人😀'],
    ['public."; DROP TABLE users; --"', 'public', '; DROP TABLE users; --'],
    [String.raw`public."back\slash"`, 'public', String.raw`back\slash`],
    ['public."$$"', 'public', '$$'],
    ['public." "', 'public', ' '],
    ['public."a"".""b"', 'public', 'a"."b'],
  ])('%j is read', (text, schema, table) => {
    expect(parseTableName(text)).toEqual({ schema, table })
  })

  test.each([
    'users',
    'public.',
    '.users',
    'public.users.id',
    'public.users; DROP TABLE users',
    'public.users -- ',
    'public.users\n',
    ' public.users',
    'public. users',
    'Public.users',
    'public.Users',
    'public.1users',
    'public."users',
    'public.users"',
    'public.""',
    'public."a"b"',
    'public."a".',
    "public.'users'",
    'public.bürger',
    'public."nul\0"',
    'public.users)',
    '(SELECT 1).users',
    '"a"."b"."c"',
    '',
  ])('%j is refused', (text) => {
    expect(parseTableName(text)).toBeUndefined()
  })

  test('is found at the beginning of a longer text', () => {
    expect(qualifiedName.exec('public.users (id, name) FROM stdin;')?.[0]).toBe('public.users')
    expect(qualifiedName.exec('"a (b"."c"" FROM stdin;" (id) FROM stdin;')?.[0]).toBe('"a (b"."c"" FROM stdin;"')
  })
})

describe('a quoted table name', () => {
  test.each([
    ['public', 'users', '"public"."users"'],
    ['Odd Schema', 'ta.ble', '"Odd Schema"."ta.ble"'],
    ['a"b', '"; DROP TABLE users; --', '"a""b"."""; DROP TABLE users; --"'],
  ])('%j %j is safe in SQL', (schema, table, quoted) => {
    expect(quoteTableName({ schema, table })).toBe(quoted)
    expect(parseTableName(quoted)).toEqual({ schema, table })
  })
})

describe('an entry of BACKUP_KEY_TABLES', () => {
  test.each([
    ['users', 'public', 'users'],
    ['registry.users', 'registry', 'users'],
    ['"Users"', 'public', 'Users'],
    ['"Odd"."Users"', 'Odd', 'Users'],
  ])('%s is %s %s', (entry, schema, table) => {
    expect(parseKeyTable(entry)).toEqual({ schema, table })
  })

  test.each(['Users', 'a.b.c', 'users;', '1', '*', '"', ''])('%j is no name', (entry) => {
    expect(parseKeyTable(entry)).toBeUndefined()
  })
})
