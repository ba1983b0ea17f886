import { describe, expect, test } from 'vitest'
import { alarmCheck, comparisonChecks } from '../../src/commands/drill-checks.ts'
import { falsified, overlooked } from '../../src/domain/drill-alarm.ts'
import {
  columnsMoved,
  compareDefinitions,
  compareTables,
  differencesOf,
  type ToCompare,
} from '../../src/domain/comparison.ts'
import type { DumpContent, Rows } from '../../src/domain/content.ts'
import type { ManifestTable } from '../../src/domain/manifest.ts'
import { digestOf } from '../support/builders.ts'

const rows = (more: Partial<Rows> = {}): Rows => ({
  columns: ['id', 'email'],
  rows: 2,
  bytes: 40,
  sha256: digestOf('c'),
  sum: digestOf('5'),
  ...more,
})
const entries = {
  'TABLE public.users': [digestOf('1')],
  'FUNCTION public.f(integer)': [digestOf('2'), digestOf('3')],
  'SEQUENCE SET public.s': [digestOf('4')],
}
const content = (more: { tables?: Record<string, Rows>; entries?: Record<string, string[]> } = {}): DumpContent => ({
  tables: new Map(Object.entries(more.tables ?? { 'public.users': rows(), 'public.log': rows({ rows: 1 }) })),
  entries: new Map(Object.entries(more.entries ?? entries)),
  extensions: [],
  serverVersion: '15.18',
})
const users: ManifestTable = { name: 'public.users', rows: 2, bytes: 40, sha256: digestOf('c') }
const log: ManifestTable = { name: 'public.log', rows: 1, bytes: 40, sha256: digestOf('c') }
const recorded: readonly ManifestTable[] = [users, log]
const input = (more: Partial<ToCompare> = {}): ToCompare => ({
  recorded,
  archive: content(),
  restored: content(),
  reread: undefined,
  ...more,
})
const tablesOf = (ofUsers: Rows | undefined): DumpContent =>
  content({
    tables: { ...(ofUsers === undefined ? {} : { 'public.users': ofUsers }), 'public.log': rows({ rows: 1 }) },
  })

describe('tables', () => {
  test('that are the same', () => {
    expect(compareTables(input())).toEqual({ differences: [], reordered: [] })
  })

  test.each<[string, Partial<ToCompare>, string[]]>([
    ['a table missing', { restored: tablesOf(undefined) }, ['public.users: missing in the restored database']],
    ['a row missing', { restored: tablesOf(rows({ rows: 1 })) }, ['public.users: 1 row restored, 2 in the archive']],
    [
      'a value altered',
      { restored: tablesOf(rows({ sha256: digestOf('d'), sum: digestOf('6') })) },
      ['public.users: the restored rows are not the archive’s'.replace('’', "'")],
    ],
    [
      'a table too many',
      {
        restored: content({ tables: { 'public.users': rows(), 'public.log': rows({ rows: 1 }), 'public.x': rows() } }),
      },
      ['public.x: restored, and not in the archive'],
    ],
    [
      'a count in the manifest',
      { recorded: [{ ...users, rows: 3 }, log] },
      ['public.users: 2 rows in the archive, 3 by the manifest'],
    ],
    [
      'a digest in the manifest',
      { recorded: [{ ...users, sha256: digestOf('d') }, log] },
      ["public.users: the archive's rows are not the ones in the manifest"],
    ],
    [
      'a table that the manifest does not know',
      { recorded: [users] },
      ['public.log: in the archive, and not in the manifest'],
    ],
    [
      'a table that only the manifest knows',
      { recorded: [...recorded, { ...users, name: 'public.y' }] },
      ['public.y: in the manifest, and not in the archive'],
    ],
  ])('%s is told', (_what, off, differences) => {
    expect(compareTables(input(off)).differences).toEqual(differences)
    expect(comparisonChecks(input(off), { archive: 0, restored: 0 })[0]).toMatchObject({
      name: 'tables',
      state: 'failed',
      exitStatus: 65,
    })
  })

  test('the same rows in another order are the same, and said to be so', () => {
    const off = input({ restored: tablesOf(rows({ sha256: digestOf('d') })) })
    expect(compareTables(off)).toEqual({ differences: [], reordered: ['public.users'] })
    expect(comparisonChecks(off, { archive: 0, restored: 0 })[0]?.detail).toContain(
      '1 with the same rows in another order',
    )
  })

  test('columns that came back in another order are named, to be read again', () => {
    const moved = tablesOf(rows({ columns: ['email', 'id'], sha256: digestOf('d'), sum: digestOf('6') }))
    expect(columnsMoved(content(), moved)).toEqual(['public.users'])
    expect(columnsMoved(content(), tablesOf(rows({ columns: ['id', 'other'] })))).toEqual([])
  })
})

