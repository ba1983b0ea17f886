import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A dead-man's switch on loopback: keeps what it hears, and answers with these statuses first, then with 200. */
export const newPingServer = async (
  statuses: readonly number[] = [],
): Promise<{ readonly port: number; readonly heard: readonly string[] }> => {
  const heard: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += String(chunk)
    })
    request.on('end', () => {
      heard.push(`${request.method ?? ''} ${request.url ?? ''} ${body}`.trim())
      response.writeHead(statuses[heard.length - 1] ?? 200).end('OK')
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, heard }
}
