import { S3ServiceException } from '@aws-sdk/client-s3'
import { describe, expect, test } from 'vitest'
import { httpStatusOf, isNotFound, isTimeout, translate } from '../../src/adapters/s3/errors.ts'
import { Fault } from '../../src/errors.ts'

const bucket = { endpoint: 'https://fra1.example.com', region: 'fra1', bucket: 'oslrs' }

/** As the SDK throws what a store has answered. */
const answered = (status: number, name: string): S3ServiceException =>
  new S3ServiceException({ name, message: 'secret words', $fault: 'client', $metadata: { httpStatusCode: status } })
/** As node throws it. */
const failed = (code: string): Error => Object.assign(new Error('secret words'), { code })
const named = (name: string): Error => Object.assign(new Error('secret words'), { name })

describe('an error of the storage is told as a fault', () => {
  test.each([
    // What trying again cannot help.
    [answered(404, 'NoSuchBucket'), 'configuration', 'There is no bucket oslrs', 'S3_BUCKET_NAME'],
    [answered(403, 'InvalidAccessKeyId'), 'credentials', 'The access key is not known', 'S3_ACCESS_KEY'],
    [answered(403, 'SignatureDoesNotMatch'), 'credentials', 'does not belong to the access key', 'S3_SECRET_KEY'],
    [answered(403, 'RequestTimeTooSkewed'), 'configuration', 'The clock of this machine', 'timedatectl'],
    [answered(400, 'AuthorizationHeaderMalformed'), 'configuration', 'not in the region fra1', 'S3_REGION'],
    [answered(301, 'PermanentRedirect'), 'configuration', 'not in the region fra1', 'S3_REGION'],
    [answered(400, 'IllegalLocationConstraintException'), 'configuration', 'not in the region fra1', 'S3_REGION'],
    [answered(301, 'UnknownError'), 'configuration', 'The bucket oslrs is elsewhere', 'S3_ENDPOINT'],
    [answered(307, 'TemporaryRedirect'), 'configuration', 'The bucket oslrs is elsewhere', 'S3_ENDPOINT'],
    [answered(403, 'AccessDenied'), 'credentials', 'The key may not do what is needed', 'lists the rights'],
    [answered(403, 'UnknownError'), 'credentials', 'The key may not do what is needed', 'lists the rights'],
    [answered(401, 'Unauthorized'), 'credentials', 'The key may not do what is needed', 'lists the rights'],
    [answered(403, 'InvalidObjectState'), 'configuration', 'lies in cold storage', 'lifecycle rule'],
    [failed('CERT_HAS_EXPIRED'), 'configuration', 'The certificate', 'NODE_EXTRA_CA_CERTS'],
    [failed('SELF_SIGNED_CERT_IN_CHAIN'), 'configuration', 'The certificate', 'NODE_EXTRA_CA_CERTS'],
    [failed('DEPTH_ZERO_SELF_SIGNED_CERT'), 'configuration', 'The certificate', 'NODE_EXTRA_CA_CERTS'],
    [failed('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), 'configuration', 'The certificate', 'NODE_EXTRA_CA_CERTS'],
    [failed('ERR_TLS_CERT_ALTNAME_INVALID'), 'configuration', 'The certificate', 'NODE_EXTRA_CA_CERTS'],
    // What may have passed in a minute.
    [answered(403, 'QuotaExceeded'), 'storage-failed', 'its quota is used up', 'Raise the quota'],
    [answered(503, 'SlowDown'), 'storage-failed', '(HTTP 503 SlowDown)', 'trying again'],
    [answered(500, 'InternalError'), 'storage-failed', '(HTTP 500 InternalError)', 'trying again'],
    [answered(400, 'BadDigest'), 'storage-failed', '(HTTP 400 BadDigest)', 'trying again'],
    [answered(404, 'NoSuchUpload'), 'storage-failed', '(HTTP 404 NoSuchUpload)', 'trying again'],
    [failed('ECONNREFUSED'), 'storage-failed', '(connection refused)', 'S3_ENDPOINT'],
    [failed('ENOTFOUND'), 'storage-failed', '(its name is not known)', 'S3_ENDPOINT'],
    [failed('EAI_AGAIN'), 'storage-failed', '(its name is not known)', 'S3_ENDPOINT'],
    [failed('ECONNRESET'), 'storage-failed', '(the connection was cut)', 'trying again'],
    [failed('EPIPE'), 'storage-failed', '(the connection was cut)', 'trying again'],
    [failed('ETIMEDOUT'), 'storage-failed', '(no answer in time)', 'trying again'],
    [named('TimeoutError'), 'storage-failed', '(no answer in time)', 'trying again'],
    [new TypeError('fetch failed', { cause: failed('ECONNREFUSED') }), 'storage-failed', 'refused)', 'trying again'],
    [named('SyntaxError'), 'storage-failed', '(SyntaxError)', 'trying again'],
    ['a text', 'storage-failed', '(unknown)', 'trying again'],
  ])('%s: %s', (thrown, code, sentence, hint) => {
    const fault = translate(thrown, bucket)
    expect(fault).toBeInstanceOf(Fault)
    expect(fault).toMatchObject({
      code,
      message: expect.stringContaining(sentence) as string,
      hint: expect.stringContaining(hint) as string,
      cause: thrown,
    })
    expect((fault as Fault).message).not.toContain('secret words')
  })

  test('a fault of our own stays what it is', () => {
    const fault = new Fault('refused', 'No.')
    expect(translate(fault, bucket)).toBe(fault)
  })

  test('the name of a foreign error is not told at any length', () => {
    expect((translate(named('x'.repeat(1000)), bucket) as Fault).message.length).toBeLessThan(150)
  })
})

describe('what is not there', () => {
  test.each([
    [answered(404, 'NoSuchKey'), true],
    [answered(404, 'NoSuchUpload'), true],
    // A HEAD's answer has a status and nothing else.
    [answered(404, 'NotFound'), true],
    [answered(404, 'UnknownError'), true],
    // Where the bucket is missing, nothing is said about the object.
    [answered(404, 'NoSuchBucket'), false],
    [answered(403, 'AccessDenied'), false],
    [answered(412, 'PreconditionFailed'), false],
    [answered(503, 'SlowDown'), false],
    [failed('ECONNREFUSED'), false],
    [named('NoSuchKey'), false],
    [undefined, false],
  ])('%s: %s', (thrown, expected) => {
    expect(isNotFound(thrown)).toBe(expected)
  })
})

describe('the figures of an error', () => {
  test.each([
    [answered(412, 'PreconditionFailed'), 412, false],
    [failed('ETIMEDOUT'), undefined, true],
    [named('TimeoutError'), undefined, true],
    [failed('ECONNRESET'), undefined, false],
    // As the SDK throws it.
    [Object.assign(failed('ECONNRESET'), { name: 'TimeoutError' }), undefined, false],
    [null, undefined, false],
  ])('%s: status %s, too late: %s', (thrown, status, late) => {
    expect(httpStatusOf(thrown)).toBe(status)
    expect(isTimeout(thrown)).toBe(late)
  })
})
