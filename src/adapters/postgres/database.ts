import { randomBytes } from 'node:crypto'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import type { Clock, Database } from '../../ports.ts'
import { withClient } from './connect.ts'
import { inspect } from './inspect.ts'
import { holdingLock } from './lock.ts'
import { inSnapshot } from './snapshot.ts'

export interface DatabaseSettings {
  readonly lockSeconds: number
  readonly giveWaySeconds: number
  /** Cuts every session, also those that wait for a server that does not answer. */
  readonly stop: AbortSignal
}

/** A name for this run's sessions, and no other's: how we know whom others wait for. */
export const newSessionName = (): string => `oslrs-backup ${randomBytes(4).toString('hex')}`

export const postgresDatabase = (
  target: PostgresTarget,
  settings: DatabaseSettings,
  applicationName: string,
  clock: Clock,
): Database => ({
  inspect: () => withClient(target, { applicationName, signal: settings.stop }, (client) => inspect(client, target)),
  holdingLock: (options, work) => holdingLock(target, { ...settings, applicationName }, clock, options, work),
  inSnapshot: (signal, work) => inSnapshot(target, { ...settings, applicationName }, signal, work),
})
