import { acceptanceOf, type Ack } from '../domain/ack.ts'
import { acceptedWith, judgeDailies } from '../domain/anomaly.ts'
import { isComplete } from '../domain/catalog.ts'
import { makeKey } from '../domain/key.ts'
import { Fault } from '../errors.ts'
import type { OrderContext } from './order-context.ts'
import { requireSigner } from './signer.ts'
import { readInventory, writeText } from './vault.ts'

export interface Acceptance {
  readonly date: string
  readonly reason: string
}

/**
 * A person says that what is missing from the backup of that day is meant to be. It counts as good from now on, and so do
 * its neighbours that have lost no more. Returns the acceptance; undefined when that day's backup carries no anomaly that
 * is not accepted already.
 *
 * @throws `no-such-backup`; `configuration` where acceptances must be signed with a key that is not here.
 */
export const acceptAnomaly = async (ctx: OrderContext, { date, reason }: Acceptance): Promise<Ack | undefined> => {
  const { store, layout } = ctx.vault
  await store.check('write')
  const { catalog, acks } = await readInventory(ctx.vault)
  const backup = catalog.filter(isComplete).find(({ tier, period }) => tier === 'daily' && period === date)
  if (backup === undefined)
    throw new Fault('no-such-backup', `There is no complete backup of the day ${date}.`, {
      hint: 'See what there is: oslrs-backup list',
    })
  const anomalies = judgeDailies(catalog, acks).suspicions.get(backup.key)
  if (anomalies === undefined) return undefined
  // An earlier acceptance of the same day will be written over: what it made good is judged again.
  const { suspicions } = judgeDailies(
    catalog,
    acks.filter((ack) => ack.date !== date),
  )
  requireSigner(ctx.vault, ctx.signingKey, 'An acceptance')
  const ack = acceptanceOf(backup, {
    neighbours: acceptedWith({ catalog, suspicions }, backup),
    anomalies,
    reason,
    now: ctx.clock.now(),
    key: ctx.signingKey,
  })
  await writeText(store, makeKey(layout, { kind: 'ack', date }), `${JSON.stringify(ack, undefined, 2)}\n`, {
    ifAbsent: false,
  })
  ctx.journal.info(`The anomaly of ${date} is accepted.`)
  return ack
}
