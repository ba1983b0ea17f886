import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { expect } from 'vitest'

/** What a request asks for, in S3's own words. `BucketSettings` are the questions after versioning, lock and expiry. */
export type RequestKind =
  | 'CreateMultipartUpload'
  | 'UploadPart'
  | 'UploadPartCopy'
  | 'CompleteMultipartUpload'
  | 'AbortMultipartUpload'
  | 'PutObject'
  | 'CopyObject'
  | 'GetObject'
  | 'HeadObject'
  | 'DeleteObject'
  | 'ListObjects'
  | 'ListMultipartUploads'
  | 'BucketSettings'
  | 'Other'

/** What happens to a request. None of it is real harm to the store: that is radosgw, and it is behind. */
export type S3Fault =
  /** Answered in the store's stead, with S3's XML; the request does not get there. */
  | { readonly what: 'answer'; readonly status: number; readonly code: string; readonly header?: Headers }
  /** The same, with this body: what another server would say. */
  | { readonly what: 'say'; readonly status: number; readonly body: Body; readonly header?: Headers }
  | { readonly what: 'reset'; readonly when: 'before the body' | 'in the body' | 'after the body' }
  /** Taken and never answered. */
  | { readonly what: 'stall'; readonly when: 'before the body' | 'after the body' }
  /** Held until `release`, then passed on. */
  | { readonly what: 'hold' }
  /** Carried out by the store; the connection ends in place of the answer. */
  | { readonly what: 'lose the answer' }
  /** Carried out by the store, and never answered. */
  | { readonly what: 'keep the answer' }
  /** Half of the answer's body, then the end of the connection. */
  | { readonly what: 'cut the answer' }
  /** Half of the answer's body, then nothing. */
  | { readonly what: 'stall in the answer' }
  | { readonly what: 'flip a byte of the answer' }
  | { readonly what: 'flip a byte of the request' }
  /** Carried out by the store, and its answer altered; an empty text takes a header away. */
  | {
      readonly what: 'alter the answer'
      readonly status?: number
      readonly header?: Headers
      readonly body?: string | ((was: string) => string)
    }
type Headers = Readonly<Record<string, string>>
type Body = string | Buffer | ((asked: SeenRequest) => string)

export interface S3FaultPlan {
  readonly kind: RequestKind
  /** Only requests for keys like this. */
  readonly key?: RegExp
  /** Which of them, from 1 on, tries counted one by one. */
  readonly nth: number | 'every' | { readonly from: number }
  readonly fault: S3Fault
}

export interface SeenRequest {
  readonly kind: RequestKind
  readonly key: string
  readonly method: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  /** As the client was told; undefined where it was told nothing. */
  status?: number
  fault?: S3Fault['what']
}

/** A stretch of HTTP before radosgw that does harm at events, by a plan. Closed by who opened it. */
export interface S3Proxy {
  readonly endpoint: string
  /** Everything that has come since the last plan, in order. */
  readonly requests: readonly SeenRequest[]
  /** Faults from here on. What was seen and fired before is forgotten. */
  plan(...plans: readonly S3FaultPlan[]): void
  /** When the plan's fault of this number, from 0 on, has come to pass. */
  firing(number?: number): Promise<void>
  /** Lets go on what is held. */
  release(): void
  /** Whether every fault of the plan has come to pass. */
  haveAllFired(): boolean
  /** Fails the test when a fault of the plan has not come to pass: it has shown nothing then. */
  expectAllFired(): void
  close(): Promise<void>
}

interface Planned extends S3FaultPlan {
  readonly firing: PromiseWithResolvers<undefined>
  met: number
  fired: number
}

