import type { Manifest } from '../domain/manifest.ts'
import { Fault } from '../errors.ts'
import type { Bytes, Flow, Gzip, Metered, Programs } from '../ports.ts'
import { CopyMeter, metered } from './copy-meter.ts'
import { drained } from './drained.ts'
import { DigestMeter } from './digest-meter.ts'

export interface Unsealing {
  readonly programs: Programs
  readonly gzip: Gzip
  /** The private key's file; needed for sealed archives. */
  readonly identityFile: string | undefined
}

/**
 * The SQL in a stored archive, checked against its manifest. age and gzip both give out bytes before they can know that
 * the whole is sound, so nothing counts before this has ended well: then size and SHA-256 of the stored bytes, age's and
 * gzip's own ends, size and SHA-256 of the SQL, the dump's trailer and every table's rows and digest have all agreed.
 *
 * Throws `damaged` or `mismatch` otherwise, `configuration` when a sealed archive has no identity.
 */
export async function* unseal(
  stored: Bytes,
  manifest: Manifest,
  tools: Unsealing,
  flow: Flow,
): AsyncGenerator<Uint8Array> {
  const sealedMeter = new DigestMeter()
  const meter = new CopyMeter()
  const whole = checkingStored(metered(stored, sealedMeter), sealedMeter, manifest)
  const plain = tools.gzip.decompress(decrypted(whole, manifest, tools, flow), flow)
  yield* bounded(metered(plain, meter), meter, manifest.plain.sizeBytes)
  requireSamePlain(meter.endOfDump(), manifest)
}

const decrypted = (sealed: Bytes, manifest: Manifest, { programs, identityFile }: Unsealing, flow: Flow): Bytes => {
  if (manifest.encryption.algorithm === 'none') return sealed
  if (identityFile === undefined) throw noIdentity()
  return programs.decrypt(sealed, identityFile, flow)
}

export const noIdentity = (): Fault =>
  new Fault('configuration', 'The backup is sealed, and no private key to open it is configured.', {
    hint: 'Set BACKUP_AGE_IDENTITY_FILE to the file with the private age key (from the escrow, if the server is gone).',
  })

/**
 * The fault to tell when an archive did not open. A damaged header looks to age as if the archive were sealed for others,
 * so before the key is blamed, the stored bytes are compared.
 */
export const whyUnopened = async (fault: unknown, stored: () => Bytes, manifest: Manifest): Promise<unknown> => {
  if (!(fault instanceof Fault) || fault.code !== 'credentials') return fault
  const meter = new DigestMeter()
  try {
    await drained(metered(stored(), meter))
    requireSameStored(meter.end(), manifest)
    return fault
  } catch (thrown) {
    return thrown
  }
}

/** Size and SHA-256 of stored bytes are what the manifest states. Throws `damaged`. */
export const requireSameStored = (
  found: { readonly sizeBytes: number; readonly sha256: string },
  manifest: Pick<Manifest, 'sizeBytes' | 'checksumSha256'>,
): void => {
  if (found.sizeBytes !== manifest.sizeBytes)
    throw new Fault(
      'damaged',
      `The stored archive has ${String(found.sizeBytes)} bytes, and should have ${String(manifest.sizeBytes)}.`,
      another,
    )
  if (found.sha256 !== manifest.checksumSha256)
    throw new Fault('damaged', 'The stored archive is damaged: its SHA-256 is not the one in the manifest.', another)
}

async function* checkingStored(stored: Bytes, meter: DigestMeter, manifest: Manifest): AsyncGenerator<Uint8Array> {
  for await (const chunk of stored) {
    if (meter.sizeBytes > manifest.sizeBytes)
      throw new Fault('damaged', 'The stored archive is longer than its manifest says.', another)
    yield chunk
  }
  requireSameStored(meter.end(), manifest)
}

async function* bounded(plain: Bytes, meter: CopyMeter, maxBytes: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of plain) {
    // Something small that unpacks to a hundred gigabytes is stopped at the size that was signed.
    if (meter.sizeBytes > maxBytes)
      throw new Fault('damaged', 'The archive unpacks to more than its manifest says.', another)
    yield chunk
  }
}

const requireSamePlain = (found: Metered, manifest: Manifest): void => {
  const expected = new Map(manifest.tables.map((table) => [table.name, table]))
  const present = new Set(found.tables.map((table) => table.name))
  const all = [
    ...found.tables.flatMap((table) => {
      const wanted = expected.get(table.name)
      if (wanted === undefined) return [`${table.name}: not in the manifest`]
      if (wanted.rows !== table.rows)
        return [`${table.name}: ${String(table.rows)} rows, the manifest says ${String(wanted.rows)}`]
      return wanted.sha256 === table.sha256 && wanted.bytes === table.bytes
        ? []
        : [`${table.name}: its rows are not the ones in the manifest`]
    }),
    ...manifest.tables.filter((table) => !present.has(table.name)).map((table) => `${table.name}: not in the archive`),
  ]
  if (all.length > 0) throw new Fault('mismatch', 'The archive and its manifest differ.', { all, ...another })
  if (found.sizeBytes !== manifest.plain.sizeBytes || found.sha256 !== manifest.plain.sha256)
    throw new Fault(
      'mismatch',
      'The archive and its manifest differ: the SQL is not the text whose SHA-256 was recorded.',
      another,
    )
}

const another = { hint: 'Use another backup: oslrs-backup list' }
