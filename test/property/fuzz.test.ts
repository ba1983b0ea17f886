import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { acceptanceOf, decodeAck, type Ack } from '../../src/domain/ack.ts'
import { canonicalText, type Json } from '../../src/domain/canonical.ts'
import { catalogOf } from '../../src/domain/catalog.ts'
import { decodeReport, encodeReport } from '../../src/domain/drill-report.ts'
import { asObjectKey, makeKey, parseKey } from '../../src/domain/key.ts'
import { asDocument, decodeManifest, encodeManifest } from '../../src/domain/manifest.ts'
import { signatureState, type SignedDocument } from '../../src/domain/signature.ts'
import { Fault } from '../../src/errors.ts'
import { CopyMeter } from '../../src/pipeline/copy-meter.ts'
import { DumpScanner } from '../../src/pipeline/dump-scanner.ts'
import {
  completeBackup,
  dataKey,
  holdings,
  layout,
  manifestKey,
  manifestOf,
  newKeyPair,
  olderManifestOf,
  signedBy,
} from '../support/builders.ts'
import { trailerWords, wholeDump } from '../support/dump-shapes.ts'
import { reportOf } from '../support/drill-reports.ts'
import { harmedBytes, harmedDocuments } from '../support/mutated.ts'

/**
 * Whatever lies in a bucket or comes out of a pipe is read here: documents, keys and dumps, valid ones harmed in every way
 * and bytes of no kind at all. `FUZZ_RUNS=100000` sets how many examples each property sees.
 *
 * corpus/ keeps what was interesting once: what has failed, and what others would fail on. Each file goes to every target;
 * those named .b64 hold their bytes in base64. What fails here belongs there.
 */
const asked = Number(process.env['FUZZ_RUNS'] ?? '0')
const runs = (usual: number) => ({ numRuns: asked > 0 ? asked : usual })
const patience = asked > 0 ? 24 * 3_600_000 : 60_000

/** Far above what any example takes, and far below what one that never ends does. */
const boundMs = 5000
const bounded = <T>(work: () => T): T => {
  const since = performance.now()
  const result = work()
  expect(performance.now() - since).toBeLessThan(boundMs)
  return result
}

const pair = newKeyPair()
const trusted = [pair.publicKey]
const day = '2026-02-24'
const signed = asDocument(signedBy(pair, manifestOf(day)))
const report = JSON.parse(encodeReport(reportOf(), pair.privateKey)) as SignedDocument
const ack = JSON.parse(
  JSON.stringify(
    acceptanceOf(completeBackup(day), {
      neighbours: [completeBackup('2026-02-23')],
      anomalies: ['public.users has 10 rows.'],
      reason: 'ticket 12',
      now: new Date('2026-02-24T09:30:00.000Z'),
      key: pair.privateKey,
    }),
  ),
) as SignedDocument

const parsedOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
const isDocument = (value: unknown): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What passes for signed says, word for word, what was signed. */
const expectAsSigned = (found: SignedDocument, original: SignedDocument): void => {
  const { signature: _, ...rest } = found
  const { signature: __, ...wanted } = original
  expect(canonicalText(rest)).toBe(canonicalText(wanted))
}

const manifests = (bytes: Buffer): void => {
  const text = bytes.toString('utf8')
  const decoded = bounded(() => decodeManifest(text))
  const document = parsedOf(text)
  const version = isDocument(document) ? document['formatVersion'] : undefined
  if (typeof version === 'number' && version > 1)
    expect(decoded).toEqual({
      kind: 'unreadable',
      why: `its manifest has format version ${String(version)}, which needs a newer oslrs-backup`,
    })
  switch (decoded.kind) {
    case 'current': {
      const again = decodeManifest(encodeManifest(decoded.manifest))
      if (again.kind !== 'current') throw new Error(`encoded anew it is ${JSON.stringify(again)}`)
      expect(encodeManifest(again.manifest)).toBe(encodeManifest(decoded.manifest))
      if (bounded(() => signatureState(decoded.document, trusted)) === 'valid') expectAsSigned(decoded.document, signed)
      break
    }
    case 'older': {
      const again = decodeManifest(JSON.stringify(decoded.manifest))
      expect(again.kind).toBe('older')
      expect(JSON.stringify(again.kind === 'older' && again.manifest)).toBe(JSON.stringify(decoded.manifest))
      break
    }
    case 'unreadable':
      // A part of a sentence, whatever it was made from.
      expect(decoded.why).toMatch(/^its manifest /)
      expect(decoded.why.length).toBeLessThan(200)
  }
  // And nothing that a catalog makes of it throws.
  for (const period of [day, '2026-02'])
    for (const keys of [[], trusted]) {
      const found = holdings({ [dataKey(day)]: 1000, [dataKey('2026-02')]: 1000 }, { [manifestKey(period)]: decoded })
      expect(bounded(() => catalogOf(layout, found, keys)).length).toBeGreaterThan(0)
    }
}

