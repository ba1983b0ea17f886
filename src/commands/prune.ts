import type { Backup } from '../domain/catalog.ts'
import { makeKey, parseKey, type ObjectKey } from '../domain/key.ts'
import { planRetention, type RetentionPlan } from '../domain/retention.ts'
import { planSweep, type SweepPlan } from '../domain/sweep.ts'
import { asFault, Fault } from '../errors.ts'
import type { Store, UnfinishedUpload } from '../ports.ts'
import { holdingLock, type LockedContext, type OrderContext } from './order-context.ts'
import { isUnchanged, readInventory, type Inventory } from './vault.ts'

export interface PruneResult {
  readonly plan: RetentionPlan
  readonly sweep: SweepPlan<UnfinishedUpload>
  readonly dryRun: boolean
  /** What is gone, by key. */
  readonly removed: readonly string[]
  readonly faults: readonly RemovalFault[]
}
export interface RemovalFault {
  readonly key: string
  readonly fault: Fault
}

/** Applies the retention plan. Every failure is gathered; what could be removed is. */
export const prune = async (ctx: LockedContext, asked: { readonly dryRun: boolean }): Promise<PruneResult> => {
  if (asked.dryRun) {
    await ctx.vault.store.check('read')
    return { ...(await planned(ctx)), dryRun: true, removed: [], faults: [] }
  }
  if (!ctx.mayRemove)
    throw new Fault('refused', 'This host never removes a backup: BACKUP_PRUNE is off.', {
      hint: 'Prune where it is on (the drill host, say). What would go: oslrs-backup prune --dry-run',
    })
  await ctx.vault.store.check('write')
  return holdingLock(ctx, applyRetention)
}

/** As `prune`, where the lock is held already. */
export const applyRetention = async (ctx: OrderContext): Promise<PruneResult> => {
  const { inventory, plan, sweep } = await planned(ctx)
  const removed: string[] = []
  const faults: RemovalFault[] = []
  const attempt = async (key: string, work: () => Promise<readonly string[]>): Promise<void> => {
    ctx.stop.throwIfAborted()
    try {
      removed.push(...(await work()))
    } catch (thrown) {
      faults.push({ key, fault: asFault(thrown) })
    }
  }
  // The oldest first: when it ends in mid-way, what is left is the newest.
  for (const { backup, because } of plan.remove.toReversed())
    await attempt(backup.key, async () => {
      const keys = await removeBackup(ctx, inventory, backup)
      ctx.journal.info(`Removed the backup ${backup.key}.`, { because: because.join('; ') })
      return keys
    })
  for (const { key } of sweep.records)
    await attempt(key, async () => {
      await ctx.vault.store.delete(key)
      return [key]
    })
  for (const { upload } of sweep.uploads)
    await attempt(upload.key, async () => {
      await ctx.vault.store.abandon(upload)
      ctx.journal.info(`Removed what an unfinished upload of ${upload.key} had left.`)
      return [upload.key]
    })
  return { plan, sweep, dryRun: false, removed, faults }
}

const planned = async (
  ctx: OrderContext,
): Promise<{ inventory: Inventory; plan: RetentionPlan; sweep: SweepPlan<UnfinishedUpload> }> => {
  const { vault, policy } = ctx
  const inventory = await readInventory(vault)
  const uploads: UnfinishedUpload[] = []
  for await (const upload of vault.store.unfinished(vault.layout.prefix)) uploads.push(upload)
  const now = ctx.clock.now()
  const plan = planRetention(vault.layout, inventory, policy, now)
  const sweep = planSweep(vault.layout, { records: inventory.records, uploads }, policy, now)
  // Whatever makes backups untouchable (a clock that is wrong, say) is true of what lies beside them.
  return { inventory, plan, sweep: plan.held.length > 0 ? { uploads: [], records: [] } : sweep }
}

/**
 * Manifest first: data that nobody points to is waste, a manifest without data is a lie. Only keys that belong to the
 * backup's own period by their names are touched, and only while its manifest is still the one that was judged.
 */
const removeBackup = async (
  { vault: { store, layout } }: OrderContext,
  inventory: Inventory,
  backup: Backup,
): Promise<readonly ObjectKey[]> => {
  const manifestKey =
    backup.state === 'orphan'
      ? makeKey(layout, { kind: 'manifest', tier: backup.tier, period: backup.period })
      : backup.manifestKey
  if (!(await isUnchanged(store, inventory, manifestKey)))
    throw new Fault(
      'refused',
      `The manifest of ${backup.key} has changed since the plan was made, so nothing of it was removed.`,
      {
        hint: 'Another run is at work. Try again: oslrs-backup prune',
      },
    )
  if (!(await isAsListed(store, inventory, backup)))
    throw new Fault('refused', `${backup.key} is not as the store lists it, so nothing of it was removed.`, {
      hint: 'What the store lists may lag behind. Try again: oslrs-backup prune',
    })
  const isData = parseKey(layout, backup.key)?.kind === 'data'
  const keys = [...(backup.state === 'orphan' ? [] : [manifestKey]), ...(isData ? [backup.key] : [])]
  for (const key of keys) await store.delete(key)
  return keys
}

/** Where the listing alone says that an archive is damaged or missing, the store is asked for the archive by its name. */
const isAsListed = async (store: Store, { archiveBytes }: Inventory, backup: Backup): Promise<boolean> =>
  backup.state !== 'damaged' ||
  (backup.fault !== 'object' && backup.fault !== 'missing-object') ||
  (await store.head(backup.key))?.sizeBytes === archiveBytes.get(backup.key)
