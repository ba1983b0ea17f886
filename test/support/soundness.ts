import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { filesUnder, manifestsOf, runToolJson, withIdentity, type Site } from './tool.ts'

interface Listed {
  readonly backups: readonly { readonly key: string; readonly state: string }[]
}
interface Verified {
  readonly backups: readonly { readonly key: string; readonly ok: boolean }[]
}

/**
 * What must hold after every success, failure and crash: each manifest's data is there, byte for byte; the good backups
 * that were there before still are; nothing half-made is listed as a backup; every listed backup opens to its last row.
 */
export const expectSound = async (site: Site, before: readonly string[] = []): Promise<void> => {
  for (const manifest of await manifestsOf(site)) {
    const data = await readFile(join(site.store, manifest.s3Key))
    expect(data.byteLength).toBe(manifest.sizeBytes)
    expect(createHash('sha256').update(data).digest('hex')).toBe(manifest.checksumSha256)
  }
  const complete = await completeKeys(site)
  expect(complete).toEqual(expect.arrayContaining([...before]))
  expect(complete).toHaveLength((await manifestsOf(site)).length)
  if (complete.length > 0) {
    const { exitCode, document } = await runToolJson(['verify', '--all', '--depth', 'archive'], withIdentity(site))
    expect(exitCode).toBe(0)
    expect((document as Verified).backups.every((backup) => backup.ok)).toBe(true)
  }
  for (const file of await filesUnder(site.store)) expect((await stat(join(site.store, file))).mode & 0o077).toBe(0)
}

/** Keys of the complete backups, for `expectSound` later. */
export const completeKeys = async (site: Site): Promise<string[]> => {
  const { document } = await runToolJson(['list'], site.environment)
  return (document as Listed).backups.filter((backup) => backup.state === 'complete').map((backup) => backup.key)
}