const reports = (bytes: Buffer): void => {
  const text = bytes.toString('utf8')
  const decoded = bounded(() => decodeReport('a key', text, trusted))
  if (decoded === undefined) return
  const again = decodeReport('a key', encodeReport(decoded.report, undefined), trusted)
  expect(JSON.stringify(again?.report)).toBe(JSON.stringify(decoded.report))
  if (decoded.signature === 'valid') expectAsSigned(parsedOf(text) as SignedDocument, report)
}

const acks = (bytes: Buffer): void => {
  const text = bytes.toString('utf8')
  const document = parsedOf(text)
  const named = isDocument(document) ? document['date'] : undefined
  for (const date of typeof named === 'string' ? [day, named] : [day]) {
    const decoded = bounded(() => decodeAck(text, date, []))
    if (decoded !== undefined) {
      expect(decoded.date).toBe(date)
      const again: Ack | undefined = decodeAck(JSON.stringify(decoded), date, [])
      expect(JSON.stringify(again)).toBe(JSON.stringify(decoded))
    }
    const vouched = bounded(() => decodeAck(text, date, trusted))
    if (vouched !== undefined) expectAsSigned(parsedOf(text) as SignedDocument, ack)
  }
}

const keys = (bytes: Buffer): void => {
  const text = bytes.toString('utf8')
  for (const prefix of ['backups/', 'a/b/', '']) {
    const parts = bounded(() => parseKey({ prefix }, text))
    if (parts === undefined) expect(asObjectKey({ prefix }, text)).toBeUndefined()
    else {
      expect(makeKey({ prefix, name: 'unused' }, parts)).toBe(text)
      // So it leads nowhere else, and a terminal takes it for what it is.
      expect(text.slice(prefix.length)).toMatch(/^[a-z]+\/(monthly\/)?[A-Za-z0-9_.-]+$/)
    }
  }
}

type Cuts = readonly number[]
const inChunks = (bytes: Buffer, cuts: Cuts): Buffer[] => {
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
  return places.map((to, index) => bytes.subarray(places[index - 1] ?? 0, to))
}

/** Figures, or the Fault; anything else is thrown on. */
const meteredOf = (chunks: readonly Buffer[], end: 'end' | 'endOfDump') => {
  const meter = new CopyMeter()
  try {
    for (const chunk of chunks) meter.update(chunk)
    return { found: meter[end]() }
  } catch (thrown) {
    if (!(thrown instanceof Fault) || !['damaged', 'dump-failed'].includes(thrown.code)) throw thrown
    return { fault: `${thrown.code}: ${thrown.message}` }
  }
}

/** What the visitor is given, in order; whether the scanner came to its end. */
const visitedOf = (chunks: readonly Buffer[]): { readonly bytes: Buffer; readonly isWhole: boolean } => {
  const passed: Buffer[] = []
  const take = (bytes: Buffer): void => void passed.push(Buffer.from(bytes))
  const scanner = new DumpScanner({
    text: (_kind, bytes) => {
      take(bytes)
    },
    copyBegins: (_table, statement) => {
      take(statement)
    },
    copyRows: take,
    copyEnds: take,
  })
  let isWhole = false
  try {
    for (const chunk of chunks) scanner.push(chunk)
    scanner.end()
    isWhole = true
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(Fault)
  }
  return { bytes: Buffer.concat(passed), isWhole }
}

/** All that may follow the trailer's line. */
const comesToItsEnd = new RegExp(`${trailerWords}\\r?\\n(?:[ \\t-\\r]|--\\r?\\n|\\\\unrestrict [^\\n]*\\n)*$`)

