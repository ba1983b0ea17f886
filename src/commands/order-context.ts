import type { KeyObject } from 'node:crypto'
import type { RetentionPolicy } from '../domain/retention.ts'
import type { Clock, Database, Journal } from '../ports.ts'
import type { Vault } from './vault.ts'

/** What promoting and pruning work with, alone and at the end of a run. */
export interface OrderContext {
  readonly vault: Vault
  readonly journal: Journal
  readonly clock: Clock
  /** Aborts on SIGTERM and SIGINT, and when the lock is lost; its reason is the Fault to end with. */
  readonly stop: AbortSignal
  readonly policy: RetentionPolicy
  readonly signingKey: KeyObject | undefined
  /** False where another host prunes (BACKUP_PRUNE=off). */
  readonly mayRemove: boolean
}

/** The database whose lock keeps others away meanwhile; undefined on hosts that have none. */
export interface LockedContext extends OrderContext {
  readonly database: Database | undefined
}

export const holdingLock = <T>(ctx: LockedContext, work: (ctx: OrderContext) => Promise<T>): Promise<T> =>
  ctx.database === undefined
    ? work(ctx)
    : ctx.database.holdingLock({ giveWay: false }, (lock) =>
        work({ ...ctx, stop: AbortSignal.any([ctx.stop, lock.signal]) }),
      )
