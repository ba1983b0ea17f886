import { systemClock } from '../adapters/clock.ts'
import { newSessionName } from '../adapters/postgres/database.ts'
import type { LockedContext } from '../commands/order-context.ts'
import { signingKeyOf } from '../config/derive.ts'
import { loadConfig } from '../config/load.ts'
import type { Edge } from '../edge.ts'
import { journalOf, opened, policyOf, type CommonOptions, type Opened } from './parts.ts'
import { databaseOf } from './programs.ts'
import { openVault, vaultOf } from './vault.ts'

/** For `promote` and `prune`: a database only for its lock, where there is one. */
export const openOrder = async (edge: Edge, options: CommonOptions): Promise<Opened<LockedContext>> => {
  const config = loadConfig(edge.environment, options.envFile, (values, faults) => ({
    vault: vaultOf(values, faults),
    signingKey: signingKeyOf(values, faults),
  }))
  const { signingKey } = config.derived
  const vault = opened(config.derived.vault)
  const target = config.values.DATABASE_URL
  return {
    secrets: config.secrets,
    context: {
      vault: await openVault(vault, edge.stop),
      database: target === undefined ? undefined : databaseOf(edge, config, target, newSessionName()),
      journal: journalOf(edge, options, config.secrets),
      clock: systemClock,
      stop: edge.stop,
      signingKey,
      mayRemove: config.values.BACKUP_PRUNE !== 'off',
      policy: policyOf(config, vault),
    },
  }
}
