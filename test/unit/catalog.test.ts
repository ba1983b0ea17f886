import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { catalogOf, isComplete, type Backup, type Holdings } from '../../src/domain/catalog.ts'
import { decodeManifest, type DecodedManifest, type Manifest } from '../../src/domain/manifest.ts'
import {
  catalogOfGood,
  dataKey,
  decoded,
  decodedOlder,
  holdings,
  layout,
  manifestKey,
  manifestOf,
  modifiedAt,
  newKeyPair,
  olderManifestOf,
  signedBy,
} from '../support/builders.ts'
import {
  holdingsOf,
  olderDaily,
  olderDailyOfNothing,
  olderPairOfOneDate,
  promotedByOlder,
  withoutManifest,
} from '../support/older-backups.ts'

const day = '2026-02-24'
const only = (held: Holdings, trusted: Parameters<typeof catalogOf>[2] = []): Backup => {
  const [backup, ...more] = catalogOf(layout, held, trusted)
  if (backup === undefined || more.length > 0) throw new Error(`${String(more.length + 1)} backups, not one`)
  return backup
}
const oneDay = (manifest: DecodedManifest, objects: Readonly<Record<string, number>> = { [dataKey(day)]: 1000 }) =>
  holdings(objects, { [manifestKey(day)]: manifest })
const whyOf = (held: Holdings, trusted: Parameters<typeof catalogOf>[2] = []): string => {
  const damaged = catalogOf(layout, held, trusted).find((backup) => backup.state === 'damaged')
  return damaged?.why ?? 'it is not damaged'
}

describe('a complete backup', () => {
  test('is one whose manifest and object agree', () => {
    expect(only(oneDay(decoded(manifestOf(day))))).toEqual({
      state: 'complete',
      tier: 'daily',
      period: day,
      key: dataKey(day),
      manifestKey: manifestKey(day),
      manifest: manifestOf(day),
      signed: false,
    })
  })

  test('may be a monthly, with a manifest of its own', () => {
    const month = '2026-02'
    const held = holdings({ [dataKey(month)]: 1000 }, { [manifestKey(month)]: decoded(manifestOf(month)) })
    expect(only(held)).toMatchObject({ state: 'complete', tier: 'monthly', period: month, key: dataKey(month) })
  })

  test('may be a replacement: the former object is then an orphan', () => {
    const second = dataKey(day, { revision: 2 })
    const catalog = catalogOf(
      layout,
      oneDay(decoded(manifestOf(day, { s3Key: second })), { [dataKey(day)]: 900, [second]: 1000 }),
      [],
    )
    expect(catalog.map(({ state, key }) => [state, key])).toEqual([
      ['complete', second],
      ['orphan', dataKey(day)],
    ])
  })

  test('may lie under an older label', () => {
    const key = 'backups/daily/2026-02-24-former.sql.gz.age'
    expect(only(oneDay(decoded(manifestOf(day, { s3Key: key })), { [key]: 1000 }))).toMatchObject({
      state: 'complete',
      key,
    })
  })
})

