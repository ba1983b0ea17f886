import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { rename, writeFile } from 'node:fs/promises'
import { startRadosgw } from './radosgw.ts'

/** Starts the S3 service with a bucket, writes what a configuration needs of it into a file, and stays: node radosgw-here.ts FILE */
const [, , file = ''] = process.argv
const { endpoint, region, accessKey, secretKey } = await startRadosgw()
const bucket = 'oslrs-backups'
const client = new S3Client({
  endpoint,
  region,
  forcePathStyle: true,
  credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
})
await client.send(new CreateBucketCommand({ Bucket: bucket }))
client.destroy()
await writeFile(
  `${file}.new`,
  [
    `S3_ENDPOINT=${endpoint}`,
    `S3_REGION=${region}`,
    `S3_ACCESS_KEY=${accessKey}`,
    `S3_SECRET_KEY='${secretKey}'`,
    `S3_BUCKET_NAME=${bucket}`,
    `BACKUP_ALLOWED_HOSTS=${new URL(endpoint).hostname}`,
    '',
  ].join('\n'),
)
await rename(`${file}.new`, file)
// Its programs are our children and end with the unit; what is left to do is to be there.
setInterval(() => undefined, 1_000_000)
