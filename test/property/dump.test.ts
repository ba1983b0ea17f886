import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CopyMeter } from '../../src/pipeline/copy-meter.ts'

const runs = { numRuns: 300 }

const sneaky = fc.constantFrom(
  'COPY public.users (id) FROM stdin;\n',
  '\\.\n',
  '-- PostgreSQL database dump complete\n',
  ';',
  "''",
  '""',
  '$$',
  '\\',
  '\n',
  '/*',
  '*/',
  '--',
)
const anyText = fc
  .array(fc.oneof(sneaky, fc.string({ unit: 'grapheme', maxLength: 8 })), { maxLength: 6 })
  .map((parts) => parts.join('').replaceAll('\0', ''))

const quotedName = anyText.filter((text) => text !== '').map((text) => `"${text.replaceAll('"', '""')}"`)
const statement = fc.oneof(
  anyText.map((text) => `SELECT '${text.replaceAll("'", "''")}';\n`),
  anyText.map((text) => `CREATE FUNCTION f() AS $t1$${text.replaceAll('$t1$', '')}$t1$;\n`),
  anyText.map((text) => `SELECT E'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}';\n`),
  anyText.map((text) => `/* ${text.replaceAll(/\/\*|\*\/|[*/]/g, '')} */\n`),
  anyText.map((text) => `-- ${text.replaceAll('\n', ' ')}\n`),
  quotedName.map((name) => `CREATE TABLE ${name} (a int);\n`),
)
/** A field as COPY writes it: backslash, tab and line ends escaped. */
const field = anyText.map((text) =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r'),
)
const block = fc.record({
  name: fc.oneof(
    fc.constantFrom('public.users', 'a.b'),
    quotedName.map((name) => `public.${name}`),
  ),
  rows: fc.array(
    fc.array(field, { minLength: 1, maxLength: 3 }).map((fields) => `${fields.join('\t')}\n`),
    { maxLength: 5 },
  ),
})
const piece = fc.oneof(
  statement.map((text) => ({ text, block: undefined })),
  block.map((made) => ({ text: `COPY ${made.name} (x) FROM stdin;\n${made.rows.join('')}\\.\n\n`, block: made })),
)
const dump = fc.array(piece, { maxLength: 8 })

const metered = (text: string, cuts: readonly number[]) => {
  const bytes = Buffer.from(text)
  const meter = new CopyMeter()
  let from = 0
  for (const cut of [...cuts.map((share) => Math.floor(share * bytes.length)), bytes.length].toSorted(
    (a, b) => a - b,
  )) {
    if (cut > from) {
      // Written over afterwards, as a buffer that is read into again and again is.
      const chunk = Buffer.from(bytes.subarray(from, cut))
      meter.update(chunk)
      chunk.fill('$')
    }
    from = cut
  }
  return meter.end()
}

describe('any dump', () => {
  test('is counted as it was made, however it is cut', () => {
    fc.assert(
      fc.property(dump, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }), (pieces, cuts) => {
        const text = pieces.map((one) => one.text).join('')
        const expected = new Map<string, string>()
        for (const { block: made } of pieces)
          if (made !== undefined) expected.set(made.name, (expected.get(made.name) ?? '') + made.rows.join(''))
        const found = metered(text, cuts)
        expect(found.sha256).toBe(createHash('sha256').update(text).digest('hex'))
        expect(found.tables).toEqual(
          [...expected].map(([name, data]) => ({
            name,
            rows: data.split('\n').length - 1,
            bytes: Buffer.byteLength(data),
            sha256: createHash('sha256').update(data).digest('hex'),
          })),
        )
      }),
      runs,
    )
  })

  test('is counted the same when cut at every single byte', () => {
    fc.assert(
      fc.property(dump, (pieces) => {
        const text = pieces.map((one) => one.text).join('')
        const every = Array.from({ length: Buffer.byteLength(text) }, (_, at) => at / Buffer.byteLength(text))
        expect(metered(text, every)).toEqual(metered(text, []))
      }),
      { numRuns: 100 },
    )
  })

  test('of arbitrary bytes ends in figures or in a Fault, never in anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), anyText, (bytes, text) => {
        const meter = new CopyMeter()
        try {
          meter.update(Buffer.concat([Buffer.from(text), bytes]))
          meter.end()
        } catch (thrown) {
          expect(thrown).toMatchObject({ name: 'Fault' })
        }
      }),
      { numRuns: 1000 },
    )
  })
})
