import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { acceptanceOf, decodeAck, type Ack } from '../../src/domain/ack.ts'
import type { Json } from '../../src/domain/canonical.ts'
import { signDocument } from '../../src/domain/signature.ts'
import { completeBackup, dataKey, digestOf, newKeyPair, type KeyPair } from '../support/builders.ts'

const day = '2026-02-24'
const pair = newKeyPair()
const trusted = [newKeyPair().publicKey, pair.publicKey]
const said = {
  neighbours: [completeBackup('2026-02-23')],
  anomalies: ['public.users has 10 rows; the backup of 2026-02-23 has 100 (90 % lost).'],
  reason: 'Ọ̀yọ́: test accounts removed, ticket 12',
  now: new Date('2026-02-24T09:30:00.000Z'),
}
const ack = (signer?: KeyPair): Ack => acceptanceOf(completeBackup(day), { ...said, key: signer?.privateKey })
/** As the command writes it. */
const stored = (document: object): string => `${JSON.stringify(document, undefined, 2)}\n`
const altered = (more: Readonly<Record<string, unknown>>, signer?: KeyPair): string =>
  stored({ ...ack(signer), ...more })

describe('an acceptance', () => {
  test('says which backups are accepted, what was missing, and why that is meant', () => {
    expect(ack()).toEqual({
      formatVersion: 1,
      date: day,
      backups: [
        { s3Key: dataKey(day), checksumSha256: digestOf('a') },
        { s3Key: dataKey('2026-02-23'), checksumSha256: digestOf('a') },
      ],
      anomalies: said.anomalies,
      reason: said.reason,
      acceptedAt: '2026-02-24T09:30:00.000Z',
    })
  })

  test('is read as it was written, unsigned and signed', () => {
    expect(decodeAck(stored(ack()), day, [])).toEqual(ack())
    expect(decodeAck(stored(ack(pair)), day, [])).toEqual(ack(pair))
    expect(decodeAck(stored(ack(pair)), day, trusted)).toEqual(ack(pair))
  })

  test('counts with fields of a later version, which its signature covers', () => {
    const later = { ...ack(), ticket: 12 }
    const signed = { ...later, signature: signDocument(later as unknown as Record<string, Json>, pair.privateKey) }
    expect(decodeAck(stored(signed), day, trusted)?.reason).toBe(said.reason)
    expect(decodeAck(stored({ ...signed, ticket: 13 }), day, trusted)).toBeUndefined()
  })
})

describe('for nothing counts', () => {
  test.each<readonly [string, string]>([
    ['an empty file', ''],
    ['garbage', '\u0000\u0001'],
    ['half of one', stored(ack()).slice(0, 200)],
    ['null', 'null'],
    ['a list', '[]'],
    ['a number', '7'],
    ['an empty object', '{}'],
    ['one of another format', altered({ formatVersion: 2 })],
    ['one without a format', altered({ formatVersion: undefined })],
    ['one of another day', altered({ date: '2026-02-23' })],
    ['one of no day', altered({ date: '2026-02-30' })],
    ['one of no backup', altered({ backups: [] })],
    ['one of a backup without a key', altered({ backups: [{ checksumSha256: digestOf('a') }] })],
    ['one without a reason', altered({ reason: '' })],
    ['one with a reason that is no text', altered({ reason: 7 })],
    ['one with a reason without end', altered({ reason: 'x'.repeat(1001) })],
    ['one without a digest', altered({ backups: [{ s3Key: dataKey(day), checksumSha256: 'abc' }] })],
    ['one with a signature that is none', altered({ signature: 'signed' })],
  ])('%s', (_what, text) => {
    expect(decodeAck(text, day, [])).toBeUndefined()
  })

  test('one that lies at the place of another day', () => {
    expect(decodeAck(stored(ack(pair)), '2026-02-25', [])).toBeUndefined()
    expect(decodeAck(stored(ack(pair)), '2026-02-25', trusted)).toBeUndefined()
  })
})

describe('where keys are trusted, for nothing counts', () => {
  test.each<readonly [string, string]>([
    ['an unsigned one', stored(ack())],
    ['one signed with another key', stored(ack(newKeyPair()))],
    ['one with another reason than was signed', altered({ reason: 'none' }, pair)],
    [
      'one of another backup of the day than was signed',
      altered({ backups: [{ s3Key: dataKey(day, { revision: 2 }), checksumSha256: digestOf('a') }] }, pair),
    ],
    [
      'one with another digest than was signed',
      altered({ backups: [{ s3Key: dataKey(day), checksumSha256: digestOf('e') }] }, pair),
    ],
    ['one with a field more than was signed', altered({ more: true }, pair)],
    ['one whose signature is of nothing', altered({ signature: { keyId: '0'.repeat(16), ed25519: '' } })],
  ])('%s', (_what, text) => {
    expect(decodeAck(text, day, trusted)).toBeUndefined()
  })

  test('one with the signature of another day', () => {
    const other = acceptanceOf(completeBackup('2026-02-23'), { ...said, key: pair.privateKey })
    expect(decodeAck(altered({ signature: other.signature }), day, trusted)).toBeUndefined()
  })
})

test('where none are, a signature is not asked for, nor a wrong one minded', () => {
  expect(decodeAck(altered({ reason: 'another' }, pair), day, [])?.reason).toBe('another')
})

describe('whatever lies there', () => {
  const instant = fc.oneof(
    fc.constantFrom(
      '0000-01-01T00:00:00Z',
      '9999-12-31T23:59:59.999Z',
      '2026-02-24T24:00:00Z',
      '2026-02-24T01:00:00.123456789012345678901234567890Z',
      '2026-02-24T23:59:60Z',
      '-271821-04-20T00:00:00Z',
      '+275760-09-13T00:00:00.001Z',
    ),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.string(),
  )
  const field = fc.constantFrom(...Object.keys(ack(pair)), '__proto__', 'constructor', 'more')
  const nearly = fc
    .tuple(fc.dictionary(field, fc.oneof(instant, fc.jsonValue())), fc.boolean())
    .map(([more, isSigned]) => altered(more, isSigned ? pair : undefined))
  const cut = fc.tuple(fc.nat(), fc.string({ maxLength: 3 })).map(([where, by]) => {
    const text = stored(ack(pair))
    const at = where % text.length
    return text.slice(0, at) + by + text.slice(at + 1)
  })

  test('reading it never throws, and what counts is of that day', () => {
    let read = 0
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), nearly, cut), fc.boolean(), (text, isTrusted) => {
        const found = decodeAck(text, day, isTrusted ? trusted : [])
        if (found === undefined) return
        read += 1
        expect(found.date).toBe(day)
        // What is trusted is exactly what was signed. Base64 has several spellings for the same signature.
        const { signature: _, ...signed } = JSON.parse(text) as Record<string, unknown>
        if (isTrusted) expect(signed).toEqual(ack())
      }),
      { numRuns: 5000 },
    )
    expect(read).toBeGreaterThan(0)
  })
})
