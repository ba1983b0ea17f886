import { createDecipheriv } from 'node:crypto'
import type { OlderManifest } from '../domain/manifest.ts'
import type { Sealing } from '../domain/key.ts'
import { Fault } from '../errors.ts'
import type { Bytes, Flow, Metered } from '../ports.ts'
import { CopyMeter, metered } from './copy-meter.ts'
import { DigestMeter } from './digest-meter.ts'
import { drained } from './drained.ts'
import { noIdentity, requireSameStored, type Unsealing } from './unseal.ts'

/** What is known of an archive for which no manifest of ours speaks. */
export interface OlderArchive {
  readonly sealing: Sealing
  /** null where there is none at all. */
  readonly manifest: OlderManifest | null
}

interface HeldBack {
  reveal(): string
}

export interface OlderUnsealing extends Unsealing {
  /** BACKUP_ENCRYPTION_KEY, for `.sql.gz.enc`. */
  readonly olderKey: HeldBack | undefined
}

/**
 * As `unseal`, with every check that such an archive allows: the stored bytes' size and SHA-256 where a manifest states
 * them, the cipher's and gzip's own ends, and the dump's trailer. `done` gets what passed: its rows are the archive's
 * own, for the manifest's counts came from the live database and prove nothing.
 */
export async function* unsealOlder(
  stored: Bytes,
  archive: OlderArchive,
  tools: OlderUnsealing,
  flow: Flow,
  done: (found: Metered) => void,
): AsyncGenerator<Uint8Array> {
  const storedMeter = new DigestMeter()
  const meter = new CopyMeter()
  const whole = checkingStored(metered(stored, storedMeter), storedMeter, archive.manifest)
  yield* metered(tools.gzip.decompress(decrypted(whole, archive, tools, flow), flow), meter)
  done(meter.endOfDump())
}

async function* checkingStored(
  stored: Bytes,
  meter: DigestMeter,
  manifest: OlderManifest | null,
): AsyncGenerator<Uint8Array> {
  yield* stored
  if (manifest !== null) requireSameStored(meter.end(), manifest)
}

const decrypted = (sealed: Bytes, archive: OlderArchive, tools: OlderUnsealing, flow: Flow): Bytes => {
  switch (archive.sealing) {
    case 'none':
      return sealed
    case 'age':
      if (tools.identityFile === undefined) throw noIdentity()
      return tools.programs.decrypt(sealed, tools.identityFile, flow)
    case 'aes-256-gcm':
      return decipher(sealed, archive.manifest, tools.olderKey)
  }
}

/** The raw ciphertext, as long as the gzip in it: no header, no additional data. The tag proves it at its end. */
async function* decipher(
  sealed: Bytes,
  manifest: OlderManifest | null,
  key: HeldBack | undefined,
): AsyncGenerator<Uint8Array> {
  const how = manifest?.encryption
  if (how == null)
    throw new Fault(
      'damaged',
      'The archive cannot be opened: its initialization vector stood in its manifest, and that is gone.',
      {
        hint: 'Use another backup: oslrs-backup list',
      },
    )
  if (key === undefined)
    throw new Fault(
      'configuration',
      'The backup was encrypted by the previous system, and its key is not configured.',
      {
        hint: 'Set BACKUP_ENCRYPTION_KEY, or BACKUP_ENCRYPTION_KEY_FILE, to its 64 hex digits.',
      },
    )
  const cipher = createDecipheriv('aes-256-gcm', Buffer.from(key.reveal(), 'hex'), Buffer.from(how.ivHex, 'hex'))
  cipher.setAuthTag(Buffer.from(how.authTagHex, 'hex'))
  for await (const chunk of sealed) yield cipher.update(chunk)
  try {
    yield cipher.final()
  } catch (thrown) {
    // The stored bytes are the ones of the manifest, or `checkingStored` had said so: then it is the key.
    throw new Fault(
      'credentials',
      'BACKUP_ENCRYPTION_KEY does not open this backup: it was encrypted with another key.',
      {
        hint: 'Look for the key of that time; whether one fits shows: oslrs-backup restore … --dry-run',
        cause: thrown,
      },
    )
  }
}

/**
 * The fault to tell when such an archive did not open. What a wrong key makes of it is no gzip, long before the cipher
 * itself can tell; so before the archive is blamed, the cipher is asked alone, to its end.
 */
export const whyOlderUnopened = async (
  fault: unknown,
  stored: () => Bytes,
  archive: OlderArchive,
  tools: OlderUnsealing,
): Promise<unknown> => {
  if (archive.sealing !== 'aes-256-gcm' || !(fault instanceof Fault) || fault.code !== 'damaged') return fault
  const meter = new DigestMeter()
  try {
    await drained(
      decipher(checkingStored(metered(stored(), meter), meter, archive.manifest), archive.manifest, tools.olderKey),
    )
    return fault
  } catch (thrown) {
    return thrown
  }
}
