import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ageVersion, decrypt, encrypt } from './adapters/age.ts'
import { systemClock } from './adapters/clock.ts'
import { directoryStore } from './adapters/directory-store.ts'
import { findGzip } from './adapters/gzip.ts'
import { openJournal } from './adapters/journal.ts'
import { PgTools } from './adapters/pg-tools.ts'
import { newSessionName, postgresDatabase } from './adapters/postgres/database.ts'
import { restoreServer } from './adapters/postgres/restore-server.ts'
import type { ListContext } from './commands/list.ts'
import type { RestoreContext } from './commands/restore.ts'
import type { RunContext } from './commands/run-context.ts'
import type { Vault } from './commands/vault.ts'
import type { ReadContext } from './commands/verify.ts'
import {
  configurationWarnings,
  keyTablesOf,
  recipientsOf,
  required,
  s3SettingsOf,
  signingKeyOf,
  trustedKeysOf,
} from './config/derive.ts'
import { loadConfig, type Config } from './config/load.ts'
import { parsePostgresUrl, type PostgresTarget } from './config/postgres-url.ts'
import { settings, type Values } from './config/settings.ts'
import type { RetentionPeriods } from './domain/freshness.ts'
import type { Edge } from './edge.ts'
import { Fault } from './errors.ts'
import { redact, type Secret } from './secret.ts'
import type { Database, Journal, Programs, Store } from './ports.ts'
import packageJson from '../package.json' with { type: 'json' }

/** Flags that every command has. */
export interface CommonOptions {
  readonly json: boolean
  readonly verbose: boolean
  readonly envFile: string | undefined
}

/** What the process leaves behind when it is done: the secrets to keep out of an error's text. */
export interface Opened<T> {
  readonly context: T
  readonly secrets: readonly Secret[]
}

// -- the parts that several commands need, each adding its faults to the list

/** A store that is named and not opened yet: the SDK of one is too large to be read for the other. */
interface NamedVault extends Omit<Vault, 'store'> {
  readonly openStore: () => Promise<Store>
}

const openVault = async ({ openStore, ...rest }: NamedVault): Promise<Vault> => ({ ...rest, store: await openStore() })

const vaultOf = (values: Values, faults: string[]): NamedVault | undefined => {
  const trusted = trustedKeysOf(values, faults)
  const prefix = required(values, 'BACKUP_PREFIX', faults)
  const name = required(values, 'BACKUP_NAME', faults)
  if (prefix === undefined || name === undefined) return undefined
  const openStore = storeOf(values, prefix, faults)
  return openStore === undefined ? undefined : { openStore, layout: { prefix, name }, trusted }
}

const storeOf = (values: Values, prefix: string, faults: string[]): (() => Promise<Store>) | undefined => {
  const { BACKUP_STORE_DIR: folder, S3_ENDPOINT: endpoint, S3_BUCKET_NAME: bucket } = values
  if (folder !== undefined) {
    if (bucket !== undefined) faults.push('BACKUP_STORE_DIR and S3_BUCKET_NAME are both set; backups go to one place')
    return () => Promise.resolve(directoryStore(folder, prefix))
  }
  if (endpoint === undefined && bucket === undefined) {
    faults.push('Nowhere to store backups: set the S3 names, or BACKUP_STORE_DIR')
    return undefined
  }
  const settings = s3SettingsOf(values, faults)
  if (settings === undefined) return undefined
  return async () => (await import('./adapters/s3/store.ts')).s3Store(settings, prefix)
}

// -- the composition

const environmentOfPrograms = (edge: Edge): Readonly<Record<string, string>> => ({
  PATH: edge.environment['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
})

/** What `docker` and the like need of the environment; never PG*, NODE_* or our own names. */
const environmentOfCommand = (edge: Edge): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(edge.environment).flatMap(([name, value]) =>
      value !== undefined && /^(HOME|USER|XDG_\w+|DOCKER_\w+|PODMAN_\w+|KUBECONFIG|SSH_AUTH_SOCK)$/.test(name)
        ? [[name, value]]
        : [],
    ),
  )

const journalOf = (edge: Edge, options: CommonOptions, secrets: readonly Secret[]): Journal =>
  openJournal(
    {
      write: edge.stderr.write,
      terminal: edge.stderr.isTerminal,
      journald: (edge.environment['JOURNAL_STREAM'] ?? '') !== '',
      verbose: options.verbose,
      redact: (text) => redact(text, secrets),
    },
    systemClock,
  )