const dumps = (bytes: Buffer, cuts: Cuts): void => {
  const chunks = inChunks(bytes, cuts)
  for (const end of ['end', 'endOfDump'] as const) {
    const atOnce = bounded(() => meteredOf([bytes], end))
    expect(bounded(() => meteredOf(chunks, end))).toEqual(atOnce)
    if (atOnce.found !== undefined) {
      expect(atOnce.found.sizeBytes).toBe(bytes.length)
      expect(atOnce.found.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
      if (end === 'endOfDump') expect(bytes.toString('latin1')).toMatch(comesToItsEnd)
    }
  }
  for (const way of [[bytes], chunks]) {
    const visited = visitedOf(way)
    expect(visited.bytes.equals(visited.isWhole ? bytes : bytes.subarray(0, visited.bytes.length))).toBe(true)
  }
}

const cuts = fc.array(fc.nat(), { maxLength: 12 })
const raw = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
const everyByte = (bytes: Buffer): Cuts => Array.from({ length: Math.min(bytes.length, 20_000) }, (_, at) => at)

describe('whatever is harmed', () => {
  const documents = [
    signed,
    asDocument(manifestOf('2026-02')),
    JSON.parse(JSON.stringify(olderManifestOf(day))) as Json,
  ]
  test('a manifest decodes to what it says, or is told to be unreadable', { timeout: patience }, () => {
    fc.assert(fc.property(fc.oneof({ weight: 9, arbitrary: harmedDocuments(documents) }, raw), manifests), runs(1200))
  })

  test('a report of a drill decodes to what it says, or is none', { timeout: patience }, () => {
    fc.assert(fc.property(fc.oneof({ weight: 9, arbitrary: harmedDocuments([report]) }, raw), reports), runs(800))
  })

  test('an acceptance decodes to what it says, or counts for nothing', { timeout: patience }, () => {
    fc.assert(fc.property(fc.oneof({ weight: 9, arbitrary: harmedDocuments([ack]) }, raw), acks), runs(800))
  })

  test('a key is taken exactly when it would be made', { timeout: patience }, () => {
    const made = fc
      .tuple(
        fc.constantFrom('backups/', 'a/b/', ''),
        fc.oneof(
          fc
            .tuple(
              fc.constantFrom('daily/', 'monthly/', 'manifests/', 'manifests/monthly/', 'acks/'),
              fc.constantFrom(day, '2026-02', '2026-02-29', '2024-02-29', '0000-01', '9999-12-31'),
            )
            .map((two) => two.join('')),
          fc.constantFrom(
            'drills/2026-03-02T03-00-12Z',
            'drills/2026-03-02T24-00-00Z',
            'drills/2026-02-30T01-00-00Z',
            'canary/1-a',
          ),
        ),
        fc.constantFrom(
          '-manifest.json',
          '-drill.json',
          '.json',
          '',
          '-app_db.sql.gz',
          '-7-x.sql.gz.age',
          '-a.r2.sql.gz.age',
          '-a.r1.sql.gz',
          '-a.r01.sql.gz',
          '-a.r999999.sql.gz.enc',
          '-.sql.gz.age',
        ),
      )
      .map((parts) => Buffer.from(parts.join('')))
    fc.assert(
      fc.property(fc.oneof({ weight: 3, arbitrary: made }, { weight: 3, arbitrary: harmedBytes(made) }, raw), keys),
      runs(3000),
    )
  })

  test(
    'a dump ends in figures or in a Fault, the same however it is cut, and passes whole',
    { timeout: patience },
    () => {
      const bytes = wholeDump.map((dump) => dump.bytes)
      fc.assert(fc.property(fc.oneof({ weight: 9, arbitrary: harmedBytes(bytes) }, raw), cuts, dumps), runs(600))
    },
  )
})

describe('a whole dump', () => {
  test('is taken for whole, byte by byte too', { timeout: patience }, () => {
    fc.assert(
      fc.property(wholeDump, ({ bytes }) => {
        expect(meteredOf([bytes], 'endOfDump')).toHaveProperty('found')
        expect(meteredOf(inChunks(bytes, everyByte(bytes)), 'endOfDump')).toEqual(meteredOf([bytes], 'endOfDump'))
      }),
      runs(150),
    )
  })

  test('that is cut anywhere before its end is not', { timeout: patience }, () => {
    fc.assert(
      fc.property(wholeDump, fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), ({ bytes, trailerEnd }, places) => {
        for (const at of [trailerEnd - 1, ...places.map((place) => place % trailerEnd)])
          expect(meteredOf([bytes.subarray(0, at)], 'endOfDump')).toHaveProperty('fault')
      }),
      runs(300),
    )
  })

  test('in which a bit is flipped has another digest, and its table too', { timeout: patience }, () => {
    fc.assert(
      fc.property(wholeDump, fc.nat(), fc.nat(7), fc.boolean(), ({ bytes, rows }, where, bit, inRows) => {
        const [from, to] = (inRows ? rows[where % rows.length] : undefined) ?? [0, bytes.length]
        const at = from + (where % (to - from))
        const other = Buffer.from(bytes)
        other.writeUInt8(other.readUInt8(at) ^ (1 << bit), at)
        const before = meteredOf([bytes], 'endOfDump').found
        const after = meteredOf([other], 'endOfDump').found
        if (after === undefined) return
        expect(after.sha256).not.toBe(before?.sha256)
        if (rows.some(([start, end]) => at >= start && at < end)) expect(after.tables).not.toEqual(before?.tables)
      }),
      runs(800),
    )
  })
})

const corpus = join(import.meta.dirname, 'corpus')
test.each(readdirSync(corpus))('kept: %s', (name) => {
  const content = readFileSync(join(corpus, name))
  const bytes = name.endsWith('.b64') ? Buffer.from(content.toString('ascii'), 'base64') : content
  for (const target of [manifests, reports, acks, keys]) target(bytes)
  // A key has no line end.
  keys(Buffer.from(bytes.toString('utf8').trimEnd()))
  for (const places of [[], [1], [bytes.length - 1], everyByte(bytes)]) dumps(bytes, places)
})

test('what is kept of a kind is of that kind', () => {
  const named = (start: string) => readdirSync(corpus).filter((name) => name.startsWith(start))
  expect(named('whole-dump').length).toBeGreaterThan(5)
  for (const name of named('whole-dump')) {
    const content = readFileSync(join(corpus, name))
    const bytes = name.endsWith('.b64') ? Buffer.from(content.toString('ascii'), 'base64') : content
    expect(meteredOf([bytes], 'endOfDump'), name).toHaveProperty('found')
  }
  for (const name of named('cut-dump'))
    expect(meteredOf([readFileSync(join(corpus, name))], 'endOfDump'), name).toHaveProperty('fault')
})
