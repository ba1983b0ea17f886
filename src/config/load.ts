import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Fault, isErrno } from '../errors.ts'
import { Secret } from '../secret.ts'
import { parseEnvFile } from './env-file.ts'
import type { Guarded } from './exposed.ts'
import { settings, type Setting, type SettingName, type Values } from './settings.ts'

export const standardEnvFile = '/etc/oslrs-backup/oslrs-backup.env'

export interface Config {
  readonly values: Values
  /** Everything that must not be printed, for `redact`. */
  readonly secrets: readonly Secret[]
  /** Where it comes from, and the keys, the store and the memory that it names. */
  readonly guarded: Guarded
}

type Environment = Readonly<Record<string, string | undefined>>

export const isSettingName = (text: string): text is SettingName => Object.hasOwn(settings, text)

const names = Object.keys(settings) as SettingName[]

const readSmallFile = (path: string): string => {
  const content = readFileSync(path)
  if (content.byteLength > 1_000_000) throw new RangeError('larger than a megabyte')
  return content.toString('utf8')
}
const whyUnreadable = (thrown: unknown): string => {
  if (isErrno(thrown, 'ENOENT')) return 'it does not exist'
  if (isErrno(thrown, 'EACCES', 'EPERM')) return 'permission denied'
  if (isErrno(thrown, 'EISDIR')) return 'it is a folder'
  return thrown instanceof Error ? thrown.message : 'it cannot be read'
}

/** What a file in the manner of our own says, whatever its names are. Throws Fault `configuration`. */
export const readForeignEnvFile = (path: string): ReadonlyMap<string, string> => {
  try {
    return parseEnvFile(readSmallFile(path)).values
  } catch (thrown) {
    throw new Fault('configuration', `The file ${path} cannot be read: ${whyUnreadable(thrown)}.`, { cause: thrown })
  }
}

const readEnvFile = (asked: string | undefined, faults: string[]): Environment => {
  const path = asked ?? standardEnvFile
  try {
    const { values, faultyLines } = parseEnvFile(readSmallFile(path))
    for (const line of faultyLines) faults.push(`${path}, line ${String(line)}: is not NAME=value`)
    for (const name of values.keys())
      // A mistyped name would otherwise be a setting that silently does not hold.
      if (
        /^(BACKUP|VERIFY)_/.test(name) &&
        !names.some((known) => name === known || (settings[known].secret && name === `${known}_FILE`))
      )
        faults.push(`${path}: ${name} is not a name of the configuration`)
    return Object.fromEntries(values)
  } catch (thrown) {
    if (asked !== undefined || !isErrno(thrown, 'ENOENT')) faults.push(`${path}: ${whyUnreadable(thrown)}`)
    return {}
  }
}

/**
 * The configuration, from (first wins): the process's environment, NAME_FILE in it, $CREDENTIALS_DIRECTORY/NAME, the
 * env file, NAME_FILE in that. An empty value counts as not set. `envFile` is the path given on the command line; the
 * standard one need not exist. `derive` makes of the values what the command needs, and adds its faults to the list.
 *
 * Throws one Fault (`configuration`) that lists every fault found, each naming the setting and never its value.
 */
export const loadConfig = <T>(
  environment: Environment,
  envFile: string | undefined,
  derive: (values: Values, faults: string[]) => T,
): Config & { readonly derived: T } => {
  const { faults, ...config } = loadWhatHolds(environment, envFile, derive)
  if (faults.length > 0) throw configurationFault(faults, envFile)
  return config
}

/**
 * As `loadConfig`, without throwing: what is at fault counts as not set. For those who must tell of a failure, which may be
 * the configuration's own.
 */
export const loadWhatHolds = <T>(
  environment: Environment,
  envFile: string | undefined,
  derive: (values: Values, faults: string[]) => T,
): Config & { readonly derived: T; readonly faults: readonly string[] } => {
  const faults: string[] = []
  const file = readEnvFile(envFile, faults)
  const credentials = environment['CREDENTIALS_DIRECTORY']

  const fromFile = (name: string, path: string | undefined): string | undefined => {
    if (path === undefined || path === '') return undefined
    try {
      return readSmallFile(path).replace(/\r?\n$/, '')
    } catch (thrown) {
      faults.push(`${name}: the file ${path} cannot be read: ${whyUnreadable(thrown)}`)
      return undefined
    }
  }
  const fromCredentials = (name: string): string | undefined => {
    if (credentials === undefined || credentials === '') return undefined
    try {
      return readSmallFile(join(credentials, name)).replace(/\r?\n$/, '')
    } catch (thrown) {
      if (!isErrno(thrown, 'ENOENT')) faults.push(`${name}: its credential cannot be read: ${whyUnreadable(thrown)}`)
      return undefined
    }
  }
  const given = (name: SettingName): string | undefined => {
    const present = (value: string | undefined): value is string => value !== undefined && value.trim() !== ''
    const ways: (() => string | undefined)[] = settings[name].secret
      ? [
          () => environment[name],
          () => fromFile(name, environment[`${name}_FILE`]),
          () => fromCredentials(name),
          () => file[name],
          () => fromFile(name, file[`${name}_FILE`]),
        ]
      : [() => environment[name], () => file[name]]
    for (const way of ways) {
      const value = way()
      if (present(value)) return value
    }
    return undefined
  }

  const values: Partial<Record<SettingName, unknown>> = {}
  const secrets: Secret[] = []
  for (const name of names) {
    const setting: Setting<unknown> = settings[name]
    const value = given(name)
    const text = value ?? setting.standard
    if (text === undefined) continue
    const result = setting.parse.safeParse(text)
    if (!result.success) for (const issue of result.error.issues) faults.push(`${name} ${issue.message}`)
    else {
      values[name] = result.data
      if (setting.secret) secrets.push(new Secret(text), ...secretsWithin(result.data))
    }
  }
  const derived = derive(values as Values, faults)
  const guarded = guardedBy(environment, { path: envFile ?? standardEnvFile, names: file }, values as Values)
  return { values: values as Values, secrets, guarded, derived, faults }
}

const guardedBy = (
  environment: Environment,
  file: { readonly path: string; readonly names: Environment },
  values: Values,
): Guarded => {
  const secretNames = names.filter((name) => settings[name].secret)
  const isAbsolute = (path: string | undefined): path is string => path?.startsWith('/') === true
  return {
    secret: [
      ...(secretNames.some((name) => file.names[name] !== undefined) ? [file.path] : []),
      ...secretNames.flatMap((name) => [environment[`${name}_FILE`], file.names[`${name}_FILE`]]),
      values.BACKUP_SIGNING_KEY_FILE,
      values.BACKUP_AGE_IDENTITY_FILE,
    ].filter(isAbsolute),
    believed: [
      file.path,
      ...(values.BACKUP_TRUSTED_KEYS ?? []),
      values.BACKUP_STORE_DIR,
      values.BACKUP_STATE_DIR,
    ].filter(isAbsolute),
  }
}

const secretsWithin = (value: unknown): Secret[] => {
  if (value instanceof Secret) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsWithin) : []
}

/** The one form in which faults of the configuration are told: all of them, with where to mend them. */
export const configurationFault = (all: readonly string[], envFile = standardEnvFile): Fault =>
  new Fault(
    'configuration',
    all.length === 1 ? 'The configuration has a fault.' : `The configuration has ${String(all.length)} faults.`,
    {
      all,
      hint: `Mend them in ${envFile} (or the environment); README.md, "Configuration", explains each name.`,
    },
  )
