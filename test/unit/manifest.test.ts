import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/canonical.ts'
import { asDocument, decodeManifest, encodeManifest } from '../../src/domain/manifest.ts'
import { signatureState } from '../../src/domain/signature.ts'
import { digestOf, manifestOf, newKeyPair, olderManifestOf, signedBy } from '../support/builders.ts'

const good = manifestOf('2026-02-24')
const whyOf = (text: string): string => {
  const decoded = decodeManifest(text)
  if (decoded.kind !== 'unreadable') throw new Error(`was read as ${decoded.kind}`)
  return decoded.why
}
/** The good manifest with one field set, by its path, to another value (undefined: removed). */
const altered = (base: unknown, path: string, value: Json | undefined): string => {
  const document = JSON.parse(JSON.stringify(base)) as Record<string, unknown>
  const names = path.split('.')
  let at = document
  for (const name of names.slice(0, -1)) at = at[name] as Record<string, unknown>
  at[names.at(-1) ?? ''] = value
  return JSON.stringify(document)
}

describe('a manifest', () => {
  test('is read as it was written', () => {
    expect(decodeManifest(encodeManifest(good))).toEqual({
      kind: 'current',
      manifest: good,
      document: asDocument(good),
    })
  })

  test('is stored pretty, with a line end', () => {
    const text = encodeManifest(good)
    expect(text.endsWith('\n}\n')).toBe(true)
    expect(text.split('\n')[1]).toBe('  "filename": "2026-02-24-app_db.sql.gz.age",')
  })

  test('keeps its signature through text', () => {
    const pair = newKeyPair()
    const decoded = decodeManifest(encodeManifest(signedBy(pair, good)))
    expect(decoded.kind === 'current' && signatureState(decoded.document, [pair.publicKey])).toBe('valid')
  })

  test('may hold fields of later versions, which its signature covers', () => {
    const decoded = decodeManifest(altered(good, 'later', { much: 'later' }))
    expect(decoded).toMatchObject({ kind: 'current', document: { later: { much: 'later' } } })
    expect(decoded).not.toHaveProperty('manifest.later')
  })

  test.each<readonly [string, Json]>([
    ['tableCounts.auditLogs', null],
    ['source.systemIdentifier', null],
    ['storage.region', 'fra1'],
    ['auditChain', { rows: 12, tailHash: null }],
    ['tables', []],
    ['promotedFrom', 'backups/daily/2026-02-24-app_db.sql.gz.age'],
    ['encryption', { algorithm: 'none', recipients: [] }],
    ['tables', [{ name: '"Odd Schema"."ta.ble\n"', rows: 1, bytes: 1, sha256: digestOf('0') }]],
    ['sizeBytes', Number.MAX_SAFE_INTEGER],
  ])('may have %s %j', (path, value) => {
    expect(decodeManifest(altered(good, path, value)).kind).toBe('current')
  })

  test.each<readonly [string, Json | undefined]>([
    ['filename', undefined],
    ['s3Key', 7],
    ['s3Key', 'x'.repeat(4097)],
    ['sizeBytes', -1],
    ['sizeBytes', 1.5],
    ['sizeBytes', '1000'],
    ['sizeBytes', 2 ** 53],
    ['checksumSha256', digestOf('A')],
    ['checksumSha256', 'abc'],
    ['checksumSha256', `${digestOf('a')}\n`],
    ['timestamp', '24.02.2026'],
    ['timestamp', '2026-02-30T01:00:00.000Z'],
    ['timestamp', '2026-02-24T01:00:00'],
    ['timestamp', 1_771_894_800],
    ['retentionTier', 'weekly'],
    ['tableCounts', null],
    ['tableCounts.users', undefined],
    ['tableCounts.users', -1],
    ['environment', null],
    ['source.systemIdentifier', 7_300_000_000_000_000],
    ['plain.sha256', undefined],
    ['tables', {}],
    ['tables', [{ name: 'public.users', rows: -1, bytes: 0, sha256: digestOf('0') }]],
    ['tables', [{ name: 'public.users; DROP TABLE users', rows: 0, bytes: 0, sha256: digestOf('0') }]],
    ['tables', [null]],
    ['encryption.algorithm', 'rot13'],
    ['encryption.algorithm', 'aes-256-gcm'],
    ['encryption.recipients', 'age1'],
    ['attempt', 0],
    ['signature', 'x'],
    ['signature', { keyId: 'ABC', ed25519: 'x' }],
    ['warnings', 'none'],
  ])('is unreadable with %s %j', (path, value) => {
    expect(whyOf(altered(good, path, value))).toMatch(
      new RegExp(`^its manifest has a fault in the field "${path.split('.')[0] ?? ''}`),
    )
  })

  test('that is faulty is told by the field, never by what is in it', () => {
    expect(whyOf(altered(good, 'checksumSha256', 'Adebayo'))).toBe(
      'its manifest has a fault in the field "checksumSha256"',
    )
  })
})

