import { execaSync } from 'execa'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseEnvFile } from '../../src/config/env-file.ts'
import { parsePostgresUrl } from '../../src/config/postgres-url.ts'
import { canonicalText, type Json } from '../../src/domain/canonical.ts'
import { makeKey, parseKey, type KeyParts } from '../../src/domain/key.ts'
import { parseTableName, quoteTableName } from '../../src/domain/table-name.ts'
import { redact, Secret } from '../../src/secret.ts'

const layout = { prefix: 'backups/', name: 'app_db' }
const date = fc
  .date({ min: new Date('1990-01-01'), max: new Date('2999-12-31'), noInvalidDate: true })
  .map((instant) => instant.toISOString())
const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,63}$/)
const sealing = fc.constantFrom('age', 'none', 'aes-256-gcm' as const)
const parts: fc.Arbitrary<KeyParts> = fc.oneof(
  fc.record({
    kind: fc.constant('data' as const),
    tier: fc.constant('daily' as const),
    period: date.map((text) => text.slice(0, 10)),
    name: label,
    revision: fc.integer({ min: 1, max: 99_999 }),
    sealing,
  }),
  fc.record({
    kind: fc.constant('data' as const),
    tier: fc.constant('monthly' as const),
    period: date.map((text) => text.slice(0, 7)),
    name: label,
    revision: fc.constant(1),
    sealing,
  }),
  fc.record({
    kind: fc.constant('manifest' as const),
    tier: fc.constant('daily' as const),
    period: date.map((text) => text.slice(0, 10)),
  }),
  fc.record({ kind: fc.constant('drill' as const), startedAt: date.map((text) => new Date(`${text.slice(0, 19)}Z`)) }),
)

describe('keys', () => {
  test('come back as they were made', () => {
    fc.assert(
      fc.property(parts, (made) => {
        expect(parseKey(layout, makeKey(layout, made))).toEqual(made)
      }),
      { numRuns: 2000 },
    )
  })
  test('that are taken would be written the same; all else is foreign', () => {
    const nearly = fc.tuple(parts, fc.nat(200), fc.string({ maxLength: 2 })).map(([made, at, text]) => {
      const key: string = makeKey(layout, made)
      return key.slice(0, at) + text + key.slice(at + 1)
    })
    fc.assert(
      fc.property(fc.oneof(fc.string(), nearly), (key) => {
        const parsed = parseKey(layout, key)
        if (parsed !== undefined) expect(makeKey(layout, parsed)).toBe(key)
      }),
      { numRuns: 3000 },
    )
  })
})

test('names of tables come back from their quotes', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !text.includes('\0'))
  fc.assert(
    fc.property(name, name, (schema, table) => {
      expect(parseTableName(quoteTableName({ schema, table }))).toEqual({ schema, table })
    }),
    { numRuns: 1000 },
  )
})

test('a password comes back from a URL, percent-encoded or raw', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[\0\s]/u.test(text)),
      (password) => {
        const encoded = parsePostgresUrl(`postgres://u:${encodeURIComponent(password)}@h/d`)
        expect(typeof encoded === 'string' ? encoded : encoded.password?.reveal()).toBe(password)
        if (/%[0-9a-fA-F]{2}/.test(password)) return
        const raw = parsePostgresUrl(`postgres://u:${password}@h:5432/d`)
        expect(typeof raw === 'string' ? raw : raw.password?.reveal()).toBe(password)
      },
    ),
    { numRuns: 1000 },
  )
})

test('a value written in double quotes comes back from an env file', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), (value) => {
      const written = `A="${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"\nB=1\n`
      expect(parseEnvFile(written)).toEqual({
        values: new Map([
          ['A', value],
          ['B', '1'],
        ]),
        faultyLines: [],
      })
    }),
    { numRuns: 1000 },
  )
})

test('a secret is never left in a text', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 3, maxLength: 10 }), fc.string(), fc.string(), (secret, before, after) => {
      fc.pre(!'***'.includes(secret) && !secret.includes('*'))
      expect(redact(before + secret + after, [new Secret(secret)])).not.toContain(secret)
    }),
    { numRuns: 1000 },
  )
})

test('the canonical text is what jq prints', () => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom('\u007f', '\u0000', '\u001f', '"', '\\', '/', '\u2028', '<', '😀', 'ọ̀'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
    ),
    maxLength: 10,
  })
  const json = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false),
      fc.integer({ min: -(2 ** 50), max: 2 ** 50 }).map((number) => number + 0),
      text,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.stringMatching(/^[a-zA-Z0-9]{1,6}$/), tie('value'), { maxKeys: 4 }),
    ),
  })).value
  const documents = fc.sample(json, { numRuns: 500, seed: 20_261_124 })
  const { stdout } = execaSync('jq', ['-cS', '.'], { input: documents.map((one) => JSON.stringify(one)).join('\n') })
  expect(documents.map(canonicalText)).toEqual(stdout.split('\n'))
})

test('what jq prints in a way of its own is not signed', () => {
  for (const number of [1.5, 2 ** 53, NaN, Infinity, -0]) expect(() => canonicalText({ number })).toThrow(RangeError)
})
