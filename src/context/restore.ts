import { systemClock } from '../adapters/clock.ts'
import { auditTrail } from '../adapters/postgres/audit-trail.ts'
import { restoreServer } from '../adapters/postgres/restore-server.ts'
import { writePrivateFile } from '../adapters/private-file.ts'
import type { FileContext } from '../commands/restore-to-file.ts'
import type { RestoreContext } from '../commands/restore-context.ts'
import { keyTablesOf, required } from '../config/derive.ts'
import { loadConfig } from '../config/load.ts'
import { parsePostgresUrl } from '../config/postgres-url.ts'
import type { Edge } from '../edge.ts'
import { Fault } from '../errors.ts'
import { opened, type CommonOptions, type Opened } from './parts.ts'
import { databaseOf } from './programs.ts'
import { readContext } from './read.ts'
import { vaultOf } from './vault.ts'

/** For `restore --to-file`: no database is needed. */
export const openRestoreToFile = async (edge: Edge, options: CommonOptions): Promise<Opened<FileContext>> => {
  const config = loadConfig(edge.environment, options.envFile, vaultOf)
  const { context } = await readContext(edge, options, config, opened(config.derived))
  return { secrets: config.secrets, context: { ...context, clock: systemClock, writePrivateFile } }
}

/** `targetUrl` is the text of --target-db; without it the target is DATABASE_URL. */
export const openRestore = async (
  edge: Edge,
  options: CommonOptions,
  targetUrl: string | undefined,
): Promise<Opened<RestoreContext>> => {
  const asked = targetUrl === undefined ? undefined : parsePostgresUrl(targetUrl)
  if (typeof asked === 'string')
    throw new Fault('usage', `The URL given with --target-db ${asked}.`, {
      hint: 'For example: --target-db postgres://me@127.0.0.1/app_db_restored',
    })
  const config = loadConfig(edge.environment, options.envFile, (values, faults) => ({
    target: asked ?? required(values, 'DATABASE_URL', faults),
    vault: vaultOf(values, faults),
    keyTables: keyTablesOf(values, faults),
  }))
  const target = opened(config.derived.target)
  const secrets = target.password === undefined ? config.secrets : [...config.secrets, target.password]
  const { context, tools, sessionName } = await readContext(
    edge,
    options,
    { ...config, secrets },
    opened(config.derived.vault),
  )
  return {
    secrets,
    context: {
      ...context,
      clock: systemClock,
      server: restoreServer(target, tools, {
        applicationName: sessionName,
        stop: edge.stop,
        swapSeconds: config.values.BACKUP_GIVE_WAY_SECONDS ?? 30,
      }),
      target: databaseOf(edge, config, target, sessionName),
      keyTables: config.derived.keyTables,
      audit: config.values.BACKUP_AUDIT === 'off' ? undefined : auditTrail(target, sessionName, systemClock, edge.stop),
      ask: edge.ask,
    },
  }
}
