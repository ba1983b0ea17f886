import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/canonical.ts'
import { catalogOf } from '../../src/domain/catalog.ts'
import { asDocument, decodeManifest, encodeManifest, type Manifest } from '../../src/domain/manifest.ts'
import { signatureState } from '../../src/domain/signature.ts'
import { quoteTableName } from '../../src/domain/table-name.ts'
import { decoded, holdings, layout, manifestKey, manifestOf, newKeyPair, signedBy } from '../support/builders.ts'

const text = fc.string({ unit: 'grapheme', maxLength: 30 })
const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/)
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const nameText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((name) => !name.includes('\0'))
const table = fc.record({
  name: fc.record({ schema: nameText, table: nameText }).map(quoteTableName),
  rows: count,
  bytes: count,
  sha256,
})
const manifest: fc.Arbitrary<Manifest> = fc
  .record({
    sizeBytes: count,
    checksumSha256: sha256,
    durationMs: count,
    environment: text,
    plain: fc.record({ sizeBytes: count, sha256 }),
    tables: fc.array(table, { maxLength: 5 }),
    largeObjects: count,
    auditChain: fc.option(fc.record({ rows: count, tailHash: fc.option(text) })),
    notContained: fc.array(text, { maxLength: 3 }),
    warnings: fc.array(text, { maxLength: 3 }),
    attempt: fc.integer({ min: 1, max: 4 }),
  })
  .map((more) => manifestOf('2026-02-24', more))

const pair = newKeyPair()
/** Every place in a document, as a path. */
const placesOf = (value: Json, path: readonly string[] = []): (readonly string[])[] =>
  typeof value === 'object' && value !== null
    ? [
        ...(path.length === 0 ? [] : [path]),
        ...Object.entries(value).flatMap(([name, member]: [string, Json]) => placesOf(member, [...path, name])),
      ]
    : [path]
const replaced = (value: Json, [name, ...rest]: readonly string[], by: Json): Json => {
  if (name === undefined) return by
  const copy = structuredClone(value) as Record<string, Json>
  copy[name] = replaced(copy[name] ?? null, rest, by)
  return copy
}
const at = (value: Json, path: readonly string[]): Json =>
  path.reduce<Json>((inner, name) => (inner as Record<string, Json>)[name] ?? null, value)

describe('any manifest', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(manifest, (made) => {
        expect(decodeManifest(encodeManifest(made))).toEqual({
          kind: 'current',
          manifest: made,
          document: asDocument(made),
        })
      }),
      { numRuns: 500 },
    )
  })

  test('is still signed after it was read, and no longer when anything in it is altered', () => {
    fc.assert(
      fc.property(manifest, fc.nat(), fc.jsonValue(), (made, which, value) => {
        const read = decodeManifest(encodeManifest(signedBy(pair, made)))
        if (read.kind !== 'current') throw new Error(read.kind)
        expect(signatureState(read.document, [pair.publicKey])).toBe('valid')
        const { signature: _, ...unsigned } = read.document
        const places = placesOf(unsigned)
        const place = places[which % places.length] ?? []
        const by = JSON.parse(JSON.stringify(value)) as Json
        fc.pre(JSON.stringify(at(unsigned, place)) !== JSON.stringify(by))
        const altered = {
          ...(replaced(unsigned, place, by) as Record<string, Json>),
          signature: read.document['signature'] ?? null,
        }
        expect(signatureState(altered, [pair.publicKey])).toBe('wrong')
      }),
      { numRuns: 500 },
    )
  })
})

describe('whatever lies in the store', () => {
  test('reading a manifest never throws', () => {
    const nearly = fc.tuple(manifest, fc.nat(), fc.string({ maxLength: 3 })).map(([made, where, by]) => {
      const written = encodeManifest(made)
      const cut = where % written.length
      return written.slice(0, cut) + by + written.slice(cut + 1)
    })
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), nearly), (stored) => {
        expect(['current', 'older', 'unreadable']).toContain(decodeManifest(stored).kind)
      }),
      { numRuns: 1000 },
    )
  })

  test('no state of a signature throws', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(fc.string(), fc.constant('signature')), fc.jsonValue()), (document) => {
        expect(['unsigned', 'unknown-key', 'wrong']).toContain(
          signatureState(document as Record<string, Json>, [pair.publicKey]),
        )
      }),
      { numRuns: 1000 },
    )
  })

  test('a backup is complete only with an object of the stated size under its own day', () => {
    const key = fc.oneof(
      fc.constantFrom('2026-02-23', '2026-02-24', '2026-02', '2026-01').map((period) => manifestOf(period).s3Key),
      fc.string(),
    )
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('2026-02-23', '2026-02-24', '2026-02'), key, fc.constantFrom(1, 2)), {
          maxLength: 4,
        }),
        fc.array(fc.tuple(key, fc.constantFrom(1, 2)), { maxLength: 4 }),
        (manifests, objects) => {
          const held = holdings(
            Object.fromEntries(objects),
            Object.fromEntries(
              manifests.map(([period, s3Key, sizeBytes]) => [
                manifestKey(period),
                decoded(manifestOf(period, { s3Key, sizeBytes })),
              ]),
            ),
          )
          const sizes = new Map(objects)
          for (const backup of catalogOf(layout, held, [])) {
            if (backup.state !== 'complete') continue
            expect(sizes.get(backup.key)).toBe(backup.manifest.sizeBytes)
            expect(backup.key).toContain(`/${backup.period}-`)
            expect(backup.key).toContain(`/${backup.tier}/`)
          }
          // Every data object is told of, once.
          const told = catalogOf(layout, held, []).map((backup) => backup.key)
          expect(new Set(told).size).toBe(told.length)
        },
      ),
      { numRuns: 500 },
    )
  })
})
