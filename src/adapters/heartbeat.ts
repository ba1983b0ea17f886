import { setTimeout as wait } from 'node:timers/promises'
import type { PingUrl } from '../config/settings.ts'
import type { Heartbeat } from '../ports/telling.ts'

export interface Beating {
  readonly timeoutMs: number
  /** Between the attempts; one attempt more than there are waits. */
  readonly waitsMs: readonly number[]
}
const standard: Beating = { timeoutMs: 10_000, waitsMs: [1000, 3000] }

/** healthchecks.io: POST to the URL, `/start` or `/fail`; any 2xx means that it was heard. */
export const heartbeat = ({ host, url }: PingUrl, { timeoutMs, waitsMs }: Beating = standard): Heartbeat => ({
  description: host,
  beat: async (sign, words) => {
    const ending = sign === 'success' ? '' : `/${sign}`
    let fault = ''
    // That it starts is worth one attempt: the others tell how it ended.
    for (const waitMs of sign === 'start' ? [0] : [0, ...waitsMs]) {
      await wait(waitMs)
      fault = await post(`${url.reveal()}${ending}`, words, timeoutMs)
      if (fault === '') return undefined
    }
    return `${host} ${fault}.`
  },
})

const post = async (url: string, body: string, timeoutMs: number): Promise<string> => {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body,
      // A redirect would hand the secret in the path to somebody else.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    })
    await response.body?.cancel()
    return response.ok ? '' : `answered with ${String(response.status)}`
  } catch (thrown) {
    return thrown instanceof Error && thrown.name === 'TimeoutError' ? 'did not answer in time' : 'could not be reached'
  }
}
