import { randomBytes } from 'node:crypto'
import type { Bytes } from '../ports.ts'
import { DumpScanner, type DumpVisitor } from './dump-scanner.ts'

/**
 * The dump as it is given to psql: behind a `\restrict` with a random word of ours, so that psql itself refuses every
 * other backslash command to the end (psql runs shell commands from such lines, even in mid-line). The dump's own
 * `\restrict` and `\unrestrict` lines are taken out; every other byte passes unchanged.
 *
 * With `oneTransaction` the `BEGIN;` and `COMMIT;` that pg_dump writes around large objects are taken out as well, for
 * they would end the transaction in the middle.
 */
export async function* restricted(
  dump: Bytes,
  options: { readonly oneTransaction: boolean },
): AsyncGenerator<Uint8Array> {
  let ready: Buffer[] = []
  const keep = (bytes: Buffer): void => void ready.push(bytes)
  const visitor: DumpVisitor = {
    text: (kind, bytes) => {
      const isTheirs = kind === 'meta' && /^\\(un)?restrict( |\r?\n)/.test(bytes.toString('latin1', 0, 16))
      const isBracket = kind === 'statement' && options.oneTransaction && (bytes.equals(begin) || bytes.equals(commit))
      if (!isTheirs && !isBracket) keep(bytes)
    },
    copyBegins: (_table, bytes) => {
      keep(bytes)
    },
    copyRows: (bytes) => {
      keep(bytes)
    },
    copyEnds: keep,
  }
  const scanner = new DumpScanner(visitor)
  yield Buffer.from(`\\restrict ${randomBytes(24).toString('hex')}\n`)
  for await (const chunk of dump) {
    scanner.push(chunk)
    yield Buffer.concat(ready)
    ready = []
  }
  scanner.end()
  yield Buffer.concat(ready)
}

const begin = Buffer.from('BEGIN;')
const commit = Buffer.from('COMMIT;')
