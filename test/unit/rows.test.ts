import { describe, expect, test } from 'vitest'
import type { ManifestTable } from '../../src/domain/manifest.ts'
import { requireSameRows, rowCheckSql, rowsDiffer, tableCountsOf, treeOf } from '../../src/domain/rows.ts'
import { quoteTableName } from '../../src/domain/table-name.ts'
import { DumpScanner } from '../../src/pipeline/dump-scanner.ts'
import { digestOf, faultOf } from '../support/builders.ts'

const dumped = (rows: Readonly<Record<string, number>>): ManifestTable[] =>
  Object.entries(rows).map(([name, count]) => ({ name, rows: count, bytes: 0, sha256: digestOf('0') }))
const name = (text: string) => ({ schema: text.split('.')[0] ?? '', table: text.split('.')[1] ?? '' })
const table = (text: string, ...parents: readonly string[]) => ({
  ...name(text),
  holdsRows: true,
  parents: parents.map(name),
})
const partitioned = (text: string, ...parents: readonly string[]) => ({ ...table(text, ...parents), holdsRows: false })
const key = (text: string, rows: number) => ({ ...name(text), rows })

const partitions = [
  partitioned('public.log'),
  partitioned('public.log_2026', 'public.log'),
  table('public.log_2026_01', 'public.log_2026'),
  table('public.log_2026_02', 'public.log_2026'),
  table('public.log_old', 'public.log'),
  table('public.users'),
]
const inherited = [
  table('public.base'),
  table('public.left', 'public.base'),
  table('public.right', 'public.base'),
  table('public.both', 'public.left', 'public.right'),
]

describe('a tree of tables', () => {
  test('is a table and everything below it', () => {
    expect(treeOf(partitions, name('public.log')).map((member) => member.table)).toEqual([
      'log',
      'log_2026',
      'log_old',
      'log_2026_01',
      'log_2026_02',
    ])
    expect(treeOf(partitions, name('public.log_2026')).map((member) => member.table)).toEqual([
      'log_2026',
      'log_2026_01',
      'log_2026_02',
    ])
  })

  test('holds a table with two parents once', () => {
    expect(treeOf(inherited, name('public.base')).map((member) => member.table)).toEqual([
      'base',
      'left',
      'right',
      'both',
    ])
  })

  test('of a table that does not exist is empty', () => {
    expect(treeOf(partitions, name('other.log'))).toEqual([])
  })
})

describe('a dump holds what the database held', () => {
  test.each<
    readonly [
      string,
      readonly ReturnType<typeof table>[],
      Readonly<Record<string, number>>,
      readonly ReturnType<typeof key>[],
    ]
  >([
    ['nothing in an empty database', [], {}, []],
    ['a table', [table('public.users')], { 'public.users': 2 }, [key('public.users', 2)]],
    ['an empty table', [table('public.users')], { 'public.users': 0 }, [key('public.users', 0)]],
    [
      'partitions, each by itself',
      partitions,
      { 'public.log_2026_01': 1, 'public.log_2026_02': 2, 'public.log_old': 4, 'public.users': 8 },
      [key('public.log', 7), key('public.log_2026', 3), key('public.users', 8)],
    ],
    [
      'partitions, loaded through their root',
      partitions,
      { 'public.log': 7, 'public.users': 8 },
      [key('public.log', 7)],
    ],
    [
      'some partitions through their root and some by themselves',
      partitions,
      { 'public.log_2026': 3, 'public.log_old': 4, 'public.users': 8 },
      [key('public.log', 7)],
    ],
    [
      'tables that inherit, a diamond counted once',
      inherited,
      { 'public.base': 1, 'public.left': 2, 'public.right': 4, 'public.both': 8 },
      [key('public.base', 15), key('public.left', 10), key('public.right', 12), key('public.both', 8)],
    ],
    [
      'names that must be quoted',
      [table('public.Users'), { schema: 'a"b', table: 'c.d\n', holdsRows: true, parents: [] }],
      { 'public."Users"': 1, '"a""b"."c.d\n"': 2 },
      [key('public.Users', 1), { schema: 'a"b', table: 'c.d\n', rows: 2 }],
    ],
  ])('%s', (_what, tables, rows, counted) => {
    expect(() => {
      requireSameRows(dumped(rows), tables, counted)
    }).not.toThrow()
  })

  test.each<
    readonly [
      string,
      readonly ReturnType<typeof table>[],
      Readonly<Record<string, number>>,
      readonly ReturnType<typeof key>[],
      readonly string[],
    ]
  >([
    ['a table is missing', [table('public.users')], {}, [], ['"public"."users": not in the dump']],
    [
      'a partition is missing, though others are there',
      partitions,
      { 'public.log_2026_01': 1, 'public.log_old': 4, 'public.users': 0 },
      [],
      ['"public"."log_2026_02": not in the dump'],
    ],
    [
      'a table has fewer rows',
      [table('public.users')],
      { 'public.users': 1 },
      [key('public.users', 2)],
      ['"public"."users": 1 rows in the dump, 2 in the database'],
    ],
    [
      'a table has more rows',
      [table('public.users')],
      { 'public.users': 3 },
      [key('public.users', 2)],
      ['"public"."users": 3 rows in the dump, 2 in the database'],
    ],
    [
      'a leaf has fewer rows',
      partitions,
      { 'public.log_2026_01': 1, 'public.log_2026_02': 1, 'public.log_old': 4, 'public.users': 0 },
      [key('public.log', 7)],
      ['"public"."log": 6 rows in the dump, 7 in the database'],
    ],
    [
      'a table of the same name in another schema is no stand-in',
      [table('public.users')],
      { 'other.users': 2 },
      [],
      ['"public"."users": not in the dump'],
    ],
    [
      'of several faults all are told',
      [table('public.a'), table('public.b'), table('public.c')],
      { 'public.b': 1 },
      [key('public.b', 2)],
      [
        '"public"."a": not in the dump',
        '"public"."c": not in the dump',
        '"public"."b": 1 rows in the dump, 2 in the database',
      ],
    ],
  ])('not when %s', async (_what, tables, rows, counted, all) => {
    const fault = await faultOf(() => {
      requireSameRows(dumped(rows), tables, counted)
    })
    expect(fault.code).toBe('dump-failed')
    expect(fault.all).toEqual(all)
  })
})

