import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseEnvFile } from '../../src/config/env-file.ts'
import { parsePostgresUrl } from '../../src/config/postgres-url.ts'
import { DumpScanner } from '../../src/pipeline/dump-scanner.ts'
import { restricted } from '../../src/pipeline/restrict.ts'
import { collected, streamOf } from '../support/builders.ts'

const word = fc.stringMatching(/^[A-Za-z0-9]{1,12}$/)
/** Pieces of a dump: the ones that are taken out, and the ones that stay though they look alike. */
const gone = word.chain((token) => fc.constantFrom(`\\restrict ${token}\n`, `\\unrestrict ${token}\n`, '\\restrict\n'))
const bracket = fc.constantFrom('BEGIN;', 'COMMIT;')
const stays = fc.oneof(
  word.map((token) => `SELECT '\n\\restrict ${token}\nBEGIN;\n';`),
  word.map(
    (token) => `COPY public.${token.toLowerCase().replace(/^\d/, 'x')} (a) FROM stdin;\nBEGIN;\n\\\\restrict x\n\\.\n`,
  ),
  word.map((token) => `DO $${token.replace(/^\d/, 'x')}$\n\\unrestrict x\nCOMMIT;\n$${token.replace(/^\d/, 'x')}$;`),
  word.map((token) => `-- \\restrict ${token}\n`),
  fc.constantFrom('\n', '\n\n', ' ', '\\! id\n', '\\connect x\n', '\\restrictx\n', 'BEGIN ;', 'BEGIN WORK;'),
)
const piece = fc.oneof(
  gone.map((text) => ({ text, is: 'gone' as const })),
  bracket.map((text) => ({ text, is: 'bracket' as const })),
  stays.map((text) => ({ text, is: 'stays' as const })),
)
const cutAt = (text: string, cuts: readonly number[]): string[] => {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].toSorted((a, b) => a - b)
  return [...places, text.length].map((place, index) => text.slice(index === 0 ? 0 : places[index - 1], place))
}

test('psql is given the dump without its own \\restrict lines and, in one transaction, without BEGIN and COMMIT', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.boolean(),
      async (pieces, cuts, oneTransaction) => {
        const dump = pieces.map(({ text }) => text).join('')
        const given = String(await collected(restricted(streamOf(...cutAt(dump, cuts)), { oneTransaction })))
        const expected = pieces.filter(({ is }) => is === 'stays' || (is === 'bracket' && !oneTransaction))
        expect(given.slice(given.indexOf('\n') + 1)).toBe(expected.map(({ text }) => text).join(''))
      },
    ),
    { numRuns: 500 },
  )
})

test('all bytes of a dump pass the scanner exactly once, in order', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 8 }), (pieces, cuts) => {
      const dump = pieces.map(({ text }) => text).join('')
      const passed: Buffer[] = []
      const scanner = new DumpScanner({
        text: (_kind, bytes) => passed.push(bytes),
        copyBegins: (_table, bytes) => passed.push(bytes),
        copyRows: (bytes) => passed.push(bytes),
        copyEnds: (bytes) => passed.push(bytes),
      })
      for (const chunk of cutAt(dump, cuts)) scanner.push(Buffer.from(chunk))
      scanner.end()
      expect(Buffer.concat(passed).toString()).toBe(dump)
    }),
    { numRuns: 1000 },
  )
})

test('an env file of anything is read to its end, and nothing is thrown', () => {
  const anything = fc
    .array(fc.constantFrom('A', 'b', '=', '"', "'", '\\', '#', ';', '\n', '\r', ' ', '\t', '$', 'é'), { maxLength: 60 })
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(anything, (text) => {
      const { values, faultyLines } = parseEnvFile(text)
      for (const name of values.keys()) expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/)
      for (const line of faultyLines) expect(line).toBeLessThanOrEqual(text.split('\n').length)
      // What stands behind it, on a line of its own, holds: whatever came before has ended, or is an open quote or a joined line.
      if (!/["'\\]/.test(text)) expect(parseEnvFile(`${text}\nZ=last\n`).values.get('Z')).toBe('last')
    }),
    { numRuns: 2000 },
  )
})

test('a URL of anything gives a target or a sentence that does not repeat it, and nothing is thrown', () => {
  const parts = fc.constantFrom(
    'postgres://',
    'u',
    ':',
    '@',
    '/',
    '?',
    '#',
    '%',
    '%41',
    '%zz',
    '[',
    ']',
    '&',
    '=',
    'sslmode',
    'host',
    '\0',
    ' ',
    '1',
  )
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 15 }), fc.nat(15), (before, where) => {
      const secret = 'S3CR3T'
      const text = ['postgres://u:', ...before.slice(0, where), secret, ...before.slice(where), '@h/d'].join('')
      const told = parsePostgresUrl(text)
      if (typeof told === 'string') expect(told).not.toContain(secret)
      else expect(told.user).toBe('u')
    }),
    { numRuns: 3000 },
  )
})
