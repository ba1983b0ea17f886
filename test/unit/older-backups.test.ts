import { createDecipheriv, createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { directoryStore } from '../../src/adapters/directory-store.ts'
import { catalogOf } from '../../src/domain/catalog.ts'
import { asObjectKey } from '../../src/domain/key.ts'
import { decodeManifest, type OlderManifest } from '../../src/domain/manifest.ts'
import { dataKey, layout, listed, manifestKey, newKeyPair } from '../support/builders.ts'
import {
  holdingsOf,
  intoFolder,
  liveCounts,
  olderDaily,
  olderDailyBrokenOff,
  olderDailyCutShort,
  olderDailyOfNothing,
  olderHistory,
  olderPairOfOneDate,
  promotedByOlder,
  putAll,
  withoutManifest,
  type OlderBackupFiles,
  type OlderFile,
} from '../support/older-backups.ts'
import { newFolder } from '../support/tool.ts'

const date = '2026-02-01'
const encryption = '0123456789abcdef'.repeat(4)
const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')
/** Like a dump in that gzip makes it smaller and cannot make it tiny. */
const rows = Array.from({ length: 100 }, (_, row) => `${String(row)}\tBísí\t${sha256(String(row))}\n`)
const sql = Buffer.from(`COPY public.users (id, name, secret) FROM stdin;\n${rows.join('')}\\.\n`)
const plain = olderDaily({ date, sql, encryption: undefined })
const encrypted = olderDaily({ date, sql, encryption })

const manifestIn = ([, { bytes }]: OlderBackupFiles): OlderManifest => {
  const decoded = decodeManifest(bytes.toString('utf8'))
  if (decoded.kind !== 'older') throw new Error(`the manifest is ${decoded.kind}`)
  return decoded.manifest
}

/** By the description alone, and with node's own crypto: iv and tag are in the manifest, and there is no AAD. */
const gzipIn = (files: OlderBackupFiles, hexKey = encryption): Buffer => {
  const [{ bytes }] = files
  const how = manifestIn(files).encryption
  if (how == null) return bytes
  const decipher = createDecipheriv(how.algorithm, Buffer.from(hexKey, 'hex'), Buffer.from(how.ivHex, 'hex'))
  decipher.setAuthTag(Buffer.from(how.authTagHex, 'hex'))
  return Buffer.concat([decipher.update(bytes), decipher.final()])
}

const statesOf = (files: readonly OlderFile[]) =>
  catalogOf(layout, holdingsOf(files), []).map(({ state, key }) => [state, key])

describe.each<readonly [string, OlderBackupFiles, string]>([
  ['plain', plain, 'backups/daily/2026-02-01-app_db.sql.gz'],
  ['encrypted', encrypted, 'backups/daily/2026-02-01-app_db.sql.gz.enc'],
])('an older daily, %s', (_, files, name) => {
  const [archive, manifest] = files

  test('lies under the keys of that time', () => {
    expect(files.map(({ key }) => key)).toEqual([name, 'backups/manifests/2026-02-01-manifest.json'])
    expect(files.map(({ key }) => asObjectKey(layout, key))).toEqual(files.map(({ key }) => key))
  })

  test('gives the SQL back', () => {
    expect(gunzipSync(gzipIn(files))).toEqual(sql)
  })

  test('has a manifest of the first block of fields alone, with the host alone', () => {
    expect(Object.keys(JSON.parse(manifest.bytes.toString('utf8')) as object)).toEqual([
      'filename',
      's3Key',
      'sizeBytes',
      'checksumSha256',
      'durationMs',
      'timestamp',
      'databaseUrl',
      'tableCounts',
      'retentionTier',
      ...(archive.key.endsWith('.enc') ? ['encryption'] : []),
    ])
    expect(manifestIn(files)).toMatchObject({
      filename: name.slice('backups/daily/'.length),
      s3Key: name,
      databaseUrl: 'localhost',
      retentionTier: 'daily',
    })
  })

  test('is an unverified one to the catalog, also where signatures are asked for', () => {
    const backup = { state: 'unverified-older', tier: 'daily', period: date, key: name, manifest: manifestIn(files) }
    for (const trusted of [[], [newKeyPair().publicKey]])
      expect(catalogOf(layout, holdingsOf(files), trusted)).toMatchObject([backup])
  })
})

describe('encryption', () => {
  test('leaves the length as it is, and nothing of the gzip', () => {
    expect(encrypted[0].bytes.byteLength).toBe(plain[0].bytes.byteLength)
    expect(encrypted[0].bytes.subarray(0, 2)).not.toEqual(Buffer.from([0x1f, 0x8b]))
    expect(gzipIn(encrypted)).toEqual(plain[0].bytes)
  })

  test('opens with no other key, and no key that is too short closes it', () => {
    expect(() => gzipIn(encrypted, 'f'.repeat(64))).toThrow('unable to authenticate')
    expect(() => olderDaily({ date, sql, encryption: 'f'.repeat(32) })).toThrow('Invalid key length')
  })

  test('uses one iv for one night and another for the next', () => {
    const ivOf = (night: string) => manifestIn(olderDaily({ date: night, sql, encryption })).encryption?.ivHex
    expect(ivOf(date)).toBe(ivOf(date))
    expect(ivOf('2026-02-02')).not.toBe(ivOf(date))
  })
})

describe('nights that went wrong', () => {
  const nothing = olderDailyOfNothing({ date, encryption })
  const brokenOff = olderDailyBrokenOff({ date, sql, encryption })
  const cutShort = olderDailyCutShort({ date, sql, encryption })
  const withoutTrailer = olderDailyCutShort({ date, sql, encryption }, 8)

  test.each([plain, encrypted, nothing, brokenOff, cutShort, withoutTrailer])(
    'and good ones have manifests that say what lies there (%#)',
    (...files) => {
      const [{ bytes, key }] = files
      expect(manifestIn(files)).toMatchObject({
        s3Key: key,
        sizeBytes: bytes.byteLength,
        checksumSha256: sha256(bytes),
        tableCounts: liveCounts,
      })
    },
  )

  test('left an empty gzip of 20 bytes, with good-looking counts', () => {
    expect(nothing[0].bytes.byteLength).toBe(20)
    expect(gunzipSync(gzipIn(nothing))).toEqual(Buffer.alloc(0))
  })

  test('left a whole gzip of half a dump', () => {
    expect(gunzipSync(gzipIn(brokenOff))).toEqual(sql.subarray(0, sql.byteLength >> 1))
  })

  test.each([
    ['half', cutShort],
    ['all but its trailer', withoutTrailer],
  ])('left %s of a gzip, which is decrypted well and does not end', (_, files) => {
    const gzip = gzipIn(files)
    expect(gzip).toEqual(plain[0].bytes.subarray(0, gzip.byteLength))
    expect(() => gunzipSync(gzip)).toThrow('unexpected end of file')
  })

  test.each([brokenOff, cutShort, withoutTrailer])('do not show from outside (%#)', (...files) => {
    expect(statesOf(files)).toEqual([['unverified-older', files[0].key]])
  })
})

test('counts are the live database’s, whatever the archive holds', () => {
  const tableCounts = { users: 0, respondents: 700_000, auditLogs: null, submissions: 1 }
  const files = olderDaily({ date, sql, encryption, tableCounts })
  expect(manifestIn(files).tableCounts).toEqual(tableCounts)
  expect(files[0].bytes).toEqual(encrypted[0].bytes)
})

describe('an older monthly', () => {
  test.each([plain, encrypted])('is a byte copy, and still says that it is the daily (%#)', (...daily) => {
    const monthly = promotedByOlder(daily)
    const sealing = daily[0].key.endsWith('.enc') ? 'aes-256-gcm' : 'none'
    expect(monthly.map(({ key }) => key)).toEqual([dataKey('2026-02', { sealing }), manifestKey('2026-02')])
    expect(monthly.map(({ bytes }) => bytes)).toEqual(daily.map(({ bytes }) => bytes))
    expect(manifestIn(monthly)).toMatchObject({ s3Key: daily[0].key, retentionTier: 'daily' })
    expect(gunzipSync(gzipIn(monthly))).toEqual(sql)
    expect(statesOf(monthly)).toEqual([['unverified-older', monthly[0].key]])
  })

  test('may be asked for under another month; a monthly is not promoted again', () => {
    const monthly = promotedByOlder(encrypted, '2026-03')
    expect(monthly[0].key).toBe('backups/monthly/2026-03-app_db.sql.gz.enc')
    expect(() => promotedByOlder(monthly)).toThrow('is not a daily')
  })

  test('may have no manifest', () => {
    const monthly = promotedByOlder(encrypted)
    expect(withoutManifest(monthly)).toEqual([monthly[0]])
  })
})

test.each(['plain', 'encrypted'] as const)(
  'of two archives of one date the manifest speaks for the %s one',
  (which) => {
    const files = olderPairOfOneDate({ date, sql, encryption }, which, Buffer.from('--\n'))
    const [one, other] = which === 'plain' ? [plain, encrypted] : [encrypted, plain]
    expect(files.map(({ key }) => key)).toEqual([other[0].key, one[0].key, manifestKey(date)])
    expect(files.slice(1)).toEqual(one)
    expect(files[0]?.bytes).not.toEqual(other[0].bytes)
    expect(statesOf(files)).toContainEqual(['unverified-older', one[0].key])
  },
)

describe('a history', () => {
  const files = olderHistory(['2026-01-31', date, '2026-02-02'], { sql, encryption })

  test('has a monthly only for a night on the 1st', () => {
    const key = (period: string) => dataKey(period, { sealing: 'aes-256-gcm' })
    expect(statesOf(files)).toEqual(
      ['2026-02-02', date, '2026-02', '2026-01-31'].map((period) => ['unverified-older', key(period)]),
    )
  })

  test('goes into a folder store', async () => {
    const folder = await newFolder()
    await putAll(files, intoFolder(folder))
    const found = await listed(directoryStore(folder, layout.prefix).list(layout.prefix))
    const sizesOf = (objects: readonly { readonly key: string; readonly sizeBytes: number }[]) =>
      new Map(objects.map(({ key, sizeBytes }) => [key, sizeBytes]))
    expect(sizesOf(found)).toEqual(sizesOf(holdingsOf(files).objects))
  })
})
