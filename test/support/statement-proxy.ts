import { connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** Whose statements pass: those of our own sessions, those of the script that psql loads, those of pg_dump. */
export type Speaker = 'ours' | 'load' | 'pg_dump'

/** A statement on its way to the server, told apart from others by its text and how often that has passed before. */
export interface Passing {
  readonly by: Speaker
  /** With what changes from run to run replaced. `COPY data` for the first data of a COPY. */
  readonly text: string
  readonly nth: number
}

export interface StatementProxy {
  readonly port: number
  /** What has passed since the last call, in order. */
  taken(): readonly Passing[]
  /** When this statement comes: `before` it reaches the server, or when the server has answered it. It goes no further. */
  stopAt(what: Passing, when: 'before' | 'after'): Promise<void>
  /** Ends every connection, and forgets what was asked for. */
  reset(): void
}

const normalized = (text: string): string =>
  text
    .replaceAll(/\d{8}t\d{6}z(_[0-9a-f]{6})?/g, 'STAMP')
    .replaceAll(/\b[0-9A-F]{8}-[0-9A-F]{8}-\d\b/g, 'SNAPSHOT')
    .replaceAll(/\b[0-9a-f]{8,}\b/g, 'RANDOM')
    .replaceAll(/\b\d{3,}\b/g, 'N')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 200)

/** A PostgreSQL server as its clients see it, one statement at a time (protocol 3: typed messages with a length). */
export const startStatementProxy = async (serverPort: number): Promise<StatementProxy> => {
  const sockets = new Set<Socket>()
  let passed: Passing[] = []
  const counts = new Map<string, number>()
  let wanted: { readonly key: string; readonly when: 'before' | 'after'; readonly reached: () => void } | undefined
  const keyOf = ({ by, text, nth }: Passing): string => `${by} ${String(nth)} ${text}`

  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1')
    const state = {
      started: false,
      held: Buffer.alloc(0),
      speaker: undefined as Speaker | undefined,
      inCopy: false,
      stopped: false,
    }
    const answering: { reached?: () => void } = {}
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    upstream.on('data', (chunk: Buffer) => {
      if (answering.reached === undefined) client.write(chunk)
      else answering.reached()
    })

    /** True: it may go on. */
    const look = (text: string): boolean => {
      state.speaker ??=
        text.startsWith('SET ROLE') ||
        text.startsWith('SET statement_timeout = 0;\n') ||
        text === 'SET statement_timeout = 0;'
          ? 'load'
          : text.startsWith(`SELECT pg_catalog.set_config('search_path'`)
            ? 'pg_dump'
            : 'ours'
      const known = `${state.speaker} ${normalized(text)}`
      const nth = counts.get(known) ?? 0
      counts.set(known, nth + 1)
      const passing = { by: state.speaker, text: normalized(text), nth }
      passed.push(passing)
      if (wanted?.key !== keyOf(passing)) return true
      const { when, reached } = wanted
      wanted = undefined
      if (when === 'after') answering.reached = reached
      else {
        state.stopped = true
        reached()
      }
      return when === 'after'
    }
    client.on('data', (chunk: Buffer) => {
      state.held = Buffer.concat([state.held, chunk])
      while (!state.stopped) {
        const head = state.started ? 1 : 0
        if (state.held.length < head + 4) return
        const length = head + state.held.readInt32BE(head)
        if (state.held.length < length) return
        const message = state.held.subarray(0, length)
        state.held = state.held.subarray(length)
        // The start-up packet has version 3.0; requests for encryption come before it in the same form.
        if (!state.started) state.started = message.readInt32BE(4) === 196_608
        else {
          const type = String.fromCharCode(message[0] ?? 0)
          const text =
            type === 'Q'
              ? message.toString('utf8', 5, length - 1)
              : type === 'P'
                ? (message.toString('utf8', 5).split('\0')[1] ?? '')
                : undefined
          const copyBegins = type === 'd' && !state.inCopy
          state.inCopy = type === 'd'
          if (text !== undefined && !look(text)) return
          if (copyBegins && !look('COPY data')) return
        }
        upstream.write(message)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  const taken = (): readonly Passing[] => {
    const all = passed
    passed = []
    counts.clear()
    return all
  }
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    taken,
    stopAt: (what, when) => {
      taken()
      return new Promise((resolve) => {
        wanted = { key: keyOf(what), when, reached: resolve }
      })
    },
    reset: () => {
      wanted = undefined
      for (const socket of sockets) socket.destroy()
    },
  }
}