describe('a damaged backup', () => {
  const good = manifestOf(day)

  test.each<readonly [string, string, Holdings]>([
    ['its object is missing', 'its object is missing', oneDay(decoded(good), {})],
    [
      'its object is shorter',
      'its object has 999 bytes, and should have 1000',
      oneDay(decoded(good), { [dataKey(day)]: 999 }),
    ],
    [
      'its object is longer',
      'its object has 1001 bytes, and should have 1000',
      oneDay(decoded(good), { [dataKey(day)]: 1001 }),
    ],
    [
      'its object is empty',
      'its object has 0 bytes, and should have 1000',
      oneDay(decoded(good), { [dataKey(day)]: 0 }),
    ],
    [
      'its manifest cannot be read',
      'its manifest is not JSON',
      oneDay({ kind: 'unreadable', why: 'its manifest is not JSON' }),
    ],
    [
      "its manifest names another day's object, which is there",
      'its manifest speaks of another backup',
      oneDay(decoded(manifestOf('2026-02-20')), { [dataKey('2026-02-20')]: 1000 }),
    ],
    [
      'its manifest names the monthly of its month',
      'its manifest speaks of another backup',
      oneDay(decoded(manifestOf('2026-02')), { [dataKey('2026-02')]: 1000 }),
    ],
    [
      'its manifest names another manifest',
      'its manifest speaks of another backup',
      oneDay(decoded({ ...good, s3Key: manifestKey(day) })),
    ],
    [
      'its manifest names something foreign',
      'its manifest speaks of another backup',
      oneDay(decoded({ ...good, s3Key: 'photos/holiday.jpg' }), { 'photos/holiday.jpg': 1000 }),
    ],
    [
      'its manifest leads out of the prefix',
      'its manifest speaks of another backup',
      oneDay(decoded({ ...good, s3Key: `backups/../${dataKey(day)}` })),
    ],
  ])('is one of which %s', (_what, why, held) => {
    expect(whyOf(held)).toBe(why)
    expect(catalogOf(layout, held, []).some(isComplete)).toBe(false)
  })

  test('has the key of its object where that can be known, and else that of its manifest', () => {
    expect(only(oneDay(decoded(good), {}))).toMatchObject({ key: dataKey(day), manifestKey: manifestKey(day) })
    expect(only(oneDay({ kind: 'unreadable', why: '' }, {}))).toMatchObject({
      key: manifestKey(day),
      manifestKey: manifestKey(day),
    })
  })

  test('speaks for its own object, so that it is not told twice', () => {
    expect(only(oneDay(decoded(good), { [dataKey(day)]: 999 })).state).toBe('damaged')
  })

  test("does not take another day's object from the backup that owns it", () => {
    const held = holdings(
      { [dataKey('2026-02-20')]: 1000 },
      {
        [manifestKey('2026-02-20')]: decoded(manifestOf('2026-02-20')),
        [manifestKey(day)]: decoded(manifestOf('2026-02-20')),
      },
    )
    expect(catalogOf(layout, held, []).map(({ period, state }) => [period, state])).toEqual([
      [day, 'damaged'],
      ['2026-02-20', 'complete'],
    ])
  })
})

describe('where keys are trusted', () => {
  const pair = newKeyPair()
  const trusted = [newKeyPair().publicKey, pair.publicKey]
  const good = signedBy(pair, manifestOf(day))
  const forged = (alter: (manifest: Manifest) => Manifest): Holdings => oneDay(decoded(alter(good)))

  test('a backup signed with one of them is complete', () => {
    expect(only(oneDay(decoded(good)), trusted)).toMatchObject({ state: 'complete', signed: true })
  })

  test.each<readonly [string, string, Holdings]>([
    ['unsigned', 'its manifest is not signed', oneDay(decoded(manifestOf(day)))],
    [
      'signed with another key',
      'its manifest is signed with a key that is not trusted here',
      oneDay(decoded(signedBy(newKeyPair(), manifestOf(day)))),
    ],
    [
      'altered',
      'its manifest was altered after it was signed',
      forged((manifest) => ({ ...manifest, sizeBytes: 999 })),
    ],
    [
      'altered in a table',
      'its manifest was altered after it was signed',
      forged((manifest) => ({ ...manifest, tables: manifest.tables.slice(1) })),
    ],
  ])('one that is %s is damaged', (_what, why, held) => {
    expect(only(held, trusted)).toMatchObject({ state: 'damaged', why, key: dataKey(day) })
  })

  test('a good manifest at the place of another day is damaged', () => {
    const held = holdings({ [dataKey(day)]: 1000 }, { [manifestKey('2026-03-01')]: decoded(good) })
    expect(whyOf(held, trusted)).toBe('its manifest speaks of another backup')
  })

  test('backups of the previous system stay unverified', () => {
    const key = dataKey(day, { sealing: 'aes-256-gcm' })
    expect(only(oneDay(decodedOlder(olderManifestOf(day)), { [key]: 1000 }), trusted).state).toBe('unverified-older')
  })

  test('where none are, a signed and an unsigned one are complete', () => {
    expect(only(oneDay(decoded(good)))).toMatchObject({ state: 'complete', signed: true })
    expect(only(oneDay(decoded(manifestOf(day))))).toMatchObject({ state: 'complete', signed: false })
  })
})

