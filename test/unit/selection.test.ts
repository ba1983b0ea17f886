import { describe, expect, test } from 'vitest'
import { catalogOf, type Catalog } from '../../src/domain/catalog.ts'
import { select, type Selector } from '../../src/domain/selection.ts'
import {
  catalogOfGood,
  codeOf,
  dataKey,
  decoded,
  decodedOlder,
  faultOf,
  holdings,
  layout,
  manifestKey,
  manifestOf,
  olderManifestOf,
} from '../support/builders.ts'

const catalog = catalogOfGood('2026-02-22', '2026-02-23', '2026-02-26', '2026-01', '2026-02')
const hintOf = async (of: Catalog, selector: Selector): Promise<string> =>
  (await faultOf(() => select(of, selector))).hint ?? ''

describe('a backup is selected', () => {
  test.each<readonly [string, Selector, string]>([
    ['as the latest daily, though a monthly is there', { by: 'latest' }, dataKey('2026-02-26')],
    ['by its day', { by: 'date', date: '2026-02-23' }, dataKey('2026-02-23')],
    ['by its month', { by: 'month', month: '2026-01' }, dataKey('2026-01')],
    ['by its key', { by: 'key', key: dataKey('2026-02-22') }, dataKey('2026-02-22')],
    ['by the key of a monthly', { by: 'key', key: dataKey('2026-02') }, dataKey('2026-02')],
  ])('%s', (_how, selector, key) => {
    expect(select(catalog, selector).key).toBe(key)
  })

  test('as the latest that can be used, past a damaged and an orphan one', () => {
    const held = holdings(
      { [dataKey('2026-02-22')]: 1000, [dataKey('2026-02-24')]: 1000 },
      {
        [manifestKey('2026-02-22')]: decoded(manifestOf('2026-02-22')),
        [manifestKey('2026-02-23')]: decoded(manifestOf('2026-02-23')),
      },
    )
    expect(select(catalogOf(layout, held, []), { by: 'latest' }).key).toBe(dataKey('2026-02-22'))
  })

  test('by the day of its replacement: the former object is not meant', () => {
    const second = dataKey('2026-02-24', { revision: 2 })
    const held = holdings(
      { [dataKey('2026-02-24')]: 900, [second]: 1000 },
      { [manifestKey('2026-02-24')]: decoded(manifestOf('2026-02-24', { s3Key: second })) },
    )
    expect(select(catalogOf(layout, held, []), { by: 'date', date: '2026-02-24' }).key).toBe(second)
  })

  test('when it is of the previous system', () => {
    const key = dataKey('2025-11-03', { sealing: 'aes-256-gcm' })
    const held = holdings({ [key]: 1000 }, { [manifestKey('2025-11-03')]: decodedOlder(olderManifestOf('2025-11-03')) })
    expect(select(catalogOf(layout, held, []), { by: 'latest' }).state).toBe('unverified-older')
  })
})

describe('what is not there is told with what is', () => {
  test.each<readonly [string, Selector, string]>([
    [
      'a day in a gap',
      { by: 'date', date: '2026-02-24' },
      'Nearest: 2026-02-26, 2026-02-23. See all: oslrs-backup list',
    ],
    ['a day after the last', { by: 'date', date: '2026-03-01' }, 'Nearest: 2026-02-26. See all: oslrs-backup list'],
    ['a day before the first', { by: 'date', date: '2020-01-01' }, 'Nearest: 2026-02-22. See all: oslrs-backup list'],
    ['a month', { by: 'month', month: '2025-12' }, 'Nearest: 2026-01. See all: oslrs-backup list'],
    [
      'a key',
      { by: 'key', key: 'backups/daily/x' },
      'Nearest: 2026-02-26, 2026-02-23, 2026-02-22. See all: oslrs-backup list',
    ],
  ])('%s', async (_what, selector, hint) => {
    expect(await codeOf(() => select(catalog, selector))).toBe('no-such-backup')
    expect(await hintOf(catalog, selector)).toBe(hint)
  })

  test('a month, where there are only dailies', async () => {
    expect(await hintOf(catalogOfGood('2026-02-24'), { by: 'month', month: '2026-01' })).toBe(
      'See what there is: oslrs-backup list',
    )
  })

  test.each<Selector>([
    { by: 'latest' },
    { by: 'date', date: '2026-02-24' },
    { by: 'month', month: '2026-02' },
    { by: 'key', key: 'x' },
  ])('nothing at all, asked for %j', async (selector) => {
    expect(await codeOf(() => select([], selector))).toBe('no-such-backup')
    expect(await hintOf([], selector)).toContain('oslrs-backup list')
  })
})

describe('what is there and cannot be used is damaged, not missing', () => {
  const damaged = catalogOf(
    layout,
    holdings(
      { [dataKey('2026-02-25')]: 1000, [dataKey('2026-02-22')]: 1000 },
      {
        [manifestKey('2026-02-24')]: decoded(manifestOf('2026-02-24')),
        [manifestKey('2026-02-22')]: decoded(manifestOf('2026-02-22')),
      },
    ),
    [],
  )

  test.each<readonly [string, Selector, string]>([
    ['a day', { by: 'date', date: '2026-02-24' }, 'its object is missing'],
    ['a key', { by: 'key', key: dataKey('2026-02-24') }, 'its object is missing'],
    ['an orphan', { by: 'date', date: '2026-02-25' }, 'no manifest speaks for it'],
    ['the key of an orphan', { by: 'key', key: dataKey('2026-02-25') }, 'no manifest speaks for it'],
  ])('%s', async (_what, selector, why) => {
    const fault = await faultOf(() => select(damaged, selector))
    expect(fault.code).toBe('damaged')
    expect(fault.message).toContain(why)
    expect(fault.hint).toContain('2026-02-22')
  })

  test('where nothing can be used the latest is missing, and it is said that there is none', async () => {
    const orphans = catalogOf(layout, holdings({ [dataKey('2026-02-25')]: 1000 }, {}), [])
    expect(await codeOf(() => select(orphans, { by: 'latest' }))).toBe('no-such-backup')
    expect(await hintOf(orphans, { by: 'latest' })).toBe('There is none that could be used. See: oslrs-backup list')
  })
})
