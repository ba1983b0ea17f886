import { execa } from 'execa'
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Manifest } from '../../src/domain/manifest.ts'
import { CopyMeter } from '../../src/pipeline/copy-meter.ts'
import type { Site } from './tool.ts'

/** What somebody can do who may write to the store and knows the public recipients, and has no key. */

const recipientsOf = (site: Site): string[] =>
  (site.environment['BACKUP_AGE_RECIPIENTS'] ?? '').split(',').flatMap((recipient) => ['-r', recipient])

export const sealedFor = async (site: Site, bytes: Uint8Array): Promise<Buffer> => {
  const { stdout } = await execa('age', recipientsOf(site), {
    input: bytes,
    encoding: 'buffer',
    stripFinalNewline: false,
  })
  return Buffer.from(stdout)
}

export const opened = async (site: Site, archive: Uint8Array): Promise<Buffer> => {
  const { stdout } = await execa('sh', ['-c', 'age -d -i "$1" | gunzip', 'sh', site.identityFile], {
    input: archive,
    encoding: 'buffer',
    stripFinalNewline: false,
  })
  return Buffer.from(stdout)
}

/** The SQL as an archive, and a manifest that agrees with all of it; nobody has signed that. */
export const forgedArchive = async (
  site: Site,
  of: Manifest,
  sql: Uint8Array,
  more: { readonly gzip?: Uint8Array } = {},
): Promise<{ readonly archive: Buffer; readonly manifest: Manifest }> => {
  const archive = await sealedFor(site, more.gzip ?? gzipSync(sql))
  const meter = new CopyMeter()
  let tables = of.tables
  meter.update(sql)
  try {
    tables = meter.end().tables
  } catch {
    // No dump at all: the manifest then claims what the true one does.
  }
  return {
    archive,
    manifest: {
      ...rehashed(of, archive),
      plain: { sizeBytes: sql.byteLength, sha256: createHash('sha256').update(sql).digest('hex') },
      tables,
    },
  }
}

/** The manifest with the size and digest of these bytes, without the signature that no longer fits. */
export const rehashed = ({ signature: _, ...manifest }: Manifest, archive: Uint8Array): Manifest => ({
  ...manifest,
  sizeBytes: archive.byteLength,
  checksumSha256: createHash('sha256').update(archive).digest('hex'),
})
