import { PutBucketPolicyCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { answer } from '../support/bucket-faults.ts'
import { keysIn, newBucketSite, startBuckets, unfinishedIn, type Buckets, type BucketSite } from '../support/buckets.ts'
import { newDatabase } from '../support/postgres.ts'
import { startS3Proxy } from '../support/s3-proxy.ts'
import { runTool, runToolJson, type Environment } from '../support/tool.ts'

/** What an operator reads, word for word, when a bucket is configured wrongly. Nothing is written then, and no secret told. */

let buckets: Buckets
let databaseUrl: string
beforeAll(async () => {
  buckets = await startBuckets()
  databaseUrl = await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 1 AS id' })
})
afterAll(() => buckets.stop())

/** Its lines, with words for what is another one each time. */
const inWords = ({ bucket }: BucketSite, stderr: string): string[] =>
  stderr
    .replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, 'ENDPOINT')
    .replaceAll(bucket, 'BUCKET')
    .split('\n')

const readOnly = async ({ bucket }: BucketSite): Promise<Environment> => {
  const { accessKey, secretKey } = await buckets.gateway.addUser(`${bucket}-reader`)
  const allow = (Action: string, Resource: string) => ({
    Effect: 'Allow',
    Principal: { AWS: [`arn:aws:iam:::user/${bucket}-reader`] },
    Action,
    Resource,
  })
  const Statement = [
    allow('s3:ListBucket', `arn:aws:s3:::${bucket}`),
    allow('s3:GetObject', `arn:aws:s3:::${bucket}/backups/*`),
  ]
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  await buckets.client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  return { S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey }
}

/** radosgw takes any region, and the SDK makes up for a clock: only another server's answer shows these. */
const answering = async (status: number, code: string): Promise<Environment> => {
  const proxy = await startS3Proxy(buckets.gateway.endpoint)
  onTestFinished(() => proxy.close())
  proxy.plan({ kind: 'ListObjects', nth: 'every', fault: answer(status, code) })
  return { S3_ENDPOINT: proxy.endpoint }
}

type Change = (site: BucketSite) => Environment | Promise<Environment>
const mend =
  '  → Mend them in /etc/oslrs-backup/oslrs-backup.env (or the environment); README.md, "Configuration", explains each name.'
const wrong: readonly (readonly [string, Change, number, readonly string[]])[] = [
  [
    'a wrong secret key',
    () => ({ S3_SECRET_KEY: 'wrong/secret' }),
    78,
    [
      'The secret key does not belong to the access key, says ENDPOINT.',
      '  → Check S3_SECRET_KEY: is it whole, without a blank or line end?',
    ],
  ],
  [
    'an unknown access key',
    () => ({ S3_ACCESS_KEY: 'unknown' }),
    78,
    [
      'The access key is not known at ENDPOINT.',
      '  → Check S3_ACCESS_KEY; was the key removed, or does it belong to another provider?',
    ],
  ],
  [
    'a bucket that does not exist',
    () => ({ S3_BUCKET_NAME: 'nowhere' }),
    78,
    [
      'There is no bucket nowhere at ENDPOINT.',
      '  → Check S3_BUCKET_NAME and S3_ENDPOINT; README.md, "A bucket", tells how to make one.',
    ],
  ],
  [
    'a bucket of another region',
    () => answering(400, 'AuthorizationHeaderMalformed'),
    78,
    [
      'The bucket BUCKET is not in the region us-east-1, says ENDPOINT.',
      '  → Check S3_REGION and S3_ENDPOINT: both name the region of the bucket.',
    ],
  ],
  [
    'a clock that is wrong',
    () => answering(403, 'RequestTimeTooSkewed'),
    78,
    [
      'The clock of this machine differs too much from that of ENDPOINT.',
      '  → Set it right: timedatectl status; sudo timedatectl set-ntp true',
    ],
  ],
  [
    'a host that is not allowed',
    () => ({ BACKUP_ALLOWED_HOSTS: 'fra1.example.com' }),
    78,
    [
      'The configuration has a fault.',
      '  - S3_ENDPOINT 127.0.0.1 is not among BACKUP_ALLOWED_HOSTS: backups may not be sent there',
      mend,
    ],
  ],
  [
    'an endpoint elsewhere without encryption',
    () => ({ S3_ENDPOINT: 'http://198.51.100.7' }),
    78,
    [
      'The configuration has a fault.',
      '  - S3_ENDPOINT must begin with https://: over http anybody on the way could read the keys',
      mend,
    ],
  ],
  [
    'names that are missing',
    () => ({ S3_ENDPOINT: '', S3_ACCESS_KEY: '', S3_SECRET_KEY: '' }),
    78,
    [
      'The configuration has 3 faults.',
      '  - S3_ENDPOINT is not set',
      '  - S3_ACCESS_KEY is not set',
      '  - S3_SECRET_KEY is not set',
      mend,
    ],
  ],
  [
    'nobody at the endpoint',
    () => ({ S3_ENDPOINT: 'http://127.0.0.1:1' }),
    75,
    [
      'The storage at ENDPOINT failed (connection refused).',
      "  → Is S3_ENDPOINT right? Then it is worth trying again; if it stays, see the provider's status page.",
    ],
  ],
  [
    'a key that may only read',
    readOnly,
    78,
    [
      'The key may not do what is needed in the bucket BUCKET at ENDPOINT.',
      '  → Check S3_ACCESS_KEY and S3_SECRET_KEY and what they may do; README.md, "A bucket", lists the rights.',
    ],
  ],
]

describe('an operator reads, of', () => {
  test.each(wrong)('%s', async (_what, change, status, lines) => {
    const site = await newBucketSite(buckets, databaseUrl)
    const environment = { ...site.environment, ...(await change(site)) }
    const ended = await runTool(['run'], environment)
    // Before them stands what the log says of each stage.
    expect(inWords(site, ended.stderr).slice(-lines.length)).toEqual(lines)
    expect(ended).toMatchObject({ exitCode: status, stdout: '' })
    expect(ended.stderr).not.toContain('wrong/secret')
    expect(ended.stderr).not.toContain(buckets.gateway.secretKey)
    expect(await keysIn(buckets, site.bucket)).toEqual([])
    expect(await unfinishedIn(buckets, site.bucket)).toEqual([])
  })
})

test('the preflight tells a key that may only read as well, before a night depends on it', async () => {
  const site = await newBucketSite(buckets, databaseUrl)
  const { exitCode, document } = await runToolJson(['run', '--dry-run'], {
    ...site.environment,
    ...(await readOnly(site)),
  })
  expect(exitCode).toBe(78)
  const { checks } = document as { checks: { name: string; state: string; detail: string }[] }
  expect(checks.filter(({ state }) => state === 'failed')).toEqual([
    expect.objectContaining({
      name: 'store',
      detail: expect.stringContaining('The key may not do what is needed') as string,
    }),
    expect.objectContaining({
      name: 'store habits',
      detail: expect.stringContaining('The key may not do what is needed') as string,
    }),
  ])
  expect(await keysIn(buckets, site.bucket)).toEqual([])
})
