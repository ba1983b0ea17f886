import { pipeline } from 'node:stream/promises'
import type { Transform } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { Fault } from '../errors.ts'
import { stopped } from '../pipeline/flow.ts'
import { outputOf, throughProgram, type ProgramEnd } from '../pipeline/program.ts'
import type { Bytes, Flow, Gzip } from '../ports.ts'
import { inPath } from './installed.ts'

/** igzip (Debian's package isal, several times faster than gzip) where it is installed, else Node's own zlib. */
export const findGzip = async (environment: Readonly<Record<string, string>>, zlibVersion: string): Promise<Gzip> => {
  const [igzip] = await inPath(environment['PATH'] ?? '', 'igzip')
  if (igzip === undefined) return zlibGzip(zlibVersion)
  const words = await outputOf({ file: igzip, args: ['--version'], environment }, undefined, failed)
  const version = /\d+(\.\d+)+/.exec(words)?.[0] ?? 'of unknown version'
  return {
    name: `igzip ${version}`,
    // -n: no name and no time in the header, so that the same dump gives the same bytes.
    compress: (input, flow) =>
      throughProgram({ file: igzip, args: ['-n', '-1', '-c'], environment }, input, flow, failed),
    decompress: (input, flow) =>
      throughProgram({ file: igzip, args: ['-d', '-c'], environment }, input, flow, notWhole),
  }
}

const failed = (end: ProgramEnd): Fault =>
  new Fault('program-failed', `igzip failed (${end.signal ?? `exit status ${String(end.exitCode)}`}).`, {
    hint: 'It is worth trying again; without the package isal the slower zlib is used.',
  })

const damaged = (cause?: unknown): Fault =>
  new Fault('damaged', 'The archive is damaged: it is not one whole gzip stream.', {
    hint: 'Fetch another backup: oslrs-backup list',
    cause,
  })

/** What igzip says of its input begins so; anything else, as "Failed to allocate memory", is its own trouble. */
const notWhole = (end: ProgramEnd): Fault => (end.stderr.startsWith('igzip: Error') ? damaged() : failed(end))

const zlibGzip = (version: string): Gzip => ({
  name: `zlib ${version}`,
  compress: (input, flow) => throughTransform(createGzip({ level: 6 }), input.bytes(), flow),
  decompress: (input, flow) => throughTransform(createGunzip(), input, flow),
})

async function* throughTransform(transform: Transform, input: Bytes, flow: Flow): AsyncGenerator<Uint8Array> {
  async function* noting(): AsyncGenerator<Uint8Array> {
    try {
      yield* input
    } catch (thrown) {
      flow.fail(thrown)
      throw thrown
    }
  }
  const feeding = pipeline(noting(), transform).catch((thrown: unknown) => {
    // The input's own fault was noted first, and stays the news.
    if (!flow.signal.aborted) flow.fail(damaged(thrown))
  })
  const end = (): void => void transform.destroy()
  flow.signal.addEventListener('abort', end, { once: true })
  try {
    for await (const chunk of transform as AsyncIterable<Uint8Array>) yield chunk
    await feeding
    if (flow.signal.aborted) throw stopped
  } catch (thrown) {
    await feeding
    // A gzip that is cut off is told by the transform alone, when all of the input has gone in well.
    flow.fail(thrown instanceof Fault ? thrown : damaged(thrown))
    throw flow.rootCause(thrown)
  } finally {
    flow.signal.removeEventListener('abort', end)
    if (!transform.readableEnded) flow.stop()
    transform.destroy()
    await feeding
  }
}
