import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { Fault } from '../../src/errors.ts'
import { CopyMeter } from '../../src/pipeline/copy-meter.ts'
import { startFlow } from '../../src/pipeline/flow.ts'
import { requireSameStored, unseal, type Unsealing } from '../../src/pipeline/unseal.ts'
import type { Bytes } from '../../src/ports.ts'
import { breakingAfter, codeOf, collected, digestOf, faultOf, manifestOf, streamOf } from '../support/builders.ts'

const dump = [
  'CREATE TABLE public.users (id integer);\n\n',
  'COPY public.users (id) FROM stdin;\n1\n2\n\\.\n\n',
  'COPY public.log (id) FROM stdin;\n3\n\\.\n\n',
  '--\n-- PostgreSQL database dump complete\n--\n\n',
].join('')

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
/** The manifest of this text, stored as it is. */
const manifestFor = (text: string, more: Partial<Manifest> = {}): Manifest => {
  const meter = new CopyMeter()
  meter.update(Buffer.from(text))
  const { sizeBytes, sha256: digest, tables, largeObjects } = meter.end()
  return manifestOf('2026-02-24', {
    sizeBytes,
    checksumSha256: sha256(text),
    plain: { sizeBytes, sha256: digest },
    tables,
    largeObjects,
    encryption: { algorithm: 'none', recipients: [] },
    ...more,
  })
}

const neverReached = (): never => {
  throw new Error('this program was not to be called')
}
/** Programs that hand on what they are given: what is tried here is what unseal itself checks. */
const identity = (
  more: { decrypt?: (input: Bytes) => Bytes; decompress?: (input: Bytes) => Bytes; identityFile?: string } = {},
): Unsealing => ({
  programs: {
    dumperFor: neverReached,
    gzip: neverReached,
    ageVersion: neverReached,
    encrypt: neverReached,
    decrypt: more.decrypt ?? neverReached,
  },
  gzip: { name: 'none', compress: neverReached, decompress: more.decompress ?? ((input) => input) },
  identityFile: more.identityFile,
})
const unsealed = (stored: Bytes, manifest: Manifest, tools = identity()): Promise<Buffer> =>
  collected(unseal(stored, manifest, tools, startFlow()))

describe('an archive that agrees with its manifest', () => {
  test('comes out as the SQL that went in', async () => {
    expect(String(await unsealed(streamOf(dump), manifestFor(dump)))).toBe(dump)
  })

  test('comes out the same in whatever chunks it comes in', async () => {
    const chunks = Array.from(dump, (char) => char)
    expect(String(await unsealed(streamOf(...chunks), manifestFor(dump)))).toBe(dump)
  })

  test('is decrypted with the identity where it is sealed', async () => {
    const sealed = manifestFor(dump, { encryption: { algorithm: 'age', recipients: ['age1one'] } })
    const decrypt = (input: Bytes): Bytes => input
    expect(String(await unsealed(streamOf(dump), sealed, identity({ decrypt, identityFile: '/key' })))).toBe(dump)
  })
})

