import type { PgTools } from '../adapters/pg-tools.ts'
import { newSessionName } from '../adapters/postgres/database.ts'
import type { ReadContext } from '../commands/verify.ts'
import { exposureWarnings } from '../config/exposed.ts'
import type { Config } from '../config/load.ts'
import type { Edge } from '../edge.ts'
import { journalOf, policyOf, type CommonOptions } from './parts.ts'
import { pgToolsOf, programsOf } from './programs.ts'
import { openVault, type NamedVault } from './vault.ts'

/** What `verify` and `restore` have in common: how to find a backup, and how to open it. */
export const readContext = async (
  edge: Edge,
  options: CommonOptions,
  config: Config,
  vault: NamedVault,
): Promise<{ context: ReadContext; tools: PgTools; sessionName: string }> => {
  const journal = journalOf(edge, options, config.secrets)
  for (const sentence of exposureWarnings(config.guarded)) journal.warn(sentence)
  const sessionName = newSessionName()
  const tools = pgToolsOf(edge, config, sessionName, journal)
  return {
    tools,
    sessionName,
    context: {
      vault: await openVault(vault, edge.stop),
      programs: programsOf(edge, tools, undefined),
      journal,
      stop: edge.stop,
      identityFile: config.values.BACKUP_AGE_IDENTITY_FILE,
      olderKey: config.values.BACKUP_ENCRYPTION_KEY,
      stallMs: (config.values.BACKUP_STALL_SECONDS ?? 60) * 1000,
      policy: policyOf(config, vault),
    },
  }
}
