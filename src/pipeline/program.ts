import type { execa } from 'execa'
import { getDefaultHighWaterMark, setDefaultHighWaterMark, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { asFault, Fault, scarce } from '../errors.ts'
import type { Bytes, Feed, Flow } from '../ports.ts'
import { stopped } from './flow.ts'

/** A program to run: never through a shell, with exactly this environment. */
export interface ProgramCall {
  readonly file: string
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export interface ProgramEnd {
  readonly exitCode: number | undefined
  readonly signal: string | undefined
  /** The first 16 KiB of what it said. May hold anything: the adapter decides what of it may be told. */
  readonly stderr: string
}

/** Turns a program's bad end into a sentence. Called for every end that is not exit status 0. */
export type Explain = (end: ProgramEnd) => Fault

const isFeed = (input: Bytes | Feed | undefined): input is Feed => input !== undefined && 'into' in input

const stderrLimitBytes = 16 * 1024

/** Read when the first program is started: most commands end without one. */
export const starter = async (): Promise<typeof execa> => (await import('execa')).execa

/**
 * The program's stdout, with `input` flowing into its stdin. Ends normally only when the input ended normally, the
 * program read all of it, and exited 0; otherwise throws the root cause of the whole flow. When the reader stops early
 * or the flow fails, the program is ended (SIGTERM, then SIGKILL after 5 s) and has ended when this returns.
 *
 * `onExit`, if given, sees what a well-ended program said on stderr.
 */
export async function* throughProgram(
  call: ProgramCall,
  input: Bytes | Feed | undefined,
  flow: Flow,
  explain: Explain,
  onExit?: (end: ProgramEnd) => void,
): AsyncGenerator<Uint8Array> {
  const start = await starter()
  if (isOver(flow)) throw flow.rootCause(stopped)
  const stop = new AbortController()
  const child = readOnDemand(() =>
    start(call.file, call.args, {
      env: call.environment,
      extendEnv: false,
      stdin: input === undefined ? 'ignore' : 'pipe',
      buffer: false,
      encoding: 'buffer',
      reject: false,
      cancelSignal: AbortSignal.any([flow.signal, stop.signal]),
      forceKillAfterDelay: 5000,
    }),
  )
  if (child.pid === undefined) {
    // Without a process there are no streams either, or such that nobody reads. The input was not begun.
    flow.fail(notBegun(call.file, await child))
    throw flow.rootCause(stopped)
  }
  const stderr = heard(child.stderr)

  const reading = { ended: input === undefined }
  const wasStopped = (): boolean => flow.signal.aborted || stop.signal.aborted
  const ended = child.then(async (result) => {
    const end = { exitCode: result.exitCode, signal: result.signal, stderr: stderr() }
    // A program that was stopped ends in many ways; that is no fault of its own.
    if (wasStopped()) return end
    // A stdin that was given away looks like one that broke off.
    if (isFeed(input) ? result.exitCode !== 0 : result.failed) flow.fail(explain(end))
    else if (isFeed(input) ? (await feeding) === 'too little' && !wasStopped() : !reading.ended)
      flow.fail(explain(readTooLittle(end)))
    return end
  })

  // Said before the input is told to stop, for its programs would take that for a fault of their own.
  const whyItStopped = async (): Promise<void> => {
    const end = await ended
    if (!wasStopped()) flow.fail(explain(readTooLittle(end)))
  }
  const feed = async (): Promise<'all' | 'too little'> => {
    if (input === undefined || child.stdin === null) return 'all'
    if (isFeed(input)) return input.into(child.stdin)
    try {
      await pipeline(
        noting(input, flow, whyItStopped, () => {
          reading.ended = true
        }),
        child.stdin,
      )
      return 'all'
    } catch {
      // What went wrong is noted where it went wrong: in the input, or by the program's own end. A program that exits
      // 0 without having read its input has not done its work.
      return 'too little'
    }
  }
  const feeding = feed()
  try {
    yield* untilClosed(child.stdout, input === undefined)
    const read = await feeding
    const end = await ended
    if (isOver(flow)) throw stopped
    if (read === 'too little') throw explain(readTooLittle(end))
    onExit?.(end)
  } catch (thrown) {
    flow.fail(thrown)
    throw flow.rootCause(thrown)
  } finally {
    stop.abort()
    // A reader that stops early leaves an input that may be waiting for bytes: it is ended as well.
    if (!child.stdout.readableEnded) flow.stop()
    await Promise.allSettled([ended, feeding])
  }
}

/** The first 16 KiB that are said, up to when it is asked for. */
export const heard = (stream: Readable): (() => string) => {
  let said = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    if (said.length < stderrLimitBytes) said = Buffer.concat([said, chunk.subarray(0, stderrLimitBytes - said.length)])
  })
  return () => said.toString('utf8')
}

