import { readSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { asFault, isErrno } from './errors.ts'
import { CopyMeter } from './pipeline/copy-meter.ts'
import { meterDescriptors, type MeterLine } from './pipeline/meter-line.ts'
import type { DumpSection } from './ports.ts'

/**
 * A process of its own between pg_dump and the compressor: it reads the three sections one after another, counts and
 * digests what passes, and writes it on. See pipeline/metered-dump.ts, which starts it.
 *
 * The data is read and written without waiting for events, through one buffer: half the processor time that it takes in
 * the streams of the process that does everything else (bench's README).
 */

const bufferBytes = 256 * 1024
/** pg_dump writes 4 KiB at a time; left for a moment, they gather. */
const smallBytes = 64 * 1024
const gatheringMs = 1
const toldEachMs = 100

const meter = new CopyMeter()
const readerGone = Symbol('whoever was to read has gone')

const writeAll = (descriptor: number, bytes: Uint8Array): void => {
  for (let at = 0; at < bytes.byteLength;) at += writeSync(descriptor, bytes, at)
}

const tell = (line: MeterLine): void => {
  writeAll(meterDescriptors.report, Buffer.from(`${JSON.stringify(line)}\n`))
}

let toldAt = performance.now()
const pass = (chunk: Uint8Array): void => {
  meter.update(chunk)
  try {
    writeAll(meterDescriptors.out, chunk)
  } catch (thrown) {
    throw isErrno(thrown, 'EPIPE', 'ECONNRESET') ? readerGone : thrown
  }
  if (performance.now() - toldAt < toldEachMs) return
  toldAt = performance.now()
  tell({ kind: 'at', bytes: meter.sizeBytes })
}

/** Of definitions, and so never much. */
const readSmall = async (section: 'pre-data' | 'post-data'): Promise<void> => {
  const stream = new Socket({ fd: meterDescriptors[section], readable: true, writable: false })
  for await (const chunk of stream as AsyncIterable<Uint8Array>) pass(chunk)
}

const readData = (): void => {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  const nobodyWakes = new Int32Array(new SharedArrayBuffer(4))
  for (;;) {
    const length = readSync(meterDescriptors.data, buffer)
    if (length === 0) return
    pass(buffer.subarray(0, length))
    if (length < smallBytes) Atomics.wait(nobodyWakes, 0, 0, gatheringMs)
  }
}

const untilEnded = (): void => {
  readSync(meterDescriptors.report, Buffer.alloc(1))
}

// They reach all programs of a terminal or a unit: whoever started this one is to say what becomes of it.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => undefined)

let section: DumpSection = 'pre-data'
try {
  await readSmall(section)
  meter.endOfSection(section)
  section = 'data'
  readData()
  meter.endOfSection(section)
  section = 'post-data'
  await readSmall(section)
  meter.endOfSection(section)
  tell({ kind: 'metered', metered: meter.end() })
} catch (thrown) {
  if (thrown === readerGone) tell({ kind: 'reader-gone' })
  else {
    const { code, message, hint } = asFault(thrown)
    tell({ kind: 'fault', section, code, message, hint })
  }
  untilEnded()
}
