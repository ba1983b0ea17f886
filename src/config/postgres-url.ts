import { Secret } from '../secret.ts'

export const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
export type SslMode = (typeof sslModes)[number]

/** Where a PostgreSQL database is and who we are there, as both node-postgres and libpq's children need it. */
export interface PostgresTarget {
  /** Host name, address, or the folder of a unix socket (begins with `/`). */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: Secret | undefined
  readonly database: string
  readonly sslMode: SslMode | undefined
  readonly sslRootCert: string | undefined
  readonly sslCert: string | undefined
  readonly sslKey: string | undefined
}

const known = new Set(['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'host', 'port', 'user', 'password', 'dbname'])
/** Written by frameworks, meaningless to libpq: passed over. */
const ignored = new Set([
  'schema',
  'connection_limit',
  'pool_timeout',
  'pgbouncer',
  'application_name',
  'connect_timeout',
])

/** `%41` becomes `A`; a `%` that begins no escape stays, for generated passwords are often pasted raw. */
const decode = (text: string): string => {
  try {
    return decodeURIComponent(text.replace(/%(?![0-9a-fA-F]{2})/g, '%25'))
  } catch {
    return text
  }
}

const place = String.raw`(?<host>\[[0-9a-fA-F:.]+\]|[^@/?#:\[\]]*)(?::(?<port>\d{1,5}))?(?:/(?<database>[^@/?#]*))?(?:\?(?<query>[^@]*))?$`
// An @ after the host must be percent-encoded, so that the last raw one always ends the password.
// The first pattern is an ordinary URL. The second is for a password with raw / + = @ # % or spaces in it: it runs to the
// last @ after which a host can follow.
const patterns = [
  new RegExp(String.raw`^postgres(?:ql)?://(?:(?<user>[^:@/?#]*)(?::(?<password>[^@/?#]*))?@)?${place}`, 's'),
  new RegExp(String.raw`^postgres(?:ql)?://(?<user>[^:@/?#]*):(?<password>.*)@${place}`, 's'),
]

/**
 * Parses `postgres://user:password@host:port/database?sslmode=…`. The password may hold `/ + = @ # %` and spaces, raw
 * or percent-encoded. Returns a sentence instead when the text is no such URL; the sentence never repeats the text.
 */
export const parsePostgresUrl = (text: string): PostgresTarget | string => {
  const found = patterns.map((pattern) => pattern.exec(text.trim())?.groups).find((groups) => groups !== undefined)
  if (found === undefined) return 'must look like postgres://user:password@host:5432/database'
  const query = new Map<string, string>()
  for (const part of (found['query'] ?? '').split('&').filter((pair) => pair !== '')) {
    const [name = '', ...value] = part.split('=')
    if (ignored.has(name)) continue
    if (!known.has(name)) return `has the parameter "${name.slice(0, 40)}", which is not supported`
    query.set(name, decode(value.join('=')))
  }
  const sslMode = query.get('sslmode')
  if (sslMode !== undefined && !sslModes.some((mode) => mode === sslMode))
    return `has an sslmode that does not exist; it is one of ${sslModes.join(', ')}`
  const database = query.get('dbname') ?? decode(found['database'] ?? '')
  if (database === '') return 'names no database'
  const user = query.get('user') ?? decode(found['user'] ?? '')
  if (user === '') return 'names no user'
  const host = query.get('host') ?? decode((found['host'] ?? '').replace(/^\[|\]$/g, ''))
  if (host === '') return 'names no host'
  const portText = query.get('port') ?? found['port'] ?? '5432'
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0
  if (port < 1 || port > 65_535) return 'has a port that does not exist'
  if ([user, host, database].some((part) => part.includes('\0'))) return 'holds a zero byte'
  const password = query.get('password') ?? decode(found['password'] ?? '')
  return {
    host,
    port,
    user,
    password: password === '' ? undefined : new Secret(password),
    database,
    sslMode: sslModes.find((mode) => mode === sslMode),
    sslRootCert: query.get('sslrootcert'),
    sslCert: query.get('sslcert'),
    sslKey: query.get('sslkey'),
  }
}
