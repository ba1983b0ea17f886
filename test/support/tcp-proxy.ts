import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A stretch of network before a server on this host, that can be held still. Closed when the test is over. */
export interface Proxy {
  readonly port: number
  /** From the next message with this text on, one connection's messages to the server are held back. */
  holdAt(text: string): Held
  /** Nothing moves any more, in either direction, on any connection; none is closed. */
  freeze(): void
  /** Every connection is cut, and each new one as soon as it is there. */
  cut(): void
}

export interface Held {
  /** When the message has come, and waits. */
  readonly holding: Promise<void>
  readonly release: () => void
}

export const startProxy = async (serverPort: number): Promise<Proxy> => {
  const sockets = new Set<Socket>()
  let isFrozen = false
  let isCut = false
  let wanted: { readonly text: string; readonly seen: () => void; readonly released: Promise<void> } | undefined

  const pass = (from: Socket, to: Socket): void => {
    to.on('drain', () => {
      if (!isFrozen) from.resume()
    })
    from.on('data', (chunk: Buffer) => {
      const send = (): void => {
        if (!to.destroyed && !to.write(chunk)) from.pause()
      }
      if (wanted === undefined || !chunk.includes(wanted.text)) {
        send()
        return
      }
      const { seen, released } = wanted
      wanted = undefined
      from.pause()
      void released.then(() => {
        from.resume()
        send()
      })
      seen()
    })
    from.on('close', () => {
      sockets.delete(from)
      if (!isFrozen) to.destroy()
    })
    from.on('error', () => undefined)
  }

  const server = createServer((client) => {
    if (isCut) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect(serverPort, '127.0.0.1')
    for (const socket of [client, upstream]) sockets.add(socket)
    if (isFrozen) for (const socket of [client, upstream]) socket.pause()
    pass(client, upstream)
    pass(upstream, client)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    holdAt: (text) => {
      const [came, go] = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()]
      wanted = {
        text,
        seen: () => {
          came.resolve(undefined)
        },
        released: go.promise,
      }
      return {
        holding: came.promise,
        release: () => {
          go.resolve(undefined)
        },
      }
    },
    freeze: () => {
      isFrozen = true
      for (const socket of sockets) socket.pause()
    },
    cut: () => {
      isCut = true
      for (const socket of sockets) socket.resetAndDestroy()
    },
  }
}