export const startS3Proxy = async (upstreamEndpoint: string): Promise<S3Proxy> => {
  const upstream = new URL(upstreamEndpoint)
  // A connection for each request: none is there to be stale.
  const agent = new Agent({ keepAlive: false })
  const requests: SeenRequest[] = []
  let planned: Planned[] = []
  let released = Promise.withResolvers<undefined>()

  const planFor = (seen: SeenRequest): Planned | undefined => {
    let found: Planned | undefined
    for (const plan of planned) {
      if (plan.kind !== seen.kind || plan.key?.test(seen.key) === false) continue
      plan.met += 1
      const isMeant =
        plan.nth === 'every' || (typeof plan.nth === 'number' ? plan.met === plan.nth : plan.met >= plan.nth.from)
      if (isMeant) found ??= plan
    }
    if (found !== undefined) {
      found.fired += 1
      seen.fault = found.fault.what
    }
    return found
  }

  const handle = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const seen = recognised(asked)
    // Node takes it away from the request when that is over.
    const { socket } = asked
    requests.push(seen)
    const found = planFor(seen)
    const fault = found?.fault
    const go = released
    try {
      if (fault?.what === 'reset' && fault.when !== 'after the body') {
        if (fault.when === 'in the body') await halfOf(asked, answer)
        socket.resetAndDestroy()
        return
      }
      if (fault?.what === 'stall' && fault.when === 'before the body') return
      if (asked.headers.expect !== undefined) answer.writeContinue()
      const body = await whole(asked)
      if (fault !== undefined && !reachesTheStore(fault)) {
        inItsStead(fault, seen, socket, answer)
        return
      }
      if (fault?.what === 'hold') {
        found?.firing.resolve(undefined)
        await go.promise
      }
      const { response, bytes } = await passedOn(asked, fault, body)
      giveBack(fault, seen, { socket, answer }, response, bytes)
    } catch {
      // The client has gone, or the store has: nobody is left to be told.
      socket.destroy()
    } finally {
      found?.firing.resolve(undefined)
    }
  }

  const passedOn = async (asked: IncomingMessage, fault: S3Fault | undefined, body: Buffer) => {
    // The Host header stays the client's: it is signed.
    const { expect: _expect, connection: _connection, ...headers } = asked.headers
    const passing = request({
      host: upstream.hostname,
      port: upstream.port,
      method: asked.method,
      path: asked.url,
      headers,
      agent,
    })
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      passing.once('response', resolve)
      passing.once('error', reject)
    })
    passing.end(fault?.what === 'flip a byte of the request' ? flipped(body) : body)
    const response = await answered
    return { response, bytes: await whole(response) }
  }

  const server = createServer((asked, answer) => void handle(asked, answer))
  // Without this, node would ask for every body before a fault could come first.
  server.on('checkContinue', (asked, answer) => void handle(asked, answer))
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')

  return {
    endpoint: `http://127.0.0.1:${String(address.port)}`,
    requests,
    plan: (...plans) => {
      requests.length = 0
      planned = plans.map((plan) => ({ ...plan, firing: Promise.withResolvers(), met: 0, fired: 0 }))
      released = Promise.withResolvers()
    },
    firing: async (number = 0) => planned[number]?.firing.promise,
    release: () => {
      released.resolve(undefined)
    },
    haveAllFired: () => planned.every(({ fired }) => fired > 0),
    expectAllFired: () => {
      expect(planned.filter((plan) => plan.fired === 0).map(({ kind, nth, fault }) => ({ kind, nth, fault }))).toEqual(
        [],
      )
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}

const recognised = (asked: IncomingMessage): SeenRequest => {
  const { pathname, searchParams: query } = new URL(asked.url ?? '', 'http://store')
  const [, , ...rest] = pathname.split('/')
  const key = decodeURIComponent(rest.join('/'))
  const method = asked.method ?? ''
  return { kind: kindOf(method, key, query, asked.headers), key, method, query, headers: asked.headers }
}

const kindOf = (
  method: string,
  key: string,
  query: URLSearchParams,
  headers: IncomingMessage['headers'],
): RequestKind => {
  const copies = headers['x-amz-copy-source'] !== undefined
  if (key === '') {
    if (method !== 'GET') return 'Other'
    if (query.has('uploads')) return 'ListMultipartUploads'
    if (query.has('list-type')) return 'ListObjects'
    return ['versioning', 'lifecycle', 'object-lock'].some((name) => query.has(name)) ? 'BucketSettings' : 'Other'
  }
  const isPart = query.has('uploadId')
  switch (method) {
    case 'GET':
      return 'GetObject'
    case 'HEAD':
      return 'HeadObject'
    case 'DELETE':
      return isPart ? 'AbortMultipartUpload' : 'DeleteObject'
    case 'POST':
      return isPart ? 'CompleteMultipartUpload' : query.has('uploads') ? 'CreateMultipartUpload' : 'Other'
    case 'PUT':
      if (isPart) return copies ? 'UploadPartCopy' : 'UploadPart'
      return copies ? 'CopyObject' : 'PutObject'
    default:
      return 'Other'
  }
}

const whole = async (from: AsyncIterable<Uint8Array>): Promise<Buffer> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of from) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** When half of the body has come. */
const halfOf = (asked: IncomingMessage, answer: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    if (asked.headers.expect !== undefined) answer.writeContinue()
    const half = Number(asked.headers['content-length'] ?? 0) / 2
    let seen = 0
    asked.on('data', (chunk: Buffer) => {
      seen += chunk.byteLength
      if (seen >= half) resolve()
    })
    for (const event of ['end', 'close']) asked.once(event, resolve)
  })

