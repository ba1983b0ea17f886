import { isComplete } from '../domain/catalog.ts'
import { fileNameOf, makeKey, parseKey, type ObjectKey } from '../domain/key.ts'
import type { Manifest } from '../domain/manifest.ts'
import { planPromotion, type Promotion, type PromotionPlan } from '../domain/promotion.ts'
import { asFault, Fault } from '../errors.ts'
import { commit, signed } from './commit.ts'
import { holdingLock, type LockedContext, type OrderContext } from './order-context.ts'
import { requireSigner } from './signer.ts'
import { isUnchanged, readInventory, type Inventory } from './vault.ts'

export interface PromoteOptions {
  readonly dryRun: boolean
  /** `YYYY-MM`: this month alone. */
  readonly month: string | undefined
}

export interface PromoteResult {
  readonly plan: PromotionPlan
  readonly dryRun: boolean
  readonly promoted: readonly {
    readonly month: string
    readonly key: string
    readonly from: string
    readonly sizeBytes: number
  }[]
  readonly faults: readonly { readonly month: string; readonly fault: Fault }[]
}

/** Gives each month without a monthly its first good daily. Does nothing twice, and writes over nothing. */
export const promote = async (ctx: LockedContext, asked: PromoteOptions): Promise<PromoteResult> => {
  if (asked.dryRun) {
    await ctx.vault.store.check('read')
    return { plan: (await planned(ctx, asked.month)).plan, dryRun: true, promoted: [], faults: [] }
  }
  await ctx.vault.store.check('write')
  return holdingLock(ctx, (locked) => applyPromotion(locked, asked.month))
}

/** As `promote`, where the lock is held already. */
export const applyPromotion = async (ctx: OrderContext, month?: string): Promise<PromoteResult> => {
  const { inventory, plan } = await planned(ctx, month)
  const promoted: PromoteResult['promoted'][number][] = []
  const faults: PromoteResult['faults'][number][] = []
  for (const promotion of plan.promote) {
    ctx.stop.throwIfAborted()
    try {
      const key = await promoteOne(ctx, inventory, promotion)
      promoted.push({
        month: promotion.month,
        key,
        from: promotion.from.key,
        sizeBytes: promotion.from.manifest.sizeBytes,
      })
      ctx.journal.info(`The backup of ${promotion.from.period} is now the monthly of ${promotion.month}.`, { key })
    } catch (thrown) {
      faults.push({ month: promotion.month, fault: asFault(thrown) })
    }
  }
  return { plan, dryRun: false, promoted, faults }
}

const planned = async (
  ctx: OrderContext,
  month: string | undefined,
): Promise<{ inventory: Inventory; plan: PromotionPlan }> => {
  const inventory = await readInventory(ctx.vault)
  const plan = planPromotion(inventory, ctx.policy, ctx.clock.now())
  if (month === undefined) return { inventory, plan }
  const ofMonth = {
    ...plan,
    promote: plan.promote.filter((one) => one.month === month),
    held: plan.held.filter((one) => one.month === month),
  }
  const isDone = inventory.catalog.some(
    (backup) => backup.tier === 'monthly' && backup.period === month && isComplete(backup),
  )
  if (!isDone && ofMonth.promote.length + ofMonth.held.length === 0)
    throw new Fault('no-such-backup', `There is no good daily of ${month} that could become its monthly.`, {
      hint: 'See what there is: oslrs-backup list',
    })
  return { inventory, plan: ofMonth }
}

/** Copy, prove by reading back, and only then a manifest of its own that says the truth about itself. */
const promoteOne = async (ctx: OrderContext, inventory: Inventory, { month, from }: Promotion): Promise<ObjectKey> => {
  const { vault } = ctx
  const { store, layout } = vault
  requireSigner(vault, ctx.signingKey, 'A monthly')
  const parts = parseKey(layout, from.key)
  if (parts?.kind !== 'data') throw new TypeError(`a backup's key is no data key: ${from.key}`)
  const requireUnchanged = async (manifestKey: ObjectKey): Promise<void> => {
    if (await isUnchanged(store, inventory, manifestKey)) return
    throw new Fault('refused', `${manifestKey} has changed since the plan was made.`, {
      hint: 'Another run is at work. Try again: oslrs-backup promote',
    })
  }
  await requireUnchanged(from.manifestKey)

  const key = makeKey(layout, { ...parts, tier: 'monthly', period: month, revision: 1 })
  const etag = await copyProved(ctx, from.manifest, from.key, key)
  const { signature: _, ...daily } = from.manifest
  const monthly = signed(
    {
      ...daily,
      s3Key: key,
      filename: fileNameOf(key),
      retentionTier: 'monthly',
      storage: { ...store.place, etag },
      promotedFrom: from.key,
    },
    ctx.signingKey,
  )
  // Another host may have been faster.
  await requireUnchanged(makeKey(layout, { kind: 'manifest', tier: 'monthly', period: month }))
  await commit(vault, monthly)
  return key
}

/** The copy's entity tag. A whole copy that an earlier, interrupted promotion left is taken as it is. */
const copyProved = async (
  { vault: { store } }: OrderContext,
  { sizeBytes, checksumSha256 }: Manifest,
  from: ObjectKey,
  to: ObjectKey,
): Promise<string | null> => {
  const wanted = { sizeBytes, sha256: checksumSha256, etag: null }
  if ((await store.head(to)) !== undefined) {
    await store.prove(to, wanted).catch((thrown: unknown) => {
      if (asFault(thrown).code !== 'damaged') throw thrown
      throw new Fault('refused', `${to} is in the way: no manifest speaks for it, and it is another archive.`, {
        hint: 'prune removes it after 48 h if it is ours. If it is a backup of the previous system, this month has one.',
      })
    })
    return null
  }
  const copied = await store.copy(from, to, { ifAbsent: true })
  try {
    await store.prove(to, wanted)
  } catch (thrown) {
    // It is ours, of this moment, and nothing points to it.
    await store.delete(to).catch(() => undefined)
    throw thrown
  }
  return copied.etag
}
