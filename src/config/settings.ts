import { bech32 } from '@scure/base'
import * as z from 'zod'
import { Secret } from '../secret.ts'
import { deliverable } from '../domain/addresses.ts'
import { parseSender, type MailAddress } from './mail-address.ts'
import { parsePostgresUrl, type PostgresTarget } from './postgres-url.ts'
import { parseSmtpUrl, type SmtpServer } from './smtp-url.ts'

/** One name of the configuration: how it is read, and what the README's table says of it. */
export interface Setting<T> {
  readonly parse: z.ZodType<T, string>
  /** What holds when the name is not set, as text; `undefined`: nothing. */
  readonly standard: string | undefined
  /** Never printed; may also come from NAME_FILE or $CREDENTIALS_DIRECTORY/NAME. */
  readonly secret: boolean
  /** For the README: a sentence or two. */
  readonly about: string
}

interface More {
  readonly standard?: string
  readonly secret?: true
}
const setting = <T>(parse: z.ZodType<T, string>, about: string, more: More = {}): Setting<T> => ({
  parse,
  about,
  standard: more.standard,
  secret: more.secret === true,
})

const text = z.string()
const parsed = <T>(read: (value: string) => T | string): z.ZodType<Exclude<T, string>, string> =>
  z.string().transform((value, context) => {
    const result = read(value.trim())
    if (typeof result !== 'string') return result as Exclude<T, string>
    context.addIssue({ code: 'custom', message: result })
    return z.NEVER
  })

const wholeNumber = (least: number, most: number): z.ZodType<number, string> =>
  parsed((value) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN
    return number >= least && number <= most
      ? number
      : `must be a whole number from ${String(least)} to ${String(most)}`
  })
const choice = <const T extends string>(...words: readonly T[]): z.ZodType<T, string> =>
  z.enum(words, { error: `must be ${words.map((word) => `"${word}"`).join(' or ')}` })
const secret = text.transform((value) => new Secret(value))
const matching = (pattern: RegExp, message: string): z.ZodType<string, string> => text.regex(pattern, message)
const words = (value: string): string[] => value.split(/[\s,]+/).filter((word) => word !== '')
const absolutePath = matching(/^\/[^\0]*$/, 'must be an absolute path')

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/
const parseEndpoint = (value: string): URL | string => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !['https:', 'http:'].includes(url.protocol)) return 'must be a URL that begins with https://'
  if (url.username !== '' || url.search !== '' || url.pathname !== '/')
    return 'must be the address of the service alone: no bucket, no keys, no path'
  if (url.protocol === 'http:' && !loopback.test(url.hostname))
    return 'must begin with https://: over http anybody on the way could read the keys'
  return url
}

/** Kept as a Secret: whoever knows it can say that all is well. */
export interface PingUrl {
  readonly host: string
  readonly url: Secret
}
const parsePingUrl = (value: string): PingUrl | string => {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !['https:', 'http:'].includes(url.protocol)) return 'must be a URL that begins with https://'
  if (url.protocol === 'http:' && !loopback.test(url.hostname)) return 'must begin with https://'
  if (url.search !== '' || url.hash !== '') return 'must have no ? and no #: /start and /fail are put at its end'
  return { host: url.host, url: new Secret(url.href.replace(/\/+$/, '')) }
}

const emailAddress = text.transform((value, context) => {
  const address = deliverable(value)
  if (address !== undefined) return address
  context.addIssue({ code: 'custom', message: 'is not an address that can be delivered' })
  return z.NEVER
})
const alertAddresses = parsed<readonly string[]>((value) => {
  const entries = value.split(/[\s,;]+/).filter((word) => word !== '')
  const faulty = entries.findIndex((entry) => deliverable(entry) === undefined)
  return faulty < 0 ? entries : `entry ${String(faulty + 1)} is not an address that can be delivered`
})

const postgresUrl = parsed<PostgresTarget>(parsePostgresUrl)

/** `age1…`: bech32 with the prefix "age" over the 32 bytes of an X25519 public key (age-encryption.org/v1). */
export const isAgeRecipient = (value: string): boolean => {
  const decoded = bech32.decodeUnsafe(value, 90)
  // bech32 itself would take upper case as well; age does not.
  return value.startsWith('age1') && decoded?.prefix === 'age' && bech32.fromWordsUnsafe(decoded.words)?.length === 32
}
const ageRecipients = parsed<readonly string[]>((value) => {
  const recipients = words(value)
  const faulty = recipients.findIndex((recipient) => !isAgeRecipient(recipient))
  if (recipients.length === 0) return 'names no recipient'
  if (faulty >= 0)
    return `entry ${String(faulty + 1)} is not an age recipient (age1…, 62 characters, with a valid checksum)`
  return [...new Set(recipients)]
})

