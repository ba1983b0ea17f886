import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { catalogOf, type Catalog, type CompleteBackup, type Holdings } from '../../src/domain/catalog.ts'
import { makeKey, type KeyParts, type Layout, type ObjectKey, type Sealing, type Tier } from '../../src/domain/key.ts'
import {
  asDocument,
  decodeManifest,
  encodeManifest,
  type DecodedManifest,
  type Manifest,
  type OlderManifest,
} from '../../src/domain/manifest.ts'
import { signDocument } from '../../src/domain/signature.ts'
import type { Bytes } from '../../src/ports.ts'
import { Fault, type FaultCode } from '../../src/errors.ts'

/** Values for tests: each is whole and valid as it comes, and a test states only what it is about. */

export const layout: Layout = { prefix: 'backups/', name: 'app_db' }

export const digestOf = (hexDigit: string): string => hexDigit.repeat(64)

export const dataKey = (period: string, more: { revision?: number; sealing?: Sealing } = {}): ObjectKey =>
  makeKey(layout, {
    kind: 'data',
    tier: tierOf(period),
    period,
    name: layout.name,
    revision: more.revision ?? 1,
    sealing: more.sealing ?? 'age',
  })

export const manifestKey = (period: string): ObjectKey =>
  makeKey(layout, { kind: 'manifest', tier: tierOf(period), period })

export const keyOf = (parts: KeyParts): ObjectKey => makeKey(layout, parts)

const tierOf = (period: string): Tier => (period.length === 7 ? 'monthly' : 'daily')

/** The manifest of a good backup of that day (`YYYY-MM-DD`) or month (`YYYY-MM`), started at 01:00 UTC. */
export const manifestOf = (period: string, more: Partial<Manifest> = {}): Manifest => {
  const key = dataKey(period)
  const day = period.length === 7 ? `${period}-01` : period
  return {
    filename: key.slice(key.lastIndexOf('/') + 1),
    s3Key: key,
    sizeBytes: 1000,
    checksumSha256: digestOf('a'),
    durationMs: 65_000,
    timestamp: `${day}T01:00:00.000Z`,
    databaseUrl: '127.0.0.1',
    tableCounts: { users: 2, respondents: 3, auditLogs: null, submissions: 0 },
    retentionTier: tierOf(period),
    formatVersion: 1,
    environment: 'production',
    source: {
      database: 'app_db',
      serverVersion: '15.18',
      systemIdentifier: '7300000000000000001',
      encoding: 'UTF8',
      collate: 'C.UTF-8',
      ctype: 'C.UTF-8',
    },
    tool: { version: '0.1.0', pgDump: '15.18', compressor: 'igzip 2.30.0', machine: 'one' },
    plain: { sizeBytes: 5000, sha256: digestOf('b') },
    tables: [
      { name: 'public.users', rows: 2, bytes: 40, sha256: digestOf('c') },
      { name: 'public.respondents', rows: 3, bytes: 60, sha256: digestOf('d') },
    ],
    keyTables: [
      { name: 'public.users', rows: 2 },
      { name: 'public.respondents', rows: 3 },
    ],
    anomalies: [],
    largeObjects: 0,
    encryption: { algorithm: 'age', recipients: ['age1one', 'age1two'] },
    storage: { endpoint: 'file:///srv/backups', region: null, bucket: null, etag: null },
    auditChain: null,
    notContained: [],
    warnings: [],
    attempt: 1,
    ...more,
  }
}

/** A manifest of the previous system, as it wrote them. */
export const olderManifestOf = (period: string, more: Partial<OlderManifest> = {}): OlderManifest => {
  const key = dataKey(period, { sealing: 'aes-256-gcm' })
  return {
    filename: key.slice(key.lastIndexOf('/') + 1),
    s3Key: key,
    sizeBytes: 1000,
    checksumSha256: digestOf('a'),
    durationMs: 65_000,
    timestamp: `${period}T01:00:00.000Z`,
    databaseUrl: '127.0.0.1',
    tableCounts: { users: 2, respondents: 3, auditLogs: 0, submissions: 0 },
    retentionTier: 'daily',
    encryption: { algorithm: 'aes-256-gcm', ivHex: '0'.repeat(24), authTagHex: '0'.repeat(32) },
    ...more,
  }
}

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}
export const newKeyPair = (): KeyPair => {
  const { privateKey } = generateKeyPairSync('ed25519')
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

export const signedBy = (pair: KeyPair, manifest: Manifest): Manifest => ({
  ...manifest,
  signature: signDocument(asDocument(manifest), pair.privateKey),
})

/** As a store gives it back: through text. */
export const decoded = (manifest: Manifest): DecodedManifest => decodeManifest(encodeManifest(manifest))
export const decodedOlder = (manifest: OlderManifest): DecodedManifest => decodeManifest(JSON.stringify(manifest))

export const modifiedAt = new Date('2026-02-24T01:01:05.000Z')

/** What a store holds: data objects with their sizes, and manifests. */
export const holdings = (
  objects: Readonly<Record<string, number>>,
  manifests: Readonly<Record<string, DecodedManifest>>,
): Holdings => ({
  objects: [...Object.entries(objects), ...Object.keys(manifests).map((key) => [key, 900] as const)].map(
    ([key, sizeBytes]) => ({ key: key as ObjectKey, sizeBytes, lastModified: modifiedAt }),
  ),
  manifests: new Map(Object.entries(manifests).map(([key, manifest]) => [key as ObjectKey, manifest])),
})

/** The catalog of a store in which each of these days and months has a good backup. */
export const catalogOfGood = (...periods: readonly string[]): Catalog =>
  catalogOf(
    layout,
    holdings(
      Object.fromEntries(periods.map((period) => [dataKey(period), 1000])),
      Object.fromEntries(periods.map((period) => [manifestKey(period), decoded(manifestOf(period))])),
    ),
    [],
  )

export const completeBackup = (period: string, more: Partial<Manifest> = {}): CompleteBackup => ({
  state: 'complete',
  tier: tierOf(period),
  period,
  key: dataKey(period),
  manifestKey: manifestKey(period),
  manifest: manifestOf(period, more),
  signed: true,
})

/** Chunks as a stream. */
export async function* streamOf(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

/** Chunks as a stream that then breaks. */
export async function* breakingAfter(
  fault: unknown,
  ...chunks: readonly (string | Uint8Array)[]
): AsyncGenerator<Uint8Array> {
  yield* streamOf(...chunks)
  throw fault
}

export const collected = async (bytes: Bytes): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export const listed = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** The Fault that the work throws; anything else, and a work that ends well, fails the test. */
export const faultOf = async (work: () => unknown): Promise<Fault> => {
  let result: unknown
  try {
    result = await work()
  } catch (thrown) {
    if (thrown instanceof Fault) return thrown
    throw thrown
  }
  throw new Error(`ended well, with ${typeof result}, where a Fault was expected`)
}

/** Its code alone, for tables. */
export const codeOf = async (work: () => unknown): Promise<FaultCode> => (await faultOf(work)).code
