import { systemClock } from '../adapters/clock.ts'
import { auditTrail } from '../adapters/postgres/audit-trail.ts'
import { newSessionName } from '../adapters/postgres/database.ts'
import type { ScheduledContext } from '../commands/scheduled-run.ts'
import type { TellContext } from '../commands/tell-context.ts'
import { configurationWarnings, keyTablesOf, recipientsOf, required, signingKeyOf } from '../config/derive.ts'
import { exposureWarnings } from '../config/exposed.ts'
import { loadConfig, loadWhatHolds } from '../config/load.ts'
import { mailSettingsOf } from '../config/mail.ts'
import type { Edge } from '../edge.ts'
import { machineMark } from './machine.ts'
import { journalOf, opened, policyOf, type CommonOptions, type Opened } from './parts.ts'
import { databaseOf, managerOf, pgToolsOf, programsOf } from './programs.ts'
import { tellContextOf } from './telling.ts'
import { openVault, vaultOf } from './vault.ts'
import packageJson from '../../package.json' with { type: 'json' }

/**
 * For whoever must tell of a failure when the command itself could not be opened: what of the configuration holds is used,
 * and the rest is done without.
 */
export const openTelling = async (edge: Edge, options: CommonOptions): Promise<Opened<TellContext>> => {
  const config = loadWhatHolds(edge.environment, options.envFile, (values, faults) => ({
    vault: vaultOf(values, faults),
    mail: mailSettingsOf(values, faults),
    standing: configurationWarnings(values, recipientsOf(values, faults), signingKeyOf(values, faults)),
  }))
  const { vault, mail, standing } = config.derived
  return {
    secrets: config.secrets,
    context: tellContextOf(edge, config, {
      journal: journalOf(edge, options, config.secrets),
      target: config.values.DATABASE_URL,
      mail,
      vault: vault === undefined ? undefined : await openVault(vault, edge.stop),
      standing: [...standing, ...exposureWarnings(config.guarded)],
    }),
  }
}

export const openRun = async (edge: Edge, options: CommonOptions): Promise<Opened<ScheduledContext>> => {
  const config = loadConfig(edge.environment, options.envFile, (values, faults) => ({
    target: required(values, 'DATABASE_URL', faults),
    vault: vaultOf(values, faults),
    recipients: recipientsOf(values, faults),
    signingKey: signingKeyOf(values, faults),
    keyTables: keyTablesOf(values, faults),
    mail: mailSettingsOf(values, faults),
  }))
  const { recipients, signingKey, keyTables, mail } = config.derived
  const [target, vault] = [opened(config.derived.target), opened(config.derived.vault)]
  const journal = journalOf(edge, options, config.secrets)
  const sessionName = newSessionName()
  const tools = pgToolsOf(edge, config, sessionName, journal)
  const openedVault = await openVault(vault, edge.stop)
  const warnings = [
    ...configurationWarnings(config.values, recipients, signingKey),
    ...exposureWarnings(config.guarded),
  ]
  return {
    secrets: config.secrets,
    context: {
      vault: openedVault,
      tell: tellContextOf(edge, config, { journal, target, mail, vault: openedVault, standing: warnings }),
      audit:
        config.values.BACKUP_AUDIT === 'off' ? undefined : auditTrail(target, newSessionName(), systemClock, edge.stop),
      database: databaseOf(edge, config, target, sessionName),
      programs: programsOf(edge, tools, target),
      journal,
      clock: systemClock,
      stop: edge.stop,
      environment: config.values.BACKUP_ENVIRONMENT ?? 'production',
      recipients,
      signingKey,
      keyTables,
      stallMs: (config.values.BACKUP_STALL_SECONDS ?? 60) * 1000,
      toolVersion: packageJson.version,
      machine: machineMark(),
      warnings,
      mayRemove: config.values.BACKUP_PRUNE !== 'off',
      policy: policyOf(config, vault),
      manager: managerOf(edge, journal),
      retryWaits: config.values.BACKUP_RETRY_WAITS ?? [],
    },
  }
}