describe('backups of the previous system', () => {
  const key = dataKey(day, { sealing: 'aes-256-gcm' })
  const older = olderManifestOf(day)

  test('are unverified', () => {
    expect(only(oneDay(decodedOlder(older), { [key]: 1000 }))).toEqual({
      state: 'unverified-older',
      tier: 'daily',
      period: day,
      key,
      manifestKey: manifestKey(day),
      manifest: older,
      sealing: 'aes-256-gcm',
    })
  })

  test('may be plain', () => {
    const plain = dataKey(day, { sealing: 'none' })
    const manifest = decodedOlder({ ...older, s3Key: plain, encryption: undefined })
    expect(only(oneDay(manifest, { [plain]: 1000 }))).toMatchObject({ state: 'unverified-older', sealing: 'none' })
  })

  test.each([
    ['a plain one that is said to be encrypted', { ...older, s3Key: dataKey(day, { sealing: 'none' }) }],
    ['an encrypted one that is said to be plain', { ...older, encryption: undefined }],
    ['one sealed as only we do', { ...older, s3Key: dataKey(day), encryption: undefined }],
  ])('are damaged when manifest and name disagree: %s', (_what, manifest) => {
    expect(whyOf(oneDay(decodedOlder(manifest), { [manifest.s3Key]: 1000 }))).toBe(
      'its manifest does not say how its object is encrypted',
    )
  })

  test.each(['plain', 'encrypted'] as const)('that hold nothing are damaged, however good the manifest: %s', (how) => {
    const files = olderDailyOfNothing({ date: day, encryption: how === 'plain' ? undefined : '1'.repeat(64) })
    expect(only(holdingsOf(files))).toMatchObject({ state: 'damaged', fault: 'object' })
    expect(whyOf(holdingsOf(files))).toBe('its object, of 20 bytes, is too small to hold any dump')
  })

  test('without a manifest are shown as what they are: data that nothing speaks for', () => {
    const night = { date: day, sql: randomBytes(1000), encryption: '1'.repeat(64) }
    const monthly = withoutManifest(promotedByOlder(olderDaily(night)))
    expect(only(holdingsOf(monthly))).toMatchObject({
      state: 'orphan',
      tier: 'monthly',
      period: '2026-02',
      sealing: 'aes-256-gcm',
    })
  })

  test.each(['plain', 'encrypted'] as const)(
    'of a pair with one manifest, the %s one counts that it states',
    (which) => {
      const night = { date: day, sql: randomBytes(1000), encryption: '1'.repeat(64) }
      const catalog = catalogOf(layout, holdingsOf(olderPairOfOneDate(night, which)), [])
      const sealing = which === 'plain' ? 'none' : 'aes-256-gcm'
      expect(catalog.map(({ state, key }) => [state, key])).toEqual([
        ['unverified-older', dataKey(day, { sealing })],
        ['orphan', dataKey(day, { sealing: which === 'plain' ? 'aes-256-gcm' : 'none' })],
      ])
    },
  )

  test('have one manifest where there is a plain and a sealed object: the other one is an orphan', () => {
    const plain = dataKey(day, { sealing: 'none' })
    const catalog = catalogOf(layout, oneDay(decodedOlder(older), { [key]: 1000, [plain]: 1000 }), [])
    expect(catalog.map((backup) => [backup.state, backup.key])).toEqual([
      ['unverified-older', key],
      ['orphan', plain],
    ])
  })

  test('have monthlies with a byte copy of a daily manifest: it still says daily, and the key of the daily', () => {
    const month = '2026-02'
    const monthly = dataKey(month, { sealing: 'aes-256-gcm' })
    const held = holdings({ [monthly]: 1000 }, { [manifestKey(month)]: decodedOlder(older) })
    expect(only(held)).toMatchObject({ state: 'unverified-older', tier: 'monthly', period: month, key: monthly })
  })

  test.each([
    ['of another month', '2026-01', '2026-02-24'],
    ['of another year', '2025-02', '2026-02-24'],
  ])('have no monthly by a copy %s', (_what, month, from) => {
    const monthly = dataKey(month, { sealing: 'aes-256-gcm' })
    const held = holdings({ [monthly]: 1000 }, { [manifestKey(month)]: decodedOlder(olderManifestOf(from)) })
    expect(whyOf(held)).toBe('its manifest speaks of another backup')
  })

  test('are damaged when the size differs or the object is missing', () => {
    expect(whyOf(oneDay(decodedOlder(older), { [key]: 7 }))).toBe('its object has 7 bytes, and should have 1000')
    expect(whyOf(oneDay(decodedOlder(older), {}))).toBe('its object is missing')
  })

  test('lend the leave to copy to no current manifest', () => {
    const held = holdings({ [dataKey('2026-02')]: 1000 }, { [manifestKey('2026-02')]: decoded(manifestOf(day)) })
    expect(whyOf(held)).toBe('its manifest speaks of another backup')
  })
})

