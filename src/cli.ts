import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Fault } from './errors.ts'
import { main } from './program/main.ts'

/** The edge of the process: the only file that touches `process`. */

// What is left of libpq's and node's own settings in the environment must steer neither the driver nor the programs.
for (const name of Object.keys(process.env)) if (/^PG[A-Z]/.test(name)) Reflect.deleteProperty(process.env, name)
// Files and folders are for nobody else.
process.umask(0o077)

const stop = new AbortController()
const stopOn = (signal: 'SIGTERM' | 'SIGINT', code: 'terminated' | 'interrupted'): void => {
  process.on(signal, () => {
    stop.abort(new Fault(code, `Stopped by ${signal}. Nothing half-done is left behind.`))
  })
}
stopOn('SIGTERM', 'terminated')
stopOn('SIGINT', 'interrupted')
// Its meaning comes back as an error of the write, which can be told; without this it would be the end of us.
process.on('SIGXFSZ', () => undefined)

// A reader that has gone (`list | head`) is no fault.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'EPIPE') throw thrown
  })

const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise(
    (resolve) =>
      void stream.write('', () => {
        resolve()
      }),
  )

/** A terminal that is closed instead of answering has typed nothing. */
const ask = (question: string): Promise<string> =>
  new Promise((resolve) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr })
    terminal.on('close', () => {
      resolve('')
    })
    // Otherwise the terminal's own Ctrl-C would be taken for a key.
    terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
    stop.signal.addEventListener('abort', () => {
      terminal.close()
    })
    terminal.question(question, (line) => {
      resolve(line)
      terminal.close()
    })
  })

const status = main({
  argv: process.argv.slice(2),
  environment: process.env,
  stdout: { write: (text) => void process.stdout.write(text), isTerminal: process.stdout.isTTY },
  stderr: { write: (text) => void process.stderr.write(text), isTerminal: process.stderr.isTTY },
  ask: process.stdin.isTTY && process.stderr.isTTY ? ask : undefined,
  stop: stop.signal,
  meter: [
    process.execPath,
    // What it makes is garbage at once.
    '--max-semi-space-size=1',
    fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'dump-meter.ts' : 'dump-meter.mjs', import.meta.url)),
  ],
  zlibVersion: process.versions.zlib,
})
void status.then(async (code) => {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)])
  process.exit(code)
})
