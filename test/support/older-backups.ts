import { execa } from 'execa'
import { createCipheriv, createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { monthOf } from '../../src/domain/calendar.ts'
import type { Holdings } from '../../src/domain/catalog.ts'
import { fileNameOf, parseKey, type ObjectKey } from '../../src/domain/key.ts'
import { decodeManifest } from '../../src/domain/manifest.ts'
import { dataKey, layout, manifestKey, modifiedAt } from './builders.ts'

/**
 * Backups as the application's previous worker wrote them (README.md, "Backups of the previous system"). Its manifest is spelt
 * out here and not taken from the types of src, so that the reader in src is held against the format and not against
 * itself. Nothing here depends on clock or chance: the same night gives the same bytes.
 */
export interface OlderFile {
  readonly key: ObjectKey
  readonly bytes: Buffer
}
/** A backup's two files, in the order in which they were stored. */
export type OlderBackupFiles = readonly [archive: OlderFile, manifest: OlderFile]

export interface OlderNight {
  /** `YYYY-MM-DD` */
  readonly date: string
  readonly sql: Uint8Array
  /** BACKUP_ENCRYPTION_KEY, 64 hex digits; undefined: the archive is stored as plain gzip. */
  readonly encryption: string | undefined
  /** Never taken from `sql`: the worker asked the live database, after the dump. */
  readonly tableCounts?: OlderCounts
}
export interface OlderCounts {
  readonly users: number | null
  readonly respondents: number | null
  readonly auditLogs: number | null
  readonly submissions: number | null
}

/** What a living registry would have answered: a good look, whatever the archive holds. */
export const liveCounts: OlderCounts = { users: 20, respondents: 2003, auditLogs: 517, submissions: 2001 }

export const olderDaily = (night: OlderNight): OlderBackupFiles => stored(night, gzipSync(night.sql))

/** pg_dump wrote nothing and gzip ended well: 20 bytes, consistently described. */
export const olderDailyOfNothing = (night: Omit<OlderNight, 'sql'>): OlderBackupFiles =>
  olderDaily({ ...night, sql: Buffer.alloc(0) })

/** pg_dump died half way and gzip ended well: a whole gzip of half a dump. */
export const olderDailyBrokenOff = (night: OlderNight): OlderBackupFiles =>
  olderDaily({ ...night, sql: night.sql.subarray(0, night.sql.byteLength >> 1) })

/** gzip itself was cut off (a full disk): half is lost, or as many bytes of its end as are asked for. */
export const olderDailyCutShort = (night: OlderNight, lostBytes?: number): OlderBackupFiles => {
  const gzip = gzipSync(night.sql)
  return stored(night, gzip.subarray(0, gzip.byteLength - (lostBytes ?? gzip.byteLength >> 1)))
}

/** The monthly as the worker copied it: both objects byte for byte, so that its manifest speaks of the daily. */
export const promotedByOlder = ([archive, manifest]: OlderBackupFiles, month?: string): OlderBackupFiles => {
  const daily = parseKey(layout, archive.key)
  if (daily?.kind !== 'data' || daily.tier !== 'daily') throw new Error(`${archive.key} is not a daily`)
  const period = month ?? monthOf(daily.period)
  return [
    { key: dataKey(period, { sealing: daily.sealing }), bytes: archive.bytes },
    { key: manifestKey(period), bytes: manifest.bytes },
  ]
}

export const withoutManifest = ([archive]: OlderBackupFiles): readonly OlderFile[] => [archive]

/**
 * Encryption was switched on or off between two runs of one day: two archives and one manifest, which speaks for the
 * later run's. The other run began its dump at another moment, so its archive holds other bytes.
 */
export const olderPairOfOneDate = (
  night: OlderNight & { readonly encryption: string },
  spokenFor: 'plain' | 'encrypted',
  otherSql: Uint8Array = night.sql,
): readonly OlderFile[] => {
  const encrypted = { ...night }
  const plain = { ...night, encryption: undefined }
  const [later, former] = spokenFor === 'plain' ? [plain, encrypted] : [encrypted, plain]
  return [...withoutManifest(olderDaily({ ...former, sql: otherSql })), ...olderDaily(later)]
}

/** These days' dailies, and the monthlies of those that are the first of a month: no other day was ever promoted. */
export const olderHistory = (dates: readonly string[], night: Omit<OlderNight, 'date'>): readonly OlderFile[] =>
  dates.flatMap((date) => {
    const daily = olderDaily({ ...night, date })
    return date.endsWith('-01') ? [...daily, ...promotedByOlder(daily)] : [...daily]
  })

const stored = (night: OlderNight, gzip: Buffer): OlderBackupFiles => {
  const { date, encryption: hexKey, tableCounts = liveCounts } = night
  const key = dataKey(date, { sealing: hexKey === undefined ? 'none' : 'aes-256-gcm' })
  const { bytes, encryption } = hexKey === undefined ? { bytes: gzip } : encrypted(date, gzip, hexKey)
  const manifest = {
    filename: fileNameOf(key),
    s3Key: key,
    sizeBytes: bytes.byteLength,
    checksumSha256: createHash('sha256').update(bytes).digest('hex'),
    durationMs: 4321,
    timestamp: `${date}T01:00:03.127Z`,
    databaseUrl: 'localhost',
    tableCounts,
    retentionTier: 'daily',
    ...(encryption === undefined ? {} : { encryption }),
  }
  return [
    { key, bytes },
    { key: manifestKey(date), bytes: Buffer.from(JSON.stringify(manifest, undefined, 2)) },
  ]
}

/** The worker drew its iv by chance; ours comes from what it encrypts, so that a test that fails fails again. */
const encrypted = (date: string, gzip: Buffer, hexKey: string) => {
  const iv = createHash('sha256').update(date).update(gzip).digest().subarray(0, 12)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(hexKey, 'hex'), iv)
  const bytes = Buffer.concat([cipher.update(gzip), cipher.final()])
  return {
    bytes,
    encryption: {
      algorithm: 'aes-256-gcm',
      ivHex: iv.toString('hex'),
      authTagHex: cipher.getAuthTag().toString('hex'),
    },
  }
}

/** A real dump, as the worker asked for it. */
export const dumpOfWorker = async (url: string): Promise<Uint8Array> =>
  (await execa('pg_dump', ['--no-owner', '--no-acl', url], { encoding: 'buffer', stripFinalNewline: false })).stdout

export type Put = (key: ObjectKey, bytes: Buffer) => Promise<unknown>

/** One after the other and in order, as a worker does. */
export const putAll = async (files: readonly OlderFile[], put: Put): Promise<void> => {
  for (const { key, bytes } of files) await put(key, bytes)
}

/** For a folder store: its root, which is the place of BACKUP_STORE_DIR. */
export const intoFolder =
  (root: string): Put =>
  async (key, bytes) => {
    const path = join(root, key)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(path, bytes, { mode: 0o600 })
  }

/** What a listing and a reading of these files would find; of two files with one key, the later one. */
export const holdingsOf = (files: readonly OlderFile[]): Holdings => {
  const held = [...new Map(files.map((file) => [file.key, file])).values()]
  return {
    objects: held.map(({ key, bytes }) => ({ key, sizeBytes: bytes.byteLength, lastModified: modifiedAt })),
    manifests: new Map(
      held
        .filter(({ key }) => parseKey(layout, key)?.kind === 'manifest')
        .map(({ key, bytes }) => [key, decodeManifest(bytes.toString('utf8'))]),
    ),
  }
}
