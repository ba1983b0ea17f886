import { S3ServiceException } from '@aws-sdk/client-s3'
import { Fault, isErrno } from '../../errors.ts'

export interface Bucket {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
}

export const httpStatusOf = (thrown: unknown): number | undefined =>
  thrown instanceof S3ServiceException ? thrown.$metadata.httpStatusCode : undefined

/** True where the object (or upload) is not there. A HEAD's answer has no body, so its status is all there is. */
export const isNotFound = (thrown: unknown): boolean =>
  thrown instanceof S3ServiceException &&
  (['NoSuchKey', 'NotFound', 'NoSuchUpload'].includes(thrown.name) ||
    (httpStatusOf(thrown) === 404 && thrown.name !== 'NoSuchBucket'))

/** Nothing came for as long as we wait. The SDK calls a connection that was cut a timeout as well. */
export const isTimeout = (thrown: unknown): boolean =>
  isErrno(thrown, 'ETIMEDOUT') || (nameOf(thrown) === 'TimeoutError' && !isErrno(thrown, 'ECONNRESET', 'EPIPE'))

const nameOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.name : '')

/** S3's errors by their meaning: what retrying cannot help is 78, outages and throttling are 75. */
export const translate = (caught: unknown, { endpoint, region, bucket }: Bucket): unknown => {
  if (caught instanceof Fault) return caught
  // `fetch` says what has failed, and why it has in the cause.
  const thrown = caught instanceof TypeError && caught.cause instanceof Error ? caught.cause : caught
  const more = { cause: caught }
  const status = httpStatusOf(thrown)
  switch (nameOf(thrown)) {
    case 'NoSuchBucket':
      return new Fault('configuration', `There is no bucket ${bucket} at ${endpoint}.`, {
        ...more,
        hint: 'Check S3_BUCKET_NAME and S3_ENDPOINT; README.md, "A bucket", tells how to make one.',
      })
    case 'InvalidAccessKeyId':
      return new Fault('credentials', `The access key is not known at ${endpoint}.`, {
        ...more,
        hint: 'Check S3_ACCESS_KEY; was the key removed, or does it belong to another provider?',
      })
    case 'ExpiredToken':
      return new Fault('credentials', `The access key has expired, says ${endpoint}.`, {
        ...more,
        hint: 'S3_ACCESS_KEY and S3_SECRET_KEY must be of a key that lasts: a temporary one ends in the middle of some night.',
      })
    case 'SignatureDoesNotMatch':
      return new Fault('credentials', `The secret key does not belong to the access key, says ${endpoint}.`, {
        ...more,
        hint: 'Check S3_SECRET_KEY: is it whole, without a blank or line end?',
      })
    case 'RequestTimeTooSkewed':
      return new Fault('configuration', `The clock of this machine differs too much from that of ${endpoint}.`, {
        ...more,
        hint: 'Set it right: timedatectl status; sudo timedatectl set-ntp true',
      })
    case 'AuthorizationHeaderMalformed':
    case 'PermanentRedirect':
    case 'IllegalLocationConstraintException':
      return new Fault('configuration', `The bucket ${bucket} is not in the region ${region}, says ${endpoint}.`, {
        ...more,
        hint: 'Check S3_REGION and S3_ENDPOINT: both name the region of the bucket.',
      })
    case 'InvalidObjectState':
      return new Fault('configuration', `What is asked for in the bucket ${bucket} lies in cold storage.`, {
        ...more,
        hint: 'Have it brought back at the provider, and remove the lifecycle rule that moved it there.',
      })
    case 'QuotaExceeded':
      return new Fault('storage-failed', `The bucket ${bucket} is full: its quota is used up.`, {
        ...more,
        hint: 'Raise the quota at the provider.',
      })
  }
  if (status === 301 || status === 307)
    return new Fault('configuration', `The bucket ${bucket} is elsewhere, says ${endpoint}.`, {
      ...more,
      hint: 'Check S3_REGION and S3_ENDPOINT: both name the region of the bucket.',
    })
  if (status === 403 || status === 401)
    return new Fault('credentials', `The key may not do what is needed in the bucket ${bucket} at ${endpoint}.`, {
      ...more,
      hint: 'Check S3_ACCESS_KEY and S3_SECRET_KEY and what they may do; README.md, "A bucket", lists the rights.',
    })
  if (isCertificateError(thrown))
    return new Fault('configuration', `The certificate of ${endpoint} cannot be trusted.`, {
      ...more,
      hint: 'Check S3_ENDPOINT. A private certificate authority is named by NODE_EXTRA_CA_CERTS=/path/ca.pem',
    })
  return new Fault('storage-failed', `The storage at ${endpoint} failed (${reasonOf(thrown, status)}).`, {
    ...more,
    hint: isErrno(thrown, 'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN')
      ? "Is S3_ENDPOINT right? Then it is worth trying again; if it stays, see the provider's status page."
      : "It is worth trying again; if it stays, see the provider's status page.",
  })
}

const isCertificateError = (thrown: unknown): boolean =>
  thrown instanceof Error &&
  'code' in thrown &&
  typeof thrown.code === 'string' &&
  /^(CERT_|ERR_TLS|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO)/.test(thrown.code)

const reasonOf = (thrown: unknown, status: number | undefined): string => {
  if (isErrno(thrown, 'ECONNREFUSED')) return 'connection refused'
  if (isErrno(thrown, 'ENOTFOUND', 'EAI_AGAIN')) return 'its name is not known'
  if (isErrno(thrown, 'ECONNRESET', 'EPIPE')) return 'the connection was cut'
  if (isTimeout(thrown)) return 'no answer in time'
  if (status !== undefined) return `HTTP ${String(status)} ${nameOf(thrown).slice(0, 60)}`
  return nameOf(thrown).slice(0, 60) || 'unknown'
}
