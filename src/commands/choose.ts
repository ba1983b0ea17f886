import { utcDate } from '../domain/calendar.ts'
import type { Catalog, CompleteBackup, OlderBackup, OrphanBackup } from '../domain/catalog.ts'
import { selectToRestore, type Selector } from '../domain/selection.ts'
import { noIdentity } from '../pipeline/unseal.ts'
import { archiveOf, type Archive } from './archive.ts'
import { readCatalog } from './vault.ts'
import type { ReadContext } from './verify.ts'

/** Which backup, and whether one may be taken that no signed manifest speaks for. */
export interface Choice {
  readonly selector: Selector
  readonly allowUnverified: boolean
}

export type Chosen = CompleteBackup | OlderBackup | OrphanBackup

/** The backup that is meant, how to read it, and what must be said of it. */
export const choose = async (
  ctx: ReadContext,
  asked: Choice,
): Promise<{ readonly backup: Chosen; readonly archive: Archive; readonly warnings: readonly string[] }> => {
  await ctx.vault.store.check('read')
  const catalog = await readCatalog(ctx.vault)
  const backup = selectToRestore(catalog, asked.selector, asked)
  if (isSealed(backup) && ctx.identityFile === undefined) throw noIdentity()
  const archive = archiveOf({ ...ctx, store: ctx.vault.store }, backup)
  return { backup, archive, warnings: [...trustWarning(ctx, backup), ...passedOver(catalog, backup)] }
}

const isSealed = (backup: Chosen): boolean =>
  backup.state === 'complete' ? backup.manifest.encryption.algorithm === 'age' : backup.sealing === 'age'

/** Where no manifest says it: when it was stored. */
export const startOf = (backup: Chosen): Date =>
  backup.state === 'orphan' ? backup.lastModified : new Date(backup.manifest.timestamp)

/** A newer backup that could not be used is not passed over without a word. */
const passedOver = (catalog: Catalog, backup: Chosen): string[] =>
  catalog.flatMap((other) =>
    other.state === 'damaged' && other.tier === 'daily' && other.period > utcDate(startOf(backup))
      ? [`There is a newer backup, of ${other.period}, that cannot be used: ${other.why}.`]
      : [],
  )

const trustWarning = (ctx: ReadContext, backup: Chosen): string[] => {
  switch (backup.state) {
    case 'complete':
      if (ctx.vault.trusted.length > 0) return []
      return [
        backup.manifest.signature === undefined
          ? 'The manifest is not signed: nothing shows that this backup is the one that was made.'
          : "The manifest's signature was not checked, for BACKUP_TRUSTED_KEYS is not set.",
      ]
    case 'unverified-older':
      return [
        'This backup is of the previous system: nothing shows that it is the one that was made, or that it is whole.',
      ]
    case 'orphan':
      return ['No manifest speaks for this archive: nothing shows what it is. Its date is when it was stored.']
  }
}