describe('an archive that does not agree', () => {
  const good = manifestFor(dump)
  const [users, log] = good.tables
  if (users === undefined || log === undefined) throw new Error('the dump holds two tables')

  test.each<readonly [string, string, Manifest, string]>([
    ['has other bytes of the same length', dump.replace('1\n', '7\n'), good, 'damaged'],
    ['is shorter', dump.slice(0, -1), good, 'damaged'],
    ['is longer', `${dump}\n`, good, 'damaged'],
    ['is empty', '', good, 'damaged'],
    ['has another SHA-256 stated', dump, { ...good, checksumSha256: digestOf('0') }, 'damaged'],
    ['has another size stated', dump, { ...good, sizeBytes: good.sizeBytes + 1 }, 'damaged'],
    ['unpacks to more than is stated', dump, { ...good, plain: { ...good.plain, sizeBytes: 10 } }, 'damaged'],
    [
      'unpacks to less than is stated',
      dump,
      { ...good, plain: { ...good.plain, sizeBytes: dump.length + 1 } },
      'mismatch',
    ],
    [
      'has another SHA-256 of the SQL stated',
      dump,
      { ...good, plain: { ...good.plain, sha256: digestOf('0') } },
      'mismatch',
    ],
    ['has more rows stated', dump, { ...good, tables: [{ ...users, rows: 3 }, log] }, 'mismatch'],
    ['has fewer rows stated', dump, { ...good, tables: [{ ...users, rows: 1 }, log] }, 'mismatch'],
    ['has other rows stated', dump, { ...good, tables: [{ ...users, sha256: digestOf('0') }, log] }, 'mismatch'],
    ['has rows of other length stated', dump, { ...good, tables: [{ ...users, bytes: 5 }, log] }, 'mismatch'],
    ['has one table less stated', dump, { ...good, tables: [users] }, 'mismatch'],
    [
      'has one table more stated',
      dump,
      { ...good, tables: [...good.tables, { ...log, name: 'public.more' }] },
      'mismatch',
    ],
    [
      'has a table under another name',
      dump,
      { ...good, tables: [users, { ...log, name: 'public."Log"' }] },
      'mismatch',
    ],
  ])('%s', async (_what, stored, manifest, code) => {
    expect(await codeOf(() => unsealed(streamOf(stored), manifest))).toBe(code)
  })

  test.each([
    ['without its trailer', dump.replace('-- PostgreSQL database dump complete\n', '')],
    [
      'with its trailer in data alone',
      'COPY public.users (id) FROM stdin;\n-- PostgreSQL database dump complete\n\\.\n',
    ],
    ['with something behind its trailer', `${dump}SELECT 1;\n`],
  ])('holds a dump %s, though every digest is right', async (_what, text) => {
    expect(await codeOf(() => unsealed(streamOf(text), manifestFor(text)))).toBe('damaged')
  })

  test.each([
    ['in mid-table', dump.slice(0, dump.indexOf('2\n'))],
    ['in mid-statement', dump.slice(0, 20)],
  ])('holds a dump that ends %s', async (_what, text) => {
    const manifest = {
      ...good,
      sizeBytes: text.length,
      checksumSha256: sha256(text),
      plain: { sizeBytes: text.length, sha256: sha256(text) },
    }
    expect(await codeOf(() => unsealed(streamOf(text), manifest))).toBe('damaged')
  })

  test('is told with every table that differs', async () => {
    const manifest = {
      ...good,
      tables: [
        { ...users, rows: 3 },
        { ...log, name: 'public.more' },
      ],
    }
    const fault = await faultOf(() => unsealed(streamOf(dump), manifest))
    expect(fault.all).toEqual([
      'public.users: 2 rows, the manifest says 3',
      'public.log: not in the manifest',
      'public.more: not in the archive',
    ])
    expect(fault.hint).toContain('oslrs-backup list')
  })

  test('is stopped soon after it has become too long, be it endless', async () => {
    let chunks = 0
    async function* bomb(): AsyncGenerator<Uint8Array> {
      for (;;) {
        await Promise.resolve()
        chunks += 1
        yield Buffer.alloc(1000, '-')
      }
    }
    expect(await codeOf(() => unsealed(bomb(), good))).toBe('damaged')
    expect(chunks).toBeLessThan(10)
    const bombInside = identity({ decompress: bomb })
    expect(await codeOf(() => unsealed(streamOf(dump), good, bombInside))).toBe('damaged')
    expect(chunks).toBeLessThan(20)
  })
})

describe('an archive that cannot be opened', () => {
  const sealed = manifestFor(dump, { encryption: { algorithm: 'age', recipients: ['age1one'] } })

  test('for want of the identity is a matter of configuration', async () => {
    const fault = await faultOf(() => unsealed(streamOf(dump), sealed))
    expect(fault.code).toBe('configuration')
    expect(fault.hint).toContain('BACKUP_AGE_IDENTITY_FILE')
  })

  test.each([
    ['the store', new Fault('storage-failed', 'the store'), identity(), 'stored'],
    ['the decompression', new Fault('damaged', 'gzip'), undefined, 'decompress'],
  ])('throws what %s throws', async (_what, fault, tools, where) => {
    const broken = (): Bytes => breakingAfter(fault, 'x')
    const stored = where === 'stored' ? broken() : streamOf(dump)
    expect(await faultOf(() => unsealed(stored, manifestFor(dump), tools ?? identity({ decompress: broken })))).toBe(
      fault,
    )
  })
})

describe('stored bytes', () => {
  const stated = { sizeBytes: 3, checksumSha256: sha256('abc') }

  test('are the ones that were written', () => {
    expect(() => {
      requireSameStored({ sizeBytes: 3, sha256: sha256('abc') }, stated)
    }).not.toThrow()
  })

  test.each([
    ['shorter', { sizeBytes: 2, sha256: sha256('ab') }],
    ['longer', { sizeBytes: 4, sha256: sha256('abcd') }],
    ['others', { sizeBytes: 3, sha256: sha256('abd') }],
  ])('are damaged when they are %s', async (_what, found) => {
    expect(
      await codeOf(() => {
        requireSameStored(found, stated)
      }),
    ).toBe('damaged')
  })
})
