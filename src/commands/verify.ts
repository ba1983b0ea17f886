import { check, type Check } from '../domain/check.ts'
import type { Backup, Catalog } from '../domain/catalog.ts'
import type { RetentionPeriods } from '../domain/freshness.ts'
import { select, type Selector, type Usable } from '../domain/selection.ts'
import { formatBytes, formatCount } from '../domain/units.ts'
import { Fault } from '../errors.ts'
import { metered } from '../pipeline/copy-meter.ts'
import { DigestMeter } from '../pipeline/digest-meter.ts'
import { drained } from '../pipeline/drained.ts'
import { requireSameStored } from '../pipeline/unseal.ts'
import type { Journal, Programs } from '../ports.ts'
import { archiveOf, reading } from './archive.ts'
import { placeWarnings, readCatalog, type Vault } from './vault.ts'

export interface ReadContext {
  readonly vault: Vault
  readonly programs: Programs
  readonly journal: Journal
  readonly stop: AbortSignal
  readonly identityFile: string | undefined
  /** BACKUP_ENCRYPTION_KEY, for backups of the previous system. */
  readonly olderKey: { reveal(): string } | undefined
  readonly stallMs: number
  readonly policy: RetentionPeriods
}

export interface VerifyOptions {
  readonly which: Selector | 'all'
  /** Without restoring; the whole drill is `drills`. */
  readonly depth: 'stored' | 'archive'
}

export interface VerifiedBackup {
  readonly key: string
  readonly checks: readonly Check[]
}

export interface VerifyResult {
  readonly depth: VerifyOptions['depth']
  readonly backups: readonly VerifiedBackup[]
  /** Sentences about what the place itself does to backups. */
  readonly warnings: readonly string[]
}

/** Checks backups as they lie in the store. What cannot be checked counts as failed. Changes nothing. */
export const verify = async (ctx: ReadContext, asked: VerifyOptions): Promise<VerifyResult> => {
  await ctx.vault.store.check('read')
  const [catalog, warnings] = await Promise.all([readCatalog(ctx.vault), placeWarnings(ctx.vault, ctx.policy)])
  const backups: VerifiedBackup[] = []
  for (const backup of chosen(catalog, asked.which)) {
    ctx.stop.throwIfAborted()
    backups.push({ key: backup.key, checks: await checksOf(ctx, backup, asked.depth) })
  }
  return { depth: asked.depth, backups, warnings }
}

export const chosen = (catalog: Catalog, which: Selector | 'all'): readonly Backup[] => {
  if (which !== 'all') return [select(catalog, which)]
  const backups = catalog.filter((backup) => backup.state !== 'orphan')
  if (backups.length === 0)
    throw new Fault('no-such-backup', 'There is no backup to verify.', { hint: 'See: oslrs-backup list' })
  return backups
}

const checksOf = async (ctx: ReadContext, backup: Backup, depth: VerifyOptions['depth']): Promise<readonly Check[]> => {
  const manifest = await manifestCheck(ctx, backup)
  if (backup.state !== 'complete' && backup.state !== 'unverified-older') return [manifest]
  const stored = await check(depth === 'stored' ? 'stored bytes' : 'archive', () =>
    depth === 'stored' ? readStored(ctx, backup) : readArchive(ctx, backup),
  )
  return [manifest, stored]
}

/** Whether a manifest speaks for the backup, and who signed it. */
export const manifestCheck = (ctx: Pick<ReadContext, 'vault'>, backup: Backup): Promise<Check> =>
  check('manifest', async () => {
    await Promise.resolve()
    switch (backup.state) {
      case 'damaged':
        throw new Fault('damaged', `The backup is damaged: ${backup.why}.`)
      case 'orphan':
        throw new Fault('damaged', 'No manifest speaks for this archive, so nothing says that it is whole.')
      case 'unverified-older':
        return {
          state: 'warning',
          detail: 'of the previous system: agrees with its object, and nothing shows who wrote it',
        }
      case 'complete': {
        const key = backup.manifest.signature?.keyId
        if (ctx.vault.trusted.length > 0) return `agrees with its object; signed with the trusted key ${key ?? ''}`
        return {
          state: 'warning',
          detail:
            key === undefined
              ? 'agrees with its object; it is not signed'
              : 'agrees with its object; its signature was not checked, for BACKUP_TRUSTED_KEYS is not set',
        }
      }
    }
  })

const readStored = async (ctx: ReadContext, { key, manifest }: Usable): Promise<string> => {
  const meter = new DigestMeter()
  const progress = ctx.journal.progress('Reading', manifest.sizeBytes)
  try {
    await drained(
      metered(ctx.vault.store.get(key), {
        update: (chunk) => {
          ctx.stop.throwIfAborted()
          meter.update(chunk)
          progress.at(meter.sizeBytes)
        },
      }),
    )
  } finally {
    progress.end()
  }
  requireSameStored(meter.end(), manifest)
  return `${formatBytes(manifest.sizeBytes)} with the SHA-256 of the manifest`
}

const readArchive = async (ctx: ReadContext, backup: Usable): Promise<string> => {
  const archive = archiveOf({ ...ctx, store: ctx.vault.store }, backup)
  let plainBytes = 0
  await reading(ctx, archive, 'Reading', (sql) =>
    drained(
      metered(sql, {
        update: (chunk) => {
          plainBytes += chunk.byteLength
        },
      }),
    ),
  )
  const tables = archive.tables()
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const recorded = backup.state === 'complete' ? ', all digests as recorded' : ''
  return `opened and read to its end: ${formatBytes(plainBytes)} of SQL, ${String(tables.length)} tables with ${formatCount(rows)} rows${recorded}`
}
