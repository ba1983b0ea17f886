import { createPrivateKey } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { daysBefore, utcDate } from '../../src/domain/calendar.ts'
import { asDocument, encodeManifest, type Manifest } from '../../src/domain/manifest.ts'
import { signDocument } from '../../src/domain/signature.ts'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { dataKey, manifestKey } from './builders.ts'
import { inBucket, keysIn, newBucket, type Buckets } from './buckets.ts'
import { intoFolder, putAll, type OlderFile, type Put } from './older-backups.ts'
import { manifestsOf, newSite, runTool, type Site } from './tool.ts'

/** Backups of other days, for the clock of a test is the machine's. Each is whole, signed, and opens to its last row. */

/** A real backup of today, from which the others are made; it is taken out of the site again. */
export interface Model {
  readonly today: string
  readonly manifest: Manifest
  readonly archive: Buffer
  readonly site: Site
}

export const modelOf = async (site: Site): Promise<Model> => {
  const { exitCode, stderr } = await runTool(['run'], site.environment)
  const [manifest] = await manifestsOf(site)
  if (exitCode !== 0 || manifest === undefined) throw new Error(`no backup to make others of: ${stderr}`)
  const archive = await readFile(join(site.store, manifest.s3Key))
  await rm(join(site.store, 'backups'), { recursive: true })
  return { today: utcDate(new Date(manifest.timestamp)), manifest, archive, site }
}

/** The same backup, as if taken on that day; `more` is what its manifest claims besides. */
export const asOfDay = async (
  model: Model,
  date: string,
  more: Partial<Manifest> = {},
): Promise<readonly OlderFile[]> => {
  const key = dataKey(date)
  const { signature: _, ...rest } = model.manifest
  const manifest: Manifest = {
    ...rest,
    s3Key: key,
    filename: key.slice(key.lastIndexOf('/') + 1),
    timestamp: `${date}T01:00:00.000Z`,
    ...more,
  }
  const signingKey = createPrivateKey(await readFile(model.site.signingKeyFile))
  const signed = { ...manifest, signature: signDocument(asDocument(manifest), signingKey) }
  return [
    { key, bytes: model.archive },
    { key: manifestKey(date), bytes: Buffer.from(encodeManifest(signed)) },
  ]
}

/** Dailies of so many days before today, each a backup of its own. */
export const plant = async (
  model: Model,
  daysAgo: readonly number[],
  more: Partial<Manifest> = {},
  put: Put = intoFolder(model.site.store),
): Promise<string[]> => {
  const dates = daysAgo.map((days) => daysBefore(model.today, days))
  for (const date of dates) await putAll(await asOfDay(model, date, more), put)
  return dates
}

/** A bucket to plant in, with the keys of the model's site. */
export const plantedBucket = async (buckets: Buckets, databaseUrl: string) => {
  const model = await modelOf(await newSite(databaseUrl))
  const bucket = await newBucket(buckets)
  const put: Put = (key, bytes) => buckets.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }))
  return {
    model,
    bucket,
    put,
    environment: inBucket(buckets, bucket, model.site.environment),
    keys: async () => (await keysIn(buckets, bucket)).toSorted(),
  }
}
