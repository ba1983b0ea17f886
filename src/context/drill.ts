import { hostname } from 'node:os'
import { systemClock } from '../adapters/clock.ts'
import { privateCluster } from '../adapters/scratch/private-cluster.ts'
import { targetDatabase } from '../adapters/scratch/target-database.ts'
import { verifyServer } from '../adapters/scratch/verify-server.ts'
import type { DrillContext } from '../commands/drill-context.ts'
import { required, signingKeyOf } from '../config/derive.ts'
import { loadConfig, type Config } from '../config/load.ts'
import { mailSettingsOf } from '../config/mail.ts'
import { parsePostgresUrl, type PostgresTarget } from '../config/postgres-url.ts'
import type { Edge } from '../edge.ts'
import { Fault } from '../errors.ts'
import { opened, type CommonOptions, type Opened } from './parts.ts'
import { environmentOfPrograms, pgToolsOf } from './programs.ts'
import { readContext } from './read.ts'
import { tellContextOf } from './telling.ts'
import { vaultOf } from './vault.ts'
import packageJson from '../../package.json' with { type: 'json' }

/** `targetUrl` is the text of --target-db. Without it and without VERIFY_DATABASE_URL, a cluster of the drill's own. */
export const openDrill = async (
  edge: Edge,
  options: CommonOptions,
  targetUrl: string | undefined,
): Promise<Opened<DrillContext>> => {
  const asked = targetUrl === undefined ? undefined : targetOf(targetUrl)
  const config = loadConfig(edge.environment, options.envFile, (values, faults) => ({
    vault: vaultOf(values, faults),
    signingKey: signingKeyOf(values, faults),
    mail: mailSettingsOf(values, faults),
    stateFolder: required(values, 'BACKUP_STATE_DIR', faults),
  }))
  const { values, derived } = config
  const secrets = asked?.password === undefined ? config.secrets : [...config.secrets, asked.password]
  const { context, tools, sessionName } = await readContext(
    edge,
    options,
    { ...config, secrets },
    opened(derived.vault),
  )
  const parts = { tools, applicationName: sessionName, stop: edge.stop, clock: systemClock, journal: context.journal }
  return {
    secrets,
    context: {
      ...context,
      clock: systemClock,
      signingKey: derived.signingKey,
      host: hostname(),
      environment: values.BACKUP_ENVIRONMENT ?? 'production',
      toolVersion: packageJson.version,
      tell: tellContextOf(edge, config, {
        journal: context.journal,
        target: values.DATABASE_URL,
        mail: derived.mail,
        vault: context.vault,
        standing: [],
      }),
      place:
        asked !== undefined
          ? targetDatabase(asked, parts)
          : values.VERIFY_DATABASE_URL !== undefined
            ? verifyServer(values.VERIFY_DATABASE_URL, parts)
            : privateCluster(
                { stateFolder: opened(derived.stateFolder), environment: environmentOfPrograms(edge) },
                // A command put before pg_dump and psql runs them somewhere else, where this cluster is not.
                { ...parts, tools: pgToolsOf(edge, withoutPgCommand(config), sessionName, context.journal) },
              ),
    },
  }
}

const withoutPgCommand = (config: Config): Config => ({
  ...config,
  values: { ...config.values, BACKUP_PG_COMMAND: undefined },
})

/** The database that the flag names; its fault is one of usage. */
const targetOf = (url: string): PostgresTarget => {
  const target = parsePostgresUrl(url)
  if (typeof target !== 'string') return target
  throw new Fault('usage', `The URL given with --target-db ${target}.`, {
    hint: 'For example: --target-db postgres://me@127.0.0.1/app_db_restored',
  })
}
