import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { Fault } from '../errors.ts'
import type { DumpSection, Flow, Metered, MeteredFeed } from '../ports.ts'
import { stopped } from './flow.ts'
import { meterDescriptors, type MeterLine } from './meter-line.ts'
import {
  heard,
  notBegun,
  readOnDemand,
  starter,
  untilClosed,
  type Explain,
  type ProgramCall,
  type ProgramEnd,
} from './program.ts'

type Execa = Awaited<ReturnType<typeof starter>>

/** The pg_dump of one section, to be started. */
export interface DumpProgram {
  readonly section: DumpSection
  readonly call: ProgramCall
  readonly explain: Explain
  /** Sees what it said when it had ended well. */
  readonly onExit: (end: ProgramEnd) => void
}

/** A pg_dump at work, whose stdout is given away. */
interface Dumping {
  readonly program: DumpProgram
  /** undefined: it could not be started. */
  readonly stdout: Readable | undefined
  /** When it has ended; a bad end was told to the flow by then. */
  readonly ended: Promise<void>
}

/** The meter at work. */
interface Counting {
  /** Where nobody else was to be written to. */
  readonly stdout: Readable | undefined
  /** Its lines; undefined: it could not be started. */
  readonly report: Readable | undefined
  readonly ended: Promise<void>
}

interface Begun {
  readonly passed: Promise<'all' | 'too little'>
  readonly stdout: Readable | undefined
}

const readersEndMs = 300

const nothing: Begun = { passed: Promise.resolve('too little'), stdout: undefined }

/**
 * The three sections of a dump, one after another, counted and digested by a process of its own (src/dump-meter.ts), which
 * reads what pg_dump writes and writes it to a compressor, or to us. Apart, the sections keep the data away from all code that
 * users wrote, and each must end with pg_dump's trailer; together they are one dump that plain psql reads. All three pg_dump
 * begin at once, in the same snapshot: each spends a tenth of a second on looking at the catalog, and then waits for its turn.
 *
 * See `MeteredFeed` for the contract.
 */
export class MeteredDump implements MeteredFeed {
  readonly metered: Promise<Metered>
  readonly #found = Promise.withResolvers<Metered>()
  readonly #meter: ProgramCall
  readonly #programs: readonly DumpProgram[]
  readonly #flow: Flow
  readonly #onMoved: (bytes: number) => void
  readonly #running: Promise<unknown>[] = []

  /** `onMoved`: how many bytes have passed so far, several times a second while they do. */
  constructor(meter: ProgramCall, programs: readonly DumpProgram[], flow: Flow, onMoved: (bytes: number) => void) {
    this.#meter = meter
    this.#programs = programs
    this.#flow = flow
    this.#onMoved = onMoved
    this.metered = this.#found.promise
    this.metered.catch(() => undefined)
    flow.signal.addEventListener('abort', () => {
      this.#found.reject(flow.rootCause(stopped))
    })
  }

