import { systemClock } from '../adapters/clock.ts'
import type { ListContext } from '../commands/list.ts'
import { loadConfig } from '../config/load.ts'
import type { Edge } from '../edge.ts'
import { journalOf, opened, policyOf, type CommonOptions, type Opened } from './parts.ts'
import { stateOf } from './state.ts'
import { openVault, vaultOf } from './vault.ts'

export const openList = async (edge: Edge, options: CommonOptions): Promise<Opened<ListContext>> => {
  const config = loadConfig(edge.environment, options.envFile, vaultOf)
  const vault = opened(config.derived)
  const target = config.values.DATABASE_URL
  return {
    secrets: config.secrets,
    context: {
      vault: await openVault(vault, edge.stop),
      clock: systemClock,
      policy: policyOf(config, vault),
      // The driver is read only where there is something to ask.
      replaced: async () =>
        target === undefined
          ? []
          : (await import('../adapters/postgres/replaced.ts')).askForReplaced(target, 'oslrs-backup list', edge.stop),
      state: stateOf(config, journalOf(edge, options, config.secrets)),
    },
  }
}