describe('the four counts of the dashboard', () => {
  test('are rows with everything below, and null where there is no such table', () => {
    const tables = [
      partitioned('public.audit_logs'),
      table('public.audit_1', 'public.audit_logs'),
      table('public.users'),
      table('other.respondents'),
    ]
    expect(tableCountsOf(dumped({ 'public.audit_1': 5, 'public.users': 2, 'other.respondents': 9 }), tables)).toEqual({
      users: 2,
      respondents: null,
      auditLogs: 5,
      submissions: null,
    })
  })

  test('are 0 for a table that is there and empty', () => {
    expect(tableCountsOf(dumped({ 'public.users': 0 }), [table('public.users')]).users).toBe(0)
  })
})

describe('the SQL that compares rows at the end of a load', () => {
  const statementsOf = (sql: string): string[] => {
    const statements: string[] = []
    const scanner = new DumpScanner({
      text: (kind, bytes) => {
        if (kind !== 'space') statements.push(bytes.toString())
      },
      copyBegins: () => statements.push('COPY'),
      copyRows: () => undefined,
      copyEnds: () => undefined,
    })
    scanner.push(Buffer.from(sql))
    scanner.end()
    return statements
  }

  test('is nothing where there is nothing to compare', () => {
    expect(rowCheckSql([])).toBe('')
  })

  test('names each table with its rows, and its own SQLSTATE', () => {
    const sql = rowCheckSql(dumped({ 'public.users': 2, '"Odd"."ta.ble"': 0 }))
    expect(sql).toContain(`('"public"."users"', 2), ('"Odd"."ta.ble"', 0)`)
    expect(sql).toContain(rowsDiffer)
    expect(rowsDiffer).toMatch(/^[5-9I-Z][0-9A-Z]{4}$/)
  })

  test.each([
    "it's",
    "'",
    "''; DROP TABLE users; --",
    '"',
    '$$',
    '$oslrs_backup_check$',
    '$oslrs_backup_check$; DROP TABLE users; --',
    "'||(SELECT 1)||'",
    String.raw`\'; DROP TABLE users; --`,
    '\n\\! id\n',
    '%s %I',
    '/* --',
  ])('stays one statement with a table called %j', (hostile) => {
    const [statement, ...more] = statementsOf(
      rowCheckSql(dumped({ [quoteTableName({ schema: hostile, table: hostile })]: 1 })),
    )
    expect(more).toEqual([])
    expect(statement).toMatch(/^DO \$oslrs_backup_check\$[^]*END \$oslrs_backup_check\$;$/)
    // The dollar quote does not end early, and each quote inside of the name is doubled.
    expect(statement?.split('$oslrs_backup_check$')).toHaveLength(3)
    const body = statement?.split('$oslrs_backup_check$')[1] ?? ''
    const bodyStatements = statementsOf(`${body};`)
    expect(bodyStatements.some((one) => one.trimStart().startsWith('DROP'))).toBe(false)
  })

  test('leaves out what is no table name, so that it never gets into SQL', () => {
    expect(rowCheckSql(dumped({ 'users; DROP TABLE users': 1 }))).toBe('')
  })
})