/**
 * Every name that the configuration knows. This record is the one place: it validates, it makes the README's table
 * (`npm run docs`), and it tells what must be kept out of every output.
 */
export const settings = {
  DATABASE_URL: setting(
    postgresUrl,
    'The database to back up: `postgres://user:password@127.0.0.1:5432/app_db`. The password may hold `/ + = @ # %` and spaces, raw or percent-encoded; `?sslmode=` and its companions as in libpq.',
    { secret: true },
  ),
  BACKUP_STORE_DIR: setting(
    absolutePath,
    'Store backups in this folder instead of S3: to try the tool out, or for a second copy on a mounted disk.',
  ),
  S3_ENDPOINT: setting(
    parsed<URL>(parseEndpoint),
    'URL of the S3 service, for example `https://fra1.digitaloceanspaces.com`. `https`, or `http` to this machine itself.',
  ),
  S3_REGION: setting(
    matching(/^[A-Za-z0-9-]{1,63}$/, 'must be letters, digits and -'),
    'Region of the bucket, as the provider names it.',
    { standard: 'us-east-1' },
  ),
  S3_BUCKET_NAME: setting(
    matching(
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
      'is not the name of a bucket (3 to 63 lower-case letters, digits, - and .)',
    ),
    'The bucket. It should hold nothing else, and have no lifecycle rules.',
  ),
  S3_ACCESS_KEY: setting(secret, 'Access key of the bucket.', { secret: true }),
  S3_SECRET_KEY: setting(secret, 'Secret key of the bucket.', { secret: true }),
  BACKUP_ALLOWED_HOSTS: setting(
    parsed<readonly string[]>((value) => words(value.toLowerCase())),
    'Hosts that backups may be sent to (data residency), separated by commas; `.example.org` also allows the hosts below it. Any other endpoint is refused before a byte leaves.',
  ),
  BACKUP_PREFIX: setting(
    matching(
      /^([A-Za-z0-9_-][A-Za-z0-9._-]*\/)+$/,
      'must be folder names of letters, digits, dots, - and _, each followed by /',
    ),
    'Everything the tool stores lies under this prefix, and it never looks outside.',
    { standard: 'backups/' },
  ),
  BACKUP_NAME: setting(
    matching(/^[A-Za-z0-9_-]{1,63}$/, 'must be 1 to 63 letters, digits, - or _'),
    "Label in the names of the backups. Not the database's name, though it may be the same.",
    { standard: 'app_db' },
  ),
  BACKUP_ENVIRONMENT: setting(
    matching(/^[A-Za-z0-9_-]{1,63}$/, 'must be 1 to 63 letters, digits, - or _'),
    'Which installation this is; written into each manifest, so that a laptop is not taken for production.',
    { standard: 'production' },
  ),
  BACKUP_ENCRYPTION: setting(
    choice('age', 'none'),
    '`none` switches encryption off, and must be written out. Anything malformed is an error, never plain text.',
    { standard: 'age' },
  ),
  BACKUP_AGE_RECIPIENTS: setting(
    ageRecipients,
    'Public age keys (`age1…`), separated by commas or spaces. Each of them can open a backup. Have at least two; one should be an offline escrow key.',
  ),
  BACKUP_AGE_IDENTITY_FILE: setting(
    absolutePath,
    'File with the private age key. For `restore` and `verify` alone: it does not belong on the server that makes the backups.',
  ),
  BACKUP_ENCRYPTION_KEY: setting(
    matching(/^[0-9a-fA-F]{64}$/, 'must be 64 hex digits').transform((value) => new Secret(value)),
    'The key of backups made by the previous system (`.sql.gz.enc`), 64 hex digits. Never used for new ones.',
    { secret: true },
  ),
  BACKUP_KEY_TABLES: setting(
    parsed<readonly string[]>((value) => words(value)),
    'The tables whose rows are counted by SQL in the same snapshot and must equal what the dump holds. Separated by commas; `schema.table` outside `public`.',
    { standard: 'users,respondents,audit_logs,submissions' },
  ),
  BACKUP_DAILY_DAYS: setting(wholeNumber(1, 3660), 'How many daily backups are kept.', { standard: '7' }),
  BACKUP_MONTHLY_MONTHS: setting(wholeNumber(1, 1200), 'How many monthly backups are kept.', { standard: '84' }),
  BACKUP_KEEP_AT_LEAST: setting(wholeNumber(1, 3660), 'This many good dailies stay, however old they are.', {
    standard: '3',
  }),
  BACKUP_PRUNE: setting(
    choice('on', 'off'),
    '`off`: this host never removes a backup, and its key to the store needs no right to; another host prunes.',
    { standard: 'on' },
  ),
  BACKUP_AUDIT: setting(choice('on', 'off'), '`off`: write no rows into `audit_logs`.', { standard: 'on' }),
  BACKUP_SIGNING_KEY_FILE: setting(
    absolutePath,
    'PEM file (PKCS #8) with the Ed25519 key that signs each manifest. Stays on the server.',
  ),
  BACKUP_TRUSTED_KEYS: setting(
    parsed<readonly string[]>((value) => (words(value).length > 0 ? words(value) : 'names no key')),
    'Public Ed25519 keys that manifests must be signed with: each 32 bytes in base64, or the path of a PEM file; separated by commas. Where set, an unsigned or wrongly signed backup is damaged and is not restored.',
  ),
  BACKUP_ALERT_EMAILS: setting(
    alertAddresses,
    'Addresses that are told besides the administrators in the database, separated by commas.',
  ),
  VERIFY_DATABASE_URL: setting(
    postgresUrl,
    'Server on which drills make their scratch databases (`oslrs_verify_…`, always dropped), by its maintenance database: `postgres://oslrs_drill:password@127.0.0.1/postgres`. The role needs CREATEDB; a superuser makes one without rights for each drill. Not set: a private cluster below `BACKUP_STATE_DIR`.',
    { secret: true },
  ),
  SMTP_URL: setting(
    parsed<SmtpServer>(parseSmtpUrl),
    'Mail server: `smtps://user:password@host:465` (TLS from the first byte) or `smtp://user:password@host:587` (STARTTLS, required unless the server is this machine). `?ca=/path/to/ca.pem` where its certificate is of an authority of your own.',
    { secret: true },
  ),
  RESEND_API_KEY: setting(
    secret,
    'Key for sending mail through Resend, where `SMTP_URL` is not set: `smtp.resend.com`, port 2465, else 465.',
    { secret: true },
  ),
  EMAIL_FROM: setting(
    parsed<MailAddress>(parseSender),
    'Sender of the mails: an address, or `OSLRS Backup <backup@oyo.gov.ng>`.',
  ),
  EMAIL_FROM_ADDRESS: setting(
    emailAddress,
    "The application's name for the sender's address, where `EMAIL_FROM` is not set.",
  ),
  EMAIL_FROM_NAME: setting(
    matching(/^[^"<>\r\n]{1,200}$/, 'must be a name, without quotes, angle brackets and line ends'),
    "The sender's name, with `EMAIL_FROM_ADDRESS`.",
  ),
  HEALTHCHECK_URL: setting(
    parsed<PingUrl>(parsePingUrl),
    "Address of a dead-man's switch, by the protocol of healthchecks.io: `/start`, success and `/fail` are told to it. `https`, or `http` to this machine itself.",
    { secret: true },
  ),
  BACKUP_STATE_DIR: setting(
    absolutePath,
    'Folder for what the tool remembers between nights: `status.json` and the metrics; and for the private cluster of a drill. It must exist; without it a backup works, and says so.',
    { standard: '/var/lib/oslrs-backup' },
  ),
  BACKUP_PG_COMMAND: setting(
    parsed<readonly string[]>((value) => value.split(/\s+/).filter((word) => word !== '')),
    'Put before `pg_dump` and `psql`, as an argument list (spaces part the words, and nothing quotes them) and never through a shell; for development, for example `docker exec -i -e PGPASSWORD oslsr_postgres`.',
  ),
  BACKUP_RETRY_WAITS: setting(
    matching(/^\d{1,6}(,\d{1,6})*$/, 'must be seconds, separated by commas').transform((value) =>
      value.split(',').map(Number),
    ),
    "Seconds before a night's second, third and fourth attempt. It stands in the unit, which wins over the file, and its first number is the unit's `RestartSec=`: change both together, in a drop-in.",
    { standard: '60,300,900' },
  ),
  BACKUP_STALL_SECONDS: setting(
    wholeNumber(1, 86_400),
    'A dump or a restore that moves no byte for this long is ended.',
    {
      standard: '60',
    },
  ),
  BACKUP_LOCK_SECONDS: setting(
    wholeNumber(1, 3600),
    'How long to wait for locks on the tables, with everybody else waiting behind us.',
    { standard: '10' },
  ),
  BACKUP_GIVE_WAY_SECONDS: setting(
    wholeNumber(1, 86_400),
    'When another session has waited on the backup for this long, the backup gives way and is tried again later. A restore waits as long for the sessions in a database that it replaces.',
    { standard: '30' },
  ),
} as const satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof settings
export type Values = { readonly [Name in SettingName]: z.output<(typeof settings)[Name]['parse']> | undefined }