describe('a manifest at another place', () => {
  test.each<readonly [string, Partial<Manifest>, string]>([
    ['says another tier', { retentionTier: 'monthly' }, 'its manifest says that it is a monthly'],
    ['states another day', { timestamp: '2026-02-23T01:00:00.000Z' }, 'its manifest states the time of another backup'],
  ])('%s', (_what, change, why) => {
    expect(whyOf(oneDay(decoded(manifestOf(day, change))))).toBe(why)
  })

  test('may be begun just before the day ends', () => {
    expect(only(oneDay(decoded(manifestOf(day, { timestamp: '2026-02-24T23:59:59.999Z' })))).state).toBe('complete')
  })
})

describe('an orphan', () => {
  test('is an object without a manifest', () => {
    expect(only(holdings({ [dataKey(day)]: 12 }, {}))).toEqual({
      state: 'orphan',
      tier: 'daily',
      period: day,
      key: dataKey(day),
      sizeBytes: 12,
      lastModified: modifiedAt,
      sealing: 'age',
    })
  })
})

describe('the catalog', () => {
  test('counts nothing that is not a backup', () => {
    const held = holdings(
      {
        'photos/a.jpg': 1,
        'backups/daily/notes.txt': 1,
        'backups/acks/2026-02-24.json': 1,
        'backups/canary/abc': 1,
        'backups/drills/2026-03-02T03-00-12Z-drill.json': 1,
      },
      { 'backups/manifests/2026-02-30-manifest.json': decoded(manifestOf(day)) },
    )
    expect(catalogOf(layout, held, [])).toEqual([])
  })

  test('of an empty store is empty', () => {
    expect(catalogOf(layout, holdings({}, {}), [])).toEqual([])
  })

  test('is newest first, in whatever order things were found', () => {
    const periods = ['2026-02-22', '2026-02', '2026-02-24', '2025-12', '2026-02-23', '2026-01']
    const inOrder = ['2026-02-24', '2026-02-23', '2026-02-22', '2026-02', '2026-01', '2025-12']
    expect(catalogOfGood(...periods).map(({ period }) => period)).toEqual(inOrder)
    expect(catalogOfGood(...periods.toReversed()).map(({ period }) => period)).toEqual(inOrder)
  })

  test('of one day, puts what counts before what does not', () => {
    const second = dataKey(day, { revision: 2 })
    const plain = dataKey(day, { sealing: 'none' })
    const held = oneDay(decoded(manifestOf(day, { s3Key: second })), {
      [plain]: 1,
      [dataKey(day)]: 1000,
      [second]: 1000,
    })
    expect(catalogOf(layout, held, []).map(({ state }) => state)).toEqual(['complete', 'orphan', 'orphan'])
  })

  test('leaves what it is given as it was', () => {
    const held = holdings({ [dataKey(day)]: 1000 }, { [manifestKey(day)]: decoded(manifestOf(day)) })
    const before = structuredClone({ objects: held.objects, manifests: held.manifests })
    catalogOf(layout, held, [])
    expect(held).toEqual(before)
  })
})

test('an archive whose manifest cannot be read is no orphan: the manifest may speak for it', () => {
  const unreadable = decodeManifest('{"formatVersion": 9}')
  const catalog = catalogOf(layout, oneDay(unreadable), [])
  expect(catalog.map(({ state }) => state)).toEqual(['damaged'])
})
