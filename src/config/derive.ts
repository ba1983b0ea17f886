import type { KeyObject } from 'node:crypto'
import { parseKeyTable } from '../domain/table-name.ts'
import type { Secret } from '../secret.ts'
import { readSigningKey, readTrustedKey } from './keys.ts'
import type { SettingName, Values } from './settings.ts'

/** What commands need of several settings together. Each adds what is wrong to the list, as sentences without values. */

export const required = <Name extends SettingName>(
  values: Values,
  name: Name,
  faults: string[],
): NonNullable<Values[Name]> | undefined => {
  const value = values[name]
  // What was set and is wrong has been told already.
  const isTold = faults.some((fault) => fault.startsWith(`${name} `) || fault.startsWith(`${name}:`))
  if (value === undefined && !isTold) faults.push(`${name} is not set`)
  return value ?? undefined
}

export const trustedKeysOf = (values: Values, faults: string[]): readonly KeyObject[] => {
  const trusted: KeyObject[] = []
  for (const [index, entry] of (values.BACKUP_TRUSTED_KEYS ?? []).entries()) {
    const key = readTrustedKey(entry)
    if (typeof key === 'string') faults.push(`BACKUP_TRUSTED_KEYS, entry ${String(index + 1)} ${key}`)
    else trusted.push(key)
  }
  return trusted
}

export const recipientsOf = (values: Values, faults: string[]): readonly string[] => {
  const recipients = values.BACKUP_AGE_RECIPIENTS ?? []
  if (values.BACKUP_ENCRYPTION === 'none') {
    if (recipients.length > 0)
      faults.push('BACKUP_ENCRYPTION is "none", and BACKUP_AGE_RECIPIENTS names somebody to seal for: which is meant?')
    return []
  }
  if (values.BACKUP_ENCRYPTION === 'age' && recipients.length === 0)
    faults.push(
      'BACKUP_AGE_RECIPIENTS is not set (or holds a fault): whom should backups be sealed for? Without encryption only with BACKUP_ENCRYPTION=none',
    )
  return recipients
}

export const signingKeyOf = (values: Values, faults: string[]): KeyObject | undefined => {
  if (values.BACKUP_SIGNING_KEY_FILE === undefined) return undefined
  const key = readSigningKey(values.BACKUP_SIGNING_KEY_FILE)
  if (typeof key !== 'string') return key
  faults.push(`BACKUP_SIGNING_KEY_FILE ${key}`)
  return undefined
}

export const keyTablesOf = (
  values: Values,
  faults: string[],
): readonly { readonly schema: string; readonly table: string }[] =>
  (values.BACKUP_KEY_TABLES ?? []).flatMap((entry, index) => {
    const name = parseKeyTable(entry)
    if (name === undefined) faults.push(`BACKUP_KEY_TABLES, entry ${String(index + 1)} is not a table name`)
    return name === undefined ? [] : [name]
  })

interface NamedBucket {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKey: Secret
  readonly secretKey: Secret
  readonly idleMs: number
  readonly copyInPartsAboveBytes: number
}

export const s3SettingsOf = (values: Values, faults: string[]): NamedBucket | undefined => {
  const endpoint = required(values, 'S3_ENDPOINT', faults)
  const bucket = required(values, 'S3_BUCKET_NAME', faults)
  const accessKey = required(values, 'S3_ACCESS_KEY', faults)
  const secretKey = required(values, 'S3_SECRET_KEY', faults)
  if (endpoint === undefined || bucket === undefined || accessKey === undefined || secretKey === undefined)
    return undefined
  const { BACKUP_ALLOWED_HOSTS: allowed } = values
  if (allowed !== undefined && !allowed.some((host) => allows(host, endpoint.hostname)))
    faults.push(`S3_ENDPOINT ${endpoint.hostname} is not among BACKUP_ALLOWED_HOSTS: backups may not be sent there`)
  return {
    endpoint: endpoint.origin,
    region: values.S3_REGION ?? 'us-east-1',
    bucket,
    accessKey,
    secretKey,
    idleMs: (values.BACKUP_STALL_SECONDS ?? 60) * 500,
    copyInPartsAboveBytes: 5_000_000_000,
  }
}

const allows = (allowed: string, host: string): boolean =>
  host === allowed || (allowed.startsWith('.') && host.endsWith(allowed))

export const configurationWarnings = (
  values: Values,
  recipients: readonly string[],
  signingKey: KeyObject | undefined,
): string[] => [
  ...(recipients.length === 0 ? ['The backup is not encrypted (BACKUP_ENCRYPTION=none).'] : []),
  ...(recipients.length === 1
    ? ['Only one key can open the backup; a second one, kept offline, would survive the loss of the first.']
    : []),
  ...(signingKey === undefined ? ['The manifest is not signed (BACKUP_SIGNING_KEY_FILE is not set).'] : []),
  ...(values.S3_ENDPOINT !== undefined && values.BACKUP_ALLOWED_HOSTS === undefined
    ? ['Where backups may be sent is not pinned (BACKUP_ALLOWED_HOSTS is not set).']
    : []),
]
