import { PutObjectCommand } from '@aws-sdk/client-s3'
import { expect, inject } from 'vitest'
import type { Command } from '../faults/plan/plan.ts'
import {
  expectSoundBucket,
  inBucket,
  newBucket,
  sameInNewBucket,
  tagsIn,
  unfinishedIn,
  type Buckets,
  type BucketSite,
} from './buckets.ts'
import { drillSiteFor } from './drills.ts'
import { startAt } from './faults.ts'
import { processesOf } from './faulty-programs.ts'
import {
  argumentsOf,
  daysAgo,
  expectKept,
  expectTarget,
  hasChanged,
  newTarget,
  type Furnished,
  type Stage,
} from './plan-stage.ts'
import { modelOf, plant } from './planted.ts'
import { withIdentity, type Environment, type Site } from './tool.ts'

/** A bucket with backups of several days, as `furnishedSite` has them in a folder. */
export const furnishBucket = async (buckets: Buckets, site: Site): Promise<Furnished<BucketSite>> => {
  const model = await modelOf(site)
  const bucket = await newBucket(buckets)
  await plant(model, daysAgo, {}, (key, bytes) =>
    buckets.client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes })),
  )
  const furnished = { ...site, bucket, environment: inBucket(buckets, bucket, withIdentity(site)) }
  await expectSoundBucket(buckets, furnished)
  return { site: furnished, drills: await drillSiteFor(furnished) }
}

/** A bucket of its own with what a furnished one holds. */
export const bucketStage = async (buckets: Buckets, furnished: Furnished<BucketSite>): Promise<Stage> => {
  const site = await sameInNewBucket(buckets, furnished.site)
  const { environment, leftovers } = furnished.drills
  const target = newTarget()
  const before = withoutReports(await tagsIn(buckets, site.bucket))
  return {
    site,
    start: (command: Command, more: Environment = {}) =>
      startAt(site, argumentsOf(command, target, inject('pgPort')), {
        VERIFY_DATABASE_URL: environment['VERIFY_DATABASE_URL'] ?? '',
        ...more,
      }),
    expectSound: async (command, ended, told) => {
      expect(ended.stderr + ended.stdout).not.toContain(buckets.gateway.secretKey)
      expect(await processesOf(site)).toEqual([])
      expect(await leftovers()).toEqual([])
      await expectTarget(target, command, ended)
      expect(await unfinishedIn(buckets, site.bucket)).toEqual([])
      if (hasChanged(command, ended, told)) await expectSoundBucket(buckets, site)
      else expectKept(before, withoutReports(await tagsIn(buckets, site.bucket)), told)
    },
  }
}

const withoutReports = (tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(tags).filter(([key]) => !key.startsWith('backups/drills/')))