const flipped = (bytes: Buffer): Buffer => {
  const other = Buffer.from(bytes)
  const middle = Math.floor(other.length / 2)
  if (other.length > 0) other.writeUInt8(other.readUInt8(middle) ^ 1, middle)
  return other
}

type Unanswered = Extract<S3Fault, { what: 'answer' | 'say' | 'reset' | 'stall' }>

const reachesTheStore = (fault: S3Fault): fault is Exclude<S3Fault, Unanswered> =>
  fault.what !== 'answer' && fault.what !== 'say' && fault.what !== 'reset' && fault.what !== 'stall'

const inItsStead = (fault: Unanswered, seen: SeenRequest, socket: Socket, answer: ServerResponse): void => {
  switch (fault.what) {
    case 'reset':
      socket.resetAndDestroy()
      return
    case 'stall':
      return
    case 'answer':
    case 'say':
      seen.status = fault.status
      giveInItsStead(fault, seen, answer)
      return
  }
}

const giveInItsStead = (
  fault: Extract<S3Fault, { what: 'answer' | 'say' }>,
  seen: SeenRequest,
  answer: ServerResponse,
): void => {
  const said = fault.what === 'say' ? fault.body : errorDocument(fault.code)
  const body = Buffer.from(typeof said === 'function' ? said(seen) : said)
  answer.writeHead(fault.status, {
    'content-type': 'application/xml',
    'content-length': body.length,
    ...fault.header,
  })
  answer.end(seen.method === 'HEAD' ? undefined : body)
}

/** As S3 says that something went wrong. */
export const errorDocument = (code: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>by the proxy</Message><RequestId>1</RequestId></Error>`

const giveBack = (
  fault: Exclude<S3Fault, Unanswered> | undefined,
  seen: SeenRequest,
  { socket, answer }: { readonly socket: Socket; readonly answer: ServerResponse },
  response: IncomingMessage,
  bytes: Buffer,
): void => {
  if (fault?.what === 'lose the answer') {
    socket.resetAndDestroy()
    return
  }
  if (fault?.what === 'keep the answer') return
  const altered = fault?.what === 'alter the answer' ? fault : undefined
  const said = typeof altered?.body === 'function' ? altered.body(String(bytes)) : altered?.body
  const body = said === undefined ? bytes : Buffer.from(said)
  const status = altered?.status ?? response.statusCode ?? 502
  seen.status = status
  const { connection: _connection, 'transfer-encoding': _encoding, ...sent } = response.headers
  const headers = Object.entries({
    ...sent,
    ...(seen.method === 'HEAD' ? {} : { 'content-length': String(body.length) }),
    ...altered?.header,
  })
  for (const [name, value] of headers) if (value !== undefined && value !== '') answer.setHeader(name, value)
  answer.writeHead(status)
  if (seen.method === 'HEAD') {
    answer.end()
    return
  }
  const half = body.subarray(0, Math.floor(body.length / 2))
  if (fault?.what === 'cut the answer') answer.write(half, () => answer.destroy())
  else if (fault?.what === 'stall in the answer') answer.write(half)
  else answer.end(fault?.what === 'flip a byte of the answer' ? flipped(body) : body)
}