const programsOf = (edge: Edge, tools: PgTools, source: PostgresTarget | undefined): Programs => {
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

const databaseOf = (edge: Edge, config: Config, target: PostgresTarget, sessionName: string): Database =>
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

const pgToolsOf = (edge: Edge, config: Config, applicationName: string, journal: Journal): PgTools =>
  new PgTools(
    {
      command: config.values.BACKUP_PG_COMMAND ?? [],
      environment: environmentOfPrograms(edge),
      commandEnvironment: environmentOfCommand(edge),
      applicationName,
      lockSeconds: config.values.BACKUP_LOCK_SECONDS ?? 10,
    },
    journal,
  )

/** Names that are set and that this version only checks: silence would be taken for effect. */
const warnOfIdleSettings = (config: Config, journal: Journal): void => {
  const idle = [...config.set].filter((name) => !settings[name].inEffect)
  if (idle.length > 0) journal.warn(`Set, but without effect in this version: ${idle.join(', ')}.`)
}

/** Not the machine's id itself, which machine-id(5) asks to keep from others, but a value that only we derive from it. */
const machineMark = (): string | null => {
  try {
    const id = readFileSync('/etc/machine-id', 'utf8').trim()
    return id === '' ? null : createHmac('sha256', id).update('oslrs-backup').digest('hex').slice(0, 16)
  } catch {
    return null
  }
}

const opened = <T>(value: T | undefined): T => {
  // loadConfig has thrown before, when anything needed was missing.
  if (value === undefined) throw new TypeError('the configuration was taken for complete and is not')
  return value
}

const periodsOf = ({ values }: Config): RetentionPeriods => ({
  dailyDays: values.BACKUP_DAILY_DAYS ?? 7,
  monthlyMonths: values.BACKUP_MONTHLY_MONTHS ?? 84,
})

export const openRun = async (edge: Edge, options: CommonOptions): Promise<Opened<RunContext>> => {
  const config = loadConfig(edge.environment, options.envFile, (values, faults) => ({
    target: required(values, 'DATABASE_URL', faults),
    vault: vaultOf(values, faults),
    recipients: recipientsOf(values, faults),
    signingKey: signingKeyOf(values, faults),
    keyTables: keyTablesOf(values, faults),
  }))
  const { recipients, signingKey, keyTables, vault } = config.derived
  const target = opened(config.derived.target)
  const journal = journalOf(edge, options, config.secrets)
  warnOfIdleSettings(config, journal)
  const sessionName = newSessionName()
  const tools = pgToolsOf(edge, config, sessionName, journal)
  return {
    secrets: config.secrets,
    context: {
      vault: await openVault(opened(vault)),
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
      warnings: configurationWarnings(config.values, recipients, signingKey),
      mayRemove: config.values.BACKUP_PRUNE !== 'off',
      periods: periodsOf(config),
    },
  }
}

export const openList = async (edge: Edge, options: CommonOptions): Promise<Opened<ListContext>> => {
  const config = loadConfig(edge.environment, options.envFile, vaultOf)
  return {
    secrets: config.secrets,
    context: {
      vault: await openVault(opened(config.derived)),
      clock: systemClock,
      periods: periodsOf(config),
    },
  }
}

const readContext = async (
  edge: Edge,
  options: CommonOptions,
  config: Config,
  vault: NamedVault | undefined,
): Promise<{ context: ReadContext; tools: PgTools; sessionName: string }> => {
  const journal = journalOf(edge, options, config.secrets)
  const sessionName = newSessionName()
  const tools = pgToolsOf(edge, config, sessionName, journal)
  return {
    tools,
    sessionName,
    context: {
      vault: await openVault(opened(vault)),
      programs: programsOf(edge, tools, undefined),
      journal,
      stop: edge.stop,
      identityFile: config.values.BACKUP_AGE_IDENTITY_FILE,
      stallMs: (config.values.BACKUP_STALL_SECONDS ?? 60) * 1000,
    },
  }
}

export const openVerify = async (edge: Edge, options: CommonOptions): Promise<Opened<ReadContext>> => {
  const config = loadConfig(edge.environment, options.envFile, vaultOf)
  return { secrets: config.secrets, context: (await readContext(edge, options, config, config.derived)).context }
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
  }))
  const target = opened(config.derived.target)
  const secrets = target.password === undefined ? config.secrets : [...config.secrets, target.password]
  const { context, tools, sessionName } = await readContext(edge, options, { ...config, secrets }, config.derived.vault)
  return {
    secrets,
    context: {
      ...context,
      clock: systemClock,
      server: restoreServer(target, tools, sessionName, edge.stop),
      target: databaseOf(edge, config, target, sessionName),
    },
  }
}