  async into(stdin: Writable): Promise<'all' | 'too little'> {
    return (await this.#begin(stdin)).passed
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    const { passed, stdout } = await this.#begin(undefined)
    if (stdout !== undefined) yield* untilClosed(stdout, false)
    if ((await passed) === 'too little') throw this.#flow.rootCause(stopped)
  }

  async ended(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #begin(stdin: Writable | undefined): Promise<Begun> {
    const start = await starter()
    if (this.#flow.signal.aborted) {
      stdin?.destroy()
      return nothing
    }
    // All of this in one go, without awaiting: what is given away must not be read here.
    const noReader = Promise.withResolvers<unknown>()
    const dumps = this.#programs.map((program) => this.#dump(start, program, noReader.promise))
    const meter = dumps.every(({ stdout }) => stdout !== undefined) ? this.#count(start, dumps, stdin) : undefined
    for (const stream of [...dumps.map(({ stdout }) => stdout), stdin]) stream?.destroy()
    this.#running.push(...dumps.map(({ ended }) => ended))
    if (meter === undefined) return nothing
    const died = meter.ended.then(noReader.resolve)
    this.#running.push(died)
    return { passed: this.#follow(meter, dumps), stdout: meter.stdout }
  }

  /** `noReader`: resolves when the meter has ended, and a bad end was told. */
  #dump(start: Execa, program: DumpProgram, noReader: Promise<unknown>): Dumping {
    const { call, explain, onExit } = program
    const child = start(call.file, call.args, {
      ...common(call, this.#flow),
      stdin: 'ignore',
      forceKillAfterDelay: 5000,
    })
    if (child.pid === undefined) {
      const ended = child.then((result) => {
        this.#fail(notBegun(call.file, result))
      })
      return { program, stdout: undefined, ended }
    }
    const stderr = heard(child.stderr)
    const ended = child.then(async ({ exitCode, signal }) => {
      const end = { exitCode, signal, stderr: stderr() }
      if (exitCode === 0) {
        onExit(end)
        return
      }
      // Perhaps for want of a reader, whose end is then the news, and is seen at about the same time.
      await Promise.race([noReader, pause(readersEndMs)])
      this.#fail(explain(end))
    })
    return { program, stdout: child.stdout, ended }
  }

  #count(start: Execa, dumps: readonly Dumping[], stdin: Writable | undefined): Counting {
    const of = (section: DumpSection): Readable => {
      const stdout = dumps.find(({ program }) => program.section === section)?.stdout
      if (stdout === undefined) throw new TypeError(`no program dumps the section ${section}`)
      return stdout
    }
    const child = readOnDemand(() =>
      start(this.#meter.file, this.#meter.args, {
        ...common(this.#meter, this.#flow),
        // In the order of `meterDescriptors`.
        stdio: [of('data'), stdin ?? 'pipe', 'pipe', 'pipe', of('pre-data'), of('post-data')],
        // It holds nothing that would have to be tidied up, and may be waiting where no other signal is heard.
        killSignal: 'SIGKILL',
      }),
    )
    if (child.pid === undefined) {
      const ended = child.then((result) => {
        this.#fail(notBegun(this.#meter.file, result))
      })
      return { stdout: undefined, report: undefined, ended }
    }
    const stderr = heard(child.stderr)
    const ended = child.then(({ exitCode, signal }) => {
      if (exitCode !== 0) this.#fail(meterDied(signal, exitCode, stderr()))
    })
    return {
      stdout: stdin === undefined ? (child.stdout ?? undefined) : undefined,
      report: child.stdio[meterDescriptors.report],
      ended,
    }
  }

  /** What the meter says, up to the end of its work. */
  async #follow({ report, ended }: Counting, dumps: readonly Dumping[]): Promise<'all' | 'too little'> {
    for await (const line of report === undefined ? [] : linesOf(report))
      if (line.kind === 'at') this.#onMoved(line.bytes)
      else if (line.kind === 'reader-gone') return 'too little'
      else if (line.kind === 'fault') {
        // A pg_dump that has failed ends its section too soon, and is the reason.
        await dumps.find(({ program }) => program.section === line.section)?.ended
        this.#fail(new Fault(line.code, line.message, line.hint === undefined ? {} : { hint: line.hint }))
      } else {
        this.#onMoved(line.metered.sizeBytes)
        // Whatever was written: each of them must say that it was all.
        await Promise.all([ended, ...dumps.map((dump) => dump.ended)])
        if (this.#flow.signal.aborted) return 'too little'
        this.#found.resolve(line.metered)
        return 'all'
      }
    await ended
    return 'too little'
  }

  /** What was stopped ends in many ways, none of which is news. */
  #fail(fault: Fault): void {
    if (!this.#flow.signal.aborted) this.#flow.fail(fault)
  }
}

const common = (call: ProgramCall, flow: Flow) =>
  ({
    env: call.environment,
    extendEnv: false,
    buffer: false,
    encoding: 'buffer',
    reject: false,
    cancelSignal: flow.signal,
  }) as const

async function* linesOf(report: Readable): AsyncGenerator<MeterLine> {
  // It breaks off with the meter, whose end is the news.
  report.on('error', () => undefined)
  for await (const text of createInterface({ input: report })) yield JSON.parse(text) as MeterLine
}

const meterDied = (signal: string | undefined, exitCode: number | undefined, said: string): Fault =>
  new Fault(
    'program-failed',
    `The part of oslrs-backup that counts the dump ended before its time (${signal ?? `exit status ${String(exitCode)}`}).`,
    {
      hint:
        signal === undefined
          ? 'Is this installation whole? Install it again (./install.sh); if it stays, report what --verbose prints.'
          : 'It is worth trying again; the machine may have had too little memory: journalctl -k',
      // What node says of its own; --verbose prints it.
      cause: new Error(said),
    },
  )