describe('definitions', () => {
  const without = (entry: keyof typeof entries): DumpContent => {
    const { [entry]: _, ...rest } = entries
    return content({ entries: rest })
  }
  const withDigest = (entry: string, ...digests: string[]): DumpContent =>
    content({ entries: { ...entries, [entry]: digests } })

  test.each<[string, Partial<ToCompare>, string[]]>([
    [
      'an index missing',
      { restored: without('TABLE public.users') },
      ['TABLE public.users: missing in the restored database'],
    ],
    [
      'one of two functions of a name missing',
      { restored: withDigest('FUNCTION public.f(integer)', digestOf('2')) },
      ['FUNCTION public.f(integer): 1 in the restored database, 2 in the archive'],
    ],
    [
      'a sequence set back',
      { restored: withDigest('SEQUENCE SET public.s', digestOf('9')) },
      ['SEQUENCE SET public.s: not as the archive defines it'],
    ],
    [
      'an object too many',
      { restored: withDigest('TRIGGER public.t', digestOf('9')) },
      ['TRIGGER public.t: in the restored database, and not in the archive'],
    ],
    [
      'another text than a second restore gives',
      {
        restored: withDigest('TABLE public.users', digestOf('9')),
        reread: withDigest('TABLE public.users', digestOf('8')),
      },
      ['TABLE public.users: not as the archive defines it'],
    ],
    [
      'what a second restore does not even have',
      { restored: withDigest('TABLE public.users', digestOf('9')), reread: without('TABLE public.users') },
      ['TABLE public.users: not as the archive defines it'],
    ],
  ])('%s is told', (_what, off, differences) => {
    expect(compareDefinitions(input(off)).differences).toEqual(differences)
    const failed = comparisonChecks(input(off), { archive: 0, restored: 0 }).filter(({ state }) => state === 'failed')
    expect(failed.map(({ name }) => name)).toEqual([
      differences[0]?.startsWith('SEQUENCE') === true ? 'sequences' : 'definitions',
    ])
  })

  test('what the server writes otherwise every time that it reads it is the same', () => {
    const restored = withDigest('TABLE public.users', digestOf('9'))
    expect(compareDefinitions(input({ restored, reread: restored }))).toEqual({
      differences: [],
      rewritten: ['TABLE public.users'],
    })
  })

  test('large objects are counted, too', () => {
    const checks = comparisonChecks(input(), { archive: 2, restored: 1 })
    expect(checks.at(-1)).toMatchObject({
      name: 'large objects',
      state: 'failed',
      detail: '- 1 restored, 2 in the archive',
    })
  })

  test('a thousand differences are not all told', () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [`INDEX public.i${String(index)}`, ['x']]),
    )
    const [, definitions] = comparisonChecks(input({ restored: content({ entries: { ...entries, ...many } }) }), {
      archive: 0,
      restored: 0,
    })
    expect(definitions?.detail.split('\n')).toHaveLength(21)
    expect(definitions?.detail).toContain('- and 980 more')
  })
})

describe('the alarm test', () => {
  test.each<[string, ToCompare]>([
    ['of a good drill', input()],
    ['of a backup that recorded nothing', input({ recorded: null })],
    [
      'of an empty database',
      input({
        recorded: [],
        archive: content({ tables: {}, entries: {} }),
        restored: content({ tables: {}, entries: {} }),
      }),
    ],
    ['of a red one', input({ restored: tablesOf(undefined) })],
    ['of one whose first table is off', input({ restored: tablesOf(rows({ rows: 1, sum: digestOf('6') })) })],
    [
      'of one whose first definition is off',
      input({ restored: content({ entries: { ...entries, 'TABLE public.users': [digestOf('9')] } }) }),
    ],
    ['of one in which nothing is right', input({ restored: content({ tables: {}, entries: {} }) })],
  ])('%s hears everything that is off', (_what, found) => {
    expect(overlooked(found, differencesOf)).toEqual([])
    expect(alarmCheck(found).state).toBe('ok')
  })

  test('puts a count and a digest off, a restored value, and a definition', () => {
    expect(falsified(input()).map(({ name }) => name)).toEqual([
      'a count in the manifest',
      'a digest in the manifest',
      'a restored value',
      'a restored definition',
      'a definition that is missing',
    ])
  })

  test.each<[string, (of: ToCompare) => readonly string[], string[]]>([
    [
      'is blind',
      () => [],
      [
        'a count in the manifest',
        'a digest in the manifest',
        'a restored value',
        'a restored definition',
        'a definition that is missing',
      ],
    ],
    [
      'always says the same',
      () => ['something'],
      [
        'a count in the manifest',
        'a digest in the manifest',
        'a restored value',
        'a restored definition',
        'a definition that is missing',
      ],
    ],
    [
      'sees tables alone',
      (of) => compareTables(of).differences,
      ['a restored definition', 'a definition that is missing'],
    ],
    [
      'trusts the manifest',
      (of) => differencesOf({ ...of, recorded: null }),
      ['a count in the manifest', 'a digest in the manifest'],
    ],
    [
      'looks at counts alone',
      (of) => compareTables(of).differences.filter((one) => /\d row/.test(one)),
      ['a digest in the manifest', 'a restored value', 'a restored definition', 'a definition that is missing'],
    ],
  ])('fails a drill whose comparison %s', (_what, compare, missed) => {
    expect(overlooked(input(), compare)).toEqual(missed)
    expect(alarmCheck(input(), compare)).toMatchObject({ state: 'failed', exitStatus: 65 })
  })
})
