import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { filesUnder, runToolJson, withIdentity, type Site } from './tool.ts'

interface Listed {
  readonly backups: readonly { readonly key: string; readonly state: string }[]
}
interface Verified {
  readonly backups: readonly { readonly key: string; readonly ok: boolean }[]
}

/** What lies in a store, read behind the tool's back. */
export interface Holdings {
  readonly keys: () => Promise<readonly string[]>
  readonly read: (key: string) => Promise<Buffer>
}

/**
 * What must hold after every success, failure and crash: each manifest's data is there, byte for byte; the good backups
 * that were there before still are; nothing half-made is listed as a backup; every listed backup opens to its last row.
 */
export const expectSoundHoldings = async (
  site: Site,
  { keys, read }: Holdings,
  before: readonly string[] = [],
): Promise<void> => {
  const manifestKeys = (await keys()).filter((key) => key.endsWith('-manifest.json'))
  for (const manifestKey of manifestKeys) {
    const manifest = JSON.parse(String(await read(manifestKey))) as Manifest
    const data = await read(manifest.s3Key)
    expect(data.byteLength).toBe(manifest.sizeBytes)
    expect(createHash('sha256').update(data).digest('hex')).toBe(manifest.checksumSha256)
  }
  const complete = await completeKeys(site)
  expect(complete).toEqual(expect.arrayContaining([...before]))
  expect(complete).toHaveLength(manifestKeys.length)
  if (complete.length > 0) {
    const { exitCode, stdout, stderr, document } = await runToolJson(
      ['verify', '--all', '--depth', 'archive'],
      withIdentity(site),
    )
    expect(exitCode, stderr + stdout).toBe(0)
    expect((document as Verified).backups.every((backup) => backup.ok)).toBe(true)
  }
}

/** The same of a site whose store is a folder; and nobody else may read in there. */
export const expectSound = async (site: Site, before: readonly string[] = []): Promise<void> => {
  await expectSoundHoldings(
    site,
    { keys: () => filesUnder(site.store), read: (key) => readFile(join(site.store, key)) },
    before,
  )
  for (const file of await filesUnder(site.store)) expect((await stat(join(site.store, file))).mode & 0o077).toBe(0)
}

/** Keys of the complete backups, for `expectSound` later. */
export const completeKeys = async (site: Site): Promise<string[]> => {
  const { document } = await runToolJson(['list'], site.environment)
  return (document as Listed).backups.filter((backup) => backup.state === 'complete').map((backup) => backup.key)
}
