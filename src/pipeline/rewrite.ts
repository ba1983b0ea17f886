import type { Bytes } from '../ports.ts'
import { DumpScanner } from './dump-scanner.ts'

export interface Rewriting {
  /** Whole statements that are left out: what they would make is there already. */
  readonly leaveOut: ReadonlySet<string>
  /** False: every table stays empty. */
  readonly rows: boolean
}

/** A dump, changed where `Rewriting` says so; every other byte passes unchanged. */
export async function* rewritten(dump: Bytes, { leaveOut, rows }: Rewriting): AsyncGenerator<Uint8Array> {
  let ready: Buffer[] = []
  const keep = (bytes: Buffer): void => void ready.push(bytes)
  const scanner = new DumpScanner({
    text: (kind, bytes) => {
      const isOut = kind === 'statement' && bytes.length < 1000 && leaveOut.has(bytes.toString('utf8'))
      if (!isOut) keep(bytes)
    },
    copyBegins: (_table, statement) => {
      keep(statement)
    },
    copyRows: (bytes) => {
      if (rows) keep(bytes)
    },
    copyEnds: keep,
  })
  for await (const chunk of dump) {
    scanner.push(chunk)
    if (ready.length > 0) yield Buffer.concat(ready)
    ready = []
  }
  scanner.end()
  yield Buffer.concat(ready)
}
