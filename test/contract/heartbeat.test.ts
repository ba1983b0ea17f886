import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { heartbeat } from '../../src/adapters/heartbeat.ts'
import { Secret } from '../../src/secret.ts'
import { freePort } from '../support/postgres.ts'
import { newMute } from '../support/smtp.ts'
import { newPingServer } from '../support/ping-server.ts'

const beating = { timeoutMs: 500, waitsMs: [10, 20] }
const at = (port: number) =>
  heartbeat(
    { host: `127.0.0.1:${String(port)}`, url: new Secret(`http://127.0.0.1:${String(port)}/canary-uuid`) },
    beating,
  )

describe('a heartbeat', () => {
  test('says start, success and fail as healthchecks.io wants it, with a few words', async () => {
    const server = await newPingServer()
    for (const sign of ['start', 'success', 'fail'] as const)
      expect(await at(server.port).beat(sign, `words of ${sign}`)).toBe(undefined)
    expect(server.heard).toEqual([
      'POST /canary-uuid/start words of start',
      'POST /canary-uuid words of success',
      'POST /canary-uuid/fail words of fail',
    ])
  })

  test('is tried three times, and no more', async () => {
    const twice = await newPingServer([500, 503])
    expect(await at(twice.port).beat('success', '')).toBe(undefined)
    expect(twice.heard).toHaveLength(3)

    const always = await newPingServer([500, 500, 500, 500])
    expect(await at(always.port).beat('success', '')).toMatch(/answered with 500\.$/)
    expect(always.heard).toHaveLength(3)
  })

  test('follows nobody elsewhere, for the path is a secret', async () => {
    const elsewhere = await newPingServer()
    const server = createServer((_request, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${String(elsewhere.port)}/canary-uuid` }).end()
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    onTestFinished(() => void server.close())
    expect(await at((server.address() as AddressInfo).port).beat('success', '')).toMatch(/answered with 302\.$/)
    expect(elsewhere.heard).toEqual([])
  })

  test.each([
    ['nobody listens', freePort, /could not be reached\.$/],
    ['the server never answers', newMute, /did not answer in time\.$/],
  ])('ends in bounded time when %s, and keeps the secret', async (_what, portOf, sentence) => {
    const since = performance.now()
    const fault = await at(await portOf()).beat('start', '')
    expect(fault).toMatch(sentence)
    expect(fault).not.toContain('canary')
    expect(performance.now() - since).toBeLessThan(5000)
  })
})
