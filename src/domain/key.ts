import { isDate, isMonth } from './calendar.ts'

declare const objectKey: unique symbol
/** A key that this module made or took apart; nothing else makes one. */
export type ObjectKey = string & { readonly [objectKey]: true }

/** Where in the bucket everything lies: BACKUP_PREFIX, which ends with `/`, and the label BACKUP_NAME. */
export interface Layout {
  readonly prefix: string
  readonly name: string
}

export type Tier = 'daily' | 'monthly'

/** How the stored bytes are protected: with age, not at all, or as the previous system did. */
export type Sealing = 'age' | 'none' | 'aes-256-gcm'

/** `period` is the day of a daily (`YYYY-MM-DD`), the month of a monthly (`YYYY-MM`). */
export interface DataKey {
  readonly kind: 'data'
  readonly tier: Tier
  readonly period: string
  readonly name: string
  /** 1 for the first backup of a day, 2 and more for its replacements (`.r2`). Monthlies have none. */
  readonly revision: number
  readonly sealing: Sealing
}
export interface ManifestKey {
  readonly kind: 'manifest'
  readonly tier: Tier
  readonly period: string
}
export interface DrillKey {
  readonly kind: 'drill'
  readonly startedAt: Date
}
export interface AckKey {
  readonly kind: 'ack'
  readonly date: string
}
/** Written, read back and removed by `run --dry-run`; what a killed one leaves behind is harmless. */
export interface CanaryKey {
  readonly kind: 'canary'
  readonly id: string
}
export type KeyParts = DataKey | ManifestKey | DrillKey | AckKey | CanaryKey

const endings: Readonly<Record<Sealing, string>> = { age: '.sql.gz.age', none: '.sql.gz', 'aes-256-gcm': '.sql.gz.enc' }
const sealings = Object.keys(endings) as Sealing[]

const drillTime = (instant: Date): string => instant.toISOString().slice(0, 19).replaceAll(':', '-') + 'Z'

const relative = (parts: KeyParts): string => {
  switch (parts.kind) {
    case 'data': {
      const revision = parts.revision > 1 ? `.r${String(parts.revision)}` : ''
      return `${parts.tier}/${parts.period}-${parts.name}${revision}${endings[parts.sealing]}`
    }
    case 'manifest':
      return `manifests/${parts.tier === 'monthly' ? 'monthly/' : ''}${parts.period}-manifest.json`
    case 'drill':
      return `drills/${drillTime(parts.startedAt)}-drill.json`
    case 'ack':
      return `acks/${parts.date}.json`
    case 'canary':
      return `canary/${parts.id}`
  }
}

/** The one function that makes keys. */
export const makeKey = (layout: Layout, parts: KeyParts): ObjectKey => `${layout.prefix}${relative(parts)}` as ObjectKey

const parseRelative = (text: string): KeyParts | undefined => {
  // A label may begin with digits, so the tier says how long the period is.
  const data =
    /^(?:(daily)\/(\d{4}-\d{2}-\d{2})|(monthly)\/(\d{4}-\d{2}))-([A-Za-z0-9_-]{1,63})(?:\.r([1-9]\d{0,5}))?(\.sql\.gz(?:\.age|\.enc)?)$/.exec(
      text,
    )
  if (data !== null) {
    const [, daily, day, , month, name = '', revision, ending] = data
    const sealing = sealings.find((candidate) => endings[candidate] === ending)
    return sealing === undefined
      ? undefined
      : {
          kind: 'data',
          tier: daily === undefined ? 'monthly' : 'daily',
          period: day ?? month ?? '',
          name,
          revision: Number(revision ?? '1'),
          sealing,
        }
  }
  const manifest = /^manifests\/(monthly\/)?(\d{4}-\d{2}(?:-\d{2})?)-manifest\.json$/.exec(text)
  if (manifest !== null)
    return { kind: 'manifest', tier: manifest[1] === undefined ? 'daily' : 'monthly', period: manifest[2] ?? '' }
  const drill = /^drills\/(\d{4}-\d{2}-\d{2}T)(\d{2})-(\d{2})-(\d{2})Z-drill\.json$/.exec(text)
  if (drill !== null) {
    const startedAt = new Date(`${drill[1] ?? ''}${drill[2] ?? ''}:${drill[3] ?? ''}:${drill[4] ?? ''}Z`)
    return Number.isNaN(startedAt.getTime()) ? undefined : { kind: 'drill', startedAt }
  }
  const ack = /^acks\/(\d{4}-\d{2}-\d{2})\.json$/.exec(text)
  if (ack !== null) return { kind: 'ack', date: ack[1] ?? '' }
  const canary = /^canary\/([A-Za-z0-9-]{1,80})$/.exec(text)
  return canary === null ? undefined : { kind: 'canary', id: canary[1] ?? '' }
}

const periodExists = (parts: KeyParts): boolean => {
  switch (parts.kind) {
    case 'data':
    case 'manifest':
      return parts.tier === 'daily' ? isDate(parts.period) : isMonth(parts.period)
    case 'ack':
      return isDate(parts.date)
    case 'drill':
    case 'canary':
      return true
  }
}

/**
 * The one function that takes keys apart. undefined means foreign: not ours, never touched, never counted. Exactly the
 * keys that `makeKey` makes are taken: anything that would be written differently is foreign too.
 */
export const parseKey = (layout: Pick<Layout, 'prefix'>, key: string): KeyParts | undefined => {
  if (!key.startsWith(layout.prefix)) return undefined
  const parts = parseRelative(key.slice(layout.prefix.length))
  if (parts === undefined || !periodExists(parts)) return undefined
  if (parts.kind === 'data' && parts.tier === 'monthly' && parts.revision > 1) return undefined
  return `${layout.prefix}${relative(parts)}` === key ? parts : undefined
}

/** A key from a listing or the command line as an ObjectKey, when it is one of ours. */
export const asObjectKey = (layout: Pick<Layout, 'prefix'>, key: string): ObjectKey | undefined =>
  parseKey(layout, key) === undefined ? undefined : (key as ObjectKey)

/** The last part of a key: the name of the file. */
export const fileNameOf = (key: ObjectKey): string => key.slice(key.lastIndexOf('/') + 1)
