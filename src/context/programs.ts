import { ageVersion, decrypt, encrypt } from '../adapters/age.ts'
import { systemClock } from '../adapters/clock.ts'
import { findGzip } from '../adapters/gzip.ts'
import { PgTools } from '../adapters/pg-tools.ts'
import { postgresDatabase } from '../adapters/postgres/database.ts'
import { systemdManager } from '../adapters/systemd.ts'
import type { Config } from '../config/load.ts'
import type { PostgresTarget } from '../config/postgres-url.ts'
import type { Edge } from '../edge.ts'
import type { Database, Journal, Programs } from '../ports.ts'
import type { ServiceManager } from '../ports/service-manager.ts'

export const environmentOfPrograms = (edge: Edge): Readonly<Record<string, string>> => ({
  PATH: edge.environment['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
})

/** What `docker` and the like need of the environment; never PG*, NODE_* or our own names. */
export const environmentOfCommand = (edge: Edge): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(edge.environment).flatMap(([name, value]) =>
      value !== undefined && /^(HOME|USER|XDG_\w+|DOCKER_\w+|PODMAN_\w+|KUBECONFIG|SSH_AUTH_SOCK)$/.test(name)
        ? [[name, value]]
        : [],
    ),
  )

export const programsOf = (edge: Edge, tools: PgTools, source: PostgresTarget | undefined): Programs => {
  const environment = environmentOfPrograms(edge)
  return {
    dumperFor: (database) => {
      if (source === undefined) throw new TypeError('no database was configured')
      return tools.dumperFor(source, database)
    },
    gzip: () => findGzip(environment, edge.zlibVersion),
    ageVersion: () => ageVersion(environment),
    encrypt: (input, recipients, flow) => encrypt(environment, input, recipients, flow),
    decrypt: (input, identityFile, flow) => decrypt(environment, input, identityFile, flow),
  }
}

export const databaseOf = (edge: Edge, config: Config, target: PostgresTarget, sessionName: string): Database =>
  postgresDatabase(
    target,
    {
      lockSeconds: config.values.BACKUP_LOCK_SECONDS ?? 10,
      giveWaySeconds: config.values.BACKUP_GIVE_WAY_SECONDS ?? 30,
      stop: edge.stop,
    },
    sessionName,
    systemClock,
  )

export const pgToolsOf = (edge: Edge, config: Config, applicationName: string, journal: Journal): PgTools =>
  new PgTools(
    {
      command: config.values.BACKUP_PG_COMMAND ?? [],
      environment: environmentOfPrograms(edge),
      commandEnvironment: environmentOfCommand(edge),
      meter: { file: edge.meter[0], args: edge.meter.slice(1), environment: environmentOfPrograms(edge) },
      applicationName,
      lockSeconds: config.values.BACKUP_LOCK_SECONDS ?? 10,
    },
    journal,
  )

export const managerOf = (edge: Edge, journal: Journal): ServiceManager =>
  systemdManager(environmentOfPrograms(edge), edge.environment['RUNTIME_DIRECTORY'], journal)
