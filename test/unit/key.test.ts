import { describe, expect, test } from 'vitest'
import { asObjectKey, fileNameOf, makeKey, parseKey, type KeyParts } from '../../src/domain/key.ts'
import { keyOf, layout } from '../support/builders.ts'

const daily = {
  kind: 'data',
  tier: 'daily',
  period: '2026-02-24',
  name: 'app_db',
  revision: 1,
  sealing: 'age',
} as const

const pairs: readonly (readonly [string, KeyParts])[] = [
  ['backups/daily/2026-02-24-app_db.sql.gz.age', daily],
  ['backups/daily/2026-02-24-app_db.sql.gz', { ...daily, sealing: 'none' }],
  ['backups/daily/2026-02-24-app_db.sql.gz.enc', { ...daily, sealing: 'aes-256-gcm' }],
  ['backups/daily/2026-02-24-app_db.r2.sql.gz.age', { ...daily, revision: 2 }],
  ['backups/daily/2026-02-24-app_db.r17.sql.gz', { ...daily, revision: 17, sealing: 'none' }],
  ['backups/daily/2024-02-29-app_db.sql.gz.age', { ...daily, period: '2024-02-29' }],
  ['backups/daily/2026-02-24-My-label_2.sql.gz.age', { ...daily, name: 'My-label_2' }],
  ['backups/daily/2026-02-24-01-app.sql.gz.age', { ...daily, name: '01-app' }],
  ['backups/monthly/2026-02-app_db.sql.gz.age', { ...daily, tier: 'monthly', period: '2026-02' }],
  [
    'backups/monthly/2026-02-app_db.sql.gz.enc',
    { ...daily, tier: 'monthly', period: '2026-02', sealing: 'aes-256-gcm' },
  ],
  // A label may begin like the day of a date.
  ['backups/monthly/2026-02-24-app.sql.gz.age', { ...daily, tier: 'monthly', period: '2026-02', name: '24-app' }],
  ['backups/monthly/2026-02-24.sql.gz.age', { ...daily, tier: 'monthly', period: '2026-02', name: '24' }],
  ['backups/manifests/2026-02-24-manifest.json', { kind: 'manifest', tier: 'daily', period: '2026-02-24' }],
  ['backups/manifests/monthly/2026-02-manifest.json', { kind: 'manifest', tier: 'monthly', period: '2026-02' }],
  ['backups/drills/2026-03-02T03-00-12Z-drill.json', { kind: 'drill', startedAt: new Date('2026-03-02T03:00:12Z') }],
  ['backups/acks/2026-02-24.json', { kind: 'ack', date: '2026-02-24' }],
  ['backups/canary/0b9e6c1a-1', { kind: 'canary', id: '0b9e6c1a-1' }],
]

describe('keys', () => {
  test.each(pairs)('%s is made', (key, parts) => {
    expect(keyOf(parts)).toBe(key)
  })

  test.each(pairs)('%s is taken apart', (key, parts) => {
    expect(parseKey(layout, key)).toEqual(parts)
    expect(asObjectKey(layout, key)).toBe(key)
  })

  test('lie under the prefix, however deep that is', () => {
    const deep = { prefix: 'oyo/registry/backups/', name: 'app_db' }
    const key = makeKey(deep, daily)
    expect(key).toBe('oyo/registry/backups/daily/2026-02-24-app_db.sql.gz.age')
    expect(parseKey(deep, key)).toEqual(daily)
    expect(parseKey(layout, key)).toBeUndefined()
  })

  test('of another label under the same prefix are ours as well: the manifest says whose they are', () => {
    expect(parseKey(layout, 'backups/daily/2026-02-24-other.sql.gz.age')).toEqual({ ...daily, name: 'other' })
  })

  test('end with the name of the file', () => {
    expect(fileNameOf(keyOf(daily))).toBe('2026-02-24-app_db.sql.gz.age')
  })
})

describe('foreign keys are never ours', () => {
  test.each([
    // other things in the bucket
    'photos/2026-02-24-app_db.sql.gz.age',
    'backups',
    'backups/',
    'backups/daily/',
    'backups/readme.txt',
    'backups/daily/notes.txt',
    'other/backups/daily/2026-02-24-app_db.sql.gz.age',
    'backups2/daily/2026-02-24-app_db.sql.gz.age',
    // days and months that do not exist, or of the wrong tier
    'backups/daily/2026-02-29-app_db.sql.gz.age',
    'backups/daily/2026-02-app_db.sql.gz.age',
    'backups/monthly/2026-02-24-app_db.extra.sql.gz.age',
    'backups/monthly/2026-13-app_db.sql.gz.age',
    'backups/manifests/2026-02-manifest.json',
    'backups/manifests/monthly/2026-02-24-manifest.json',
    'backups/acks/2026-02-30.json',
    'backups/drills/2026-02-30T03-00-12Z-drill.json',
    'backups/drills/2026-02-28T24-00-00Z-drill.json',
    'backups/drills/2026-02-28T03-61-00Z-drill.json',
    // other endings
    'backups/daily/2026-02-24-app_db.sql',
    'backups/daily/2026-02-24-app_db.sql.gz.gpg',
    'backups/daily/2026-02-24-app_db.sql.gz.age.tmp',
    'backups/daily/.2026-02-24-app_db.sql.gz.age.0123456789ab.unfinished',
    // revisions that are never written
    'backups/daily/2026-02-24-app_db.r1.sql.gz.age',
    'backups/daily/2026-02-24-app_db.r0.sql.gz.age',
    'backups/daily/2026-02-24-app_db.r02.sql.gz.age',
    'backups/daily/2026-02-24-app_db.r9999999.sql.gz.age',
    'backups/monthly/2026-02-app_db.r2.sql.gz.age',
    // case
    'Backups/daily/2026-02-24-app_db.sql.gz.age',
    'backups/Daily/2026-02-24-app_db.sql.gz.age',
    'backups/daily/2026-02-24-app_db.SQL.GZ.AGE',
    'backups/manifests/2026-02-24-Manifest.json',
    'backups/drills/2026-03-02t03-00-12z-drill.json',
    // path tricks
    'backups/daily/../daily/2026-02-24-app_db.sql.gz.age',
    'backups/../backups/daily/2026-02-24-app_db.sql.gz.age',
    'backups//daily/2026-02-24-app_db.sql.gz.age',
    '/backups/daily/2026-02-24-app_db.sql.gz.age',
    'backups/daily/2026-02-24-../../etc/passwd.sql.gz.age',
    'backups/daily/2026-02-24-a/b.sql.gz.age',
    'backups/canary/../daily/2026-02-24-app_db.sql.gz.age',
    'backups/canary/',
    // what only looks alike
    'backups/daily/2026-02-24-app_db.sql.gz.age\n',
    'backups/daily/2026-02-24-app_db.sql.gz.age\0',
    'backups/daily/2026-02-24-app db.sql.gz.age',
    'backups/daily/2026-02-24-äpp.sql.gz.age',
    'backups/daily/２０２６-02-24-app_db.sql.gz.age',
    'backups/daily/2026-02-24-.sql.gz.age',
    `backups/daily/2026-02-24-${'a'.repeat(64)}.sql.gz.age`,
    `backups/canary/${'a'.repeat(81)}`,
    '',
  ])('%j', (key) => {
    expect(parseKey(layout, key)).toBeUndefined()
    expect(asObjectKey(layout, key)).toBeUndefined()
  })
})
