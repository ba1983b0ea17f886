import { beforeAll } from 'vitest'
import { standOnBuckets } from '../support/bucket-faults.ts'
import { bucketStage, furnishBucket } from '../support/bucket-stage.ts'
import type { BucketSite } from '../support/buckets.ts'
import { keptSite } from '../support/drills.ts'
import { playPlan, type Furnished } from '../support/plan-stage.ts'
import { strikeBucket } from '../support/strikes.ts'
import { bucketFaults } from './plan/bucket.ts'
import { commands } from './plan/plan.ts'

const ground = standOnBuckets()
let furnished: Furnished<BucketSite>
beforeAll(async () => {
  const { small, buckets } = ground()
  const { site, remove } = await keptSite(small['DATABASE_URL'] ?? '')
  furnished = await furnishBucket(buckets, site)
  return remove
})

playPlan(
  'bucket',
  bucketFaults,
  commands,
  () => bucketStage(ground().buckets, furnished),
  (strike, command, { start }) => {
    const { small, large, proxy } = ground()
    const database = command === 'run, in parts' ? large : small
    return strikeBucket(strike, proxy, (more) => start(command, { ...database, ...more }))
  },
)