const isOver = (flow: Flow): boolean => flow.signal.aborted

const readTooLittle = (end: ProgramEnd): ProgramEnd => ({
  ...end,
  stderr: end.stderr === '' ? 'it stopped reading before the end of its input' : end.stderr,
})

/** Why a program was never started. */
export const notBegun = (file: string, { code = 'unknown' }: { readonly code?: string | undefined }): Fault =>
  code === 'ENOENT' || code === 'EACCES'
    ? new Fault('program-missing', `The program ${file} is not installed, or cannot be run.`, {
        hint: 'On Debian and Ubuntu: sudo apt-get install postgresql-client age isal',
      })
    : new Fault('program-failed', `The program ${file} could not be started (${code}).`, {
        hint: `It is worth trying again; if it stays: ${scarce[code] ?? 'see what that error is: man 2 execve'}`,
      })

async function* noting(
  input: Bytes,
  flow: Flow,
  onReaderGone: () => Promise<void>,
  onEnd: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of input) {
      let taken = false
      try {
        yield chunk
        taken = true
      } finally {
        if (!taken) await onReaderGone()
      }
    }
    onEnd()
  } catch (thrown) {
    flow.fail(thrown)
    throw thrown
  }
}

/**
 * Streams made by `make` read nothing ahead: one read for each chunk that is asked for. Node has no option for a child's
 * streams, only this default, which is looked at when they are made.
 */
export const readOnDemand = <T>(make: () => T): T => {
  const usual = getDefaultHighWaterMark(false)
  setDefaultHighWaterMark(false, 1)
  try {
    return make()
  } finally {
    setDefaultHighWaterMark(false, usual)
  }
}

/**
 * A program that has no input of ours is where the flow begins, and the slowest of it: psql, copying a table out. It writes a
 * row or 4 KiB at a time. Read as they come, 1 GB is 130,000 chunks and a core is busy with nothing else; left for a moment, they
 * gather in the socket, which holds about 180 KiB, and are read 64 KiB at a time (bench's README). Others would only be held up.
 */
const smallBytes = 16 * 1024
const gatheringMs = 1

/** A stream's chunks; a stream that breaks off only ends, for the reason is found elsewhere. `gathers`: see above. */
export async function* untilClosed(stream: AsyncIterable<Uint8Array>, gathers: boolean): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]()
  try {
    for (;;) {
      let step: IteratorResult<Uint8Array>
      try {
        step = await chunks.next()
      } catch {
        return
      }
      if (step.done === true) return
      yield step.value
      if (gathers && step.value.byteLength < smallBytes) await pause(gatheringMs)
    }
  } finally {
    await chunks.return?.()
  }
}

/** Runs a small program to its end and returns what it printed (at most 1 MiB). */
export const outputOf = async (call: ProgramCall, input: string | undefined, explain: Explain): Promise<string> => {
  const start = await starter()
  const child = start(call.file, call.args, {
    env: call.environment,
    extendEnv: false,
    input: input ?? '',
    reject: false,
    maxBuffer: 1024 * 1024,
    timeout: 30_000,
    forceKillAfterDelay: 2000,
  })
  const result = await child.catch((thrown: unknown) => {
    throw asFault(thrown)
  })
  if (child.pid === undefined) throw notBegun(call.file, result)
  if (result.failed)
    throw explain({
      exitCode: result.exitCode,
      signal: result.signal,
      stderr: result.stderr.slice(0, stderrLimitBytes),
    })
  return result.stdout
}