describe('a manifest of the previous system', () => {
  const older = olderManifestOf('2025-11-03')

  test('is read', () => {
    expect(decodeManifest(JSON.stringify(older))).toEqual({ kind: 'older', manifest: older })
  })

  test.each<readonly [string, Json | undefined]>([
    ['encryption', undefined],
    ['encryption', null],
    ['tableCounts', {}],
    ['tableCounts', { users: null }],
  ])('is read with %s %j', (path, value) => {
    expect(decodeManifest(altered(older, path, value)).kind).toBe('older')
  })

  test.each<readonly [string, Json]>([
    ['encryption', { algorithm: 'aes-256-cbc', ivHex: '0'.repeat(24), authTagHex: '0'.repeat(32) }],
    ['encryption', { algorithm: 'aes-256-gcm', ivHex: '0'.repeat(32), authTagHex: '0'.repeat(32) }],
    ['encryption', { algorithm: 'aes-256-gcm', ivHex: '0'.repeat(24), authTagHex: '0'.repeat(8) }],
    ['checksumSha256', 'abc'],
  ])('is unreadable with %s %j', (path, value) => {
    expect(whyOf(altered(older, path, value))).toContain('fault in the field')
  })

  test('is not what a current one becomes when its version is taken out', () => {
    // Else whoever can write to the store could turn a signed manifest into one that needs no signature.
    expect(decodeManifest(altered(good, 'formatVersion', undefined)).kind).toBe('unreadable')
  })
})

describe('what is no manifest is unreadable, and nothing is thrown', () => {
  test.each([
    ['nothing', '', 'its manifest is not JSON'],
    ['half of one', encodeManifest(good).slice(0, 400), 'its manifest is not JSON'],
    ['zero bytes', '\0'.repeat(4096), 'its manifest is not JSON'],
    ['HTML', '<html><body>502</body></html>', 'its manifest is not JSON'],
    ['two documents', '{}{}', 'its manifest is not JSON'],
    ['a byte order mark', '\ufeff{}', 'its manifest is not JSON'],
    ['a list', '[]', 'its manifest is not a JSON object'],
    ['a text', '"manifest"', 'its manifest is not a JSON object'],
    ['a number', '1', 'its manifest is not a JSON object'],
    ['null', 'null', 'its manifest is not a JSON object'],
    ['a later version', '{"formatVersion":2}', 'its manifest has format version 2, which needs a newer oslrs-backup'],
    [
      'a version in words',
      '{"formatVersion":"1"}',
      'its manifest has format version ?, which needs a newer oslrs-backup',
    ],
    [
      'a version of null',
      '{"formatVersion":null}',
      'its manifest has format version ?, which needs a newer oslrs-backup',
    ],
    ['an empty object', '{}', 'its manifest has a fault in the field "filename"'],
    ['an empty current one', '{"formatVersion":1}', 'its manifest has a fault in the field "filename"'],
  ])('%s', (_what, text, why) => {
    expect(whyOf(text)).toBe(why)
  })

  test('a document that is nested very deep', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    expect(whyOf(deep)).toContain('manifest')
    expect(whyOf(`{"formatVersion":1,"filename":${deep}}`)).toContain('filename')
    expect(decodeManifest(altered(good, 'later', null).replace('"later":null', `"later":${deep}`)).kind).toBe('current')
  })

  test('a huge document', () => {
    const text = JSON.stringify({ ...good, tables: Array.from({ length: 100_001 }, () => good.tables[0]) })
    expect(whyOf(text)).toContain('"tables"')
    expect(whyOf('['.repeat(5_000_000))).toBe('its manifest is not JSON')
  })
})
