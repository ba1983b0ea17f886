import { S3Client } from '@aws-sdk/client-s3'
import type { Secret } from '../../secret.ts'
import { translate, type Bucket } from './errors.ts'

export interface S3Settings extends Bucket {
  readonly accessKey: Secret
  readonly secretKey: Secret
  /** No byte in either direction for this long ends a request, which is then tried again. */
  readonly idleMs: number
  /** Objects larger than this are copied in parts: 5 GB is the limit of S3's CopyObject. */
  readonly copyInPartsAboveBytes: number
  /** Aborts, with a Fault as its reason, when the work is to end: then no answer is waited for any more. */
  readonly stop?: AbortSignal
}

/** How often a request is tried, with the SDK's backoff between. */
export const requestAttempts = 4

/** What every part of the adapter works with. */
export interface Connection extends Bucket {
  readonly client: S3Client
  readonly settings: S3Settings
  /** Does the work, and translates what it throws. */
  readonly asking: <T>(work: () => Promise<T>) => Promise<T>
}

export const connect = (settings: S3Settings): Connection => {
  const client = new S3Client({
    endpoint: settings.endpoint,
    region: settings.region,
    credentials: { accessKeyId: settings.accessKey.reveal(), secretAccessKey: settings.secretKey.reveal() },
    forcePathStyle: true,
    // S3-compatible servers store the newer default checksums as part of the object, or refuse them. Content-MD5 is sent
    // instead, and the entity tag is compared.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // With it the SDK waits for a "100 Continue" longer than for anything else, and not everything on the way says so.
    expectContinueHeader: false,
    maxAttempts: requestAttempts,
    requestHandler: {
      connectionTimeout: 10_000,
      socketTimeout: settings.idleMs,
      requestTimeout: 10 * settings.idleMs,
      throwOnRequestTimeout: true,
    },
  })
  if (settings.stop !== undefined) endRequestsOn(client, settings.stop)
  return {
    client,
    settings,
    endpoint: settings.endpoint,
    region: settings.region,
    bucket: settings.bucket,
    asking: async (work) => {
      try {
        return await work()
      } catch (thrown) {
        throw translate(thrown, settings)
      }
    },
  }
}

/** What of a request on its way to the network matters here. */
interface Outgoing {
  readonly method: string
  readonly query: { readonly uploadId?: unknown }
}

/** Every request ends with the signal's reason, but the one that tidies up: what was begun is still given up. */
const endRequestsOn = ({ config: { requestHandler: handler } }: S3Client, stop: AbortSignal): void => {
  const handle = handler.handle.bind(handler)
  handler.handle = async (request: Outgoing, options: { readonly abortSignal?: unknown } = {}) => {
    if (request.method === 'DELETE' && request.query.uploadId !== undefined) return handle(request, options)
    stop.throwIfAborted()
    const { abortSignal: own } = options
    const abortSignal = own instanceof AbortSignal ? AbortSignal.any([stop, own]) : stop
    try {
      return await handle(request, { ...options, abortSignal })
    } catch (thrown) {
      stop.throwIfAborted()
      throw thrown
    }
  }
}
