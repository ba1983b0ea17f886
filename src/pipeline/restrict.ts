import { randomBytes } from 'node:crypto'
import type { Bytes } from '../ports.ts'
import { DumpScanner, type DumpVisitor } from './dump-scanner.ts'

export interface RestrictOptions {
  /**
   * The `BEGIN;` and `COMMIT;` that pg_dump writes around large objects are taken out as well, for they would end the
   * transaction in the middle.
   */
  readonly oneTransaction: boolean
  /** In whose name to load; left out: in that of the session's own role. */
  readonly owner?: string | undefined
  /** Left out: it is one. */
  readonly isSuperuser?: boolean
}

/**
 * A dump as a script that is safe to give to psql. psql runs shell commands from backslash lines, also in mid-line; so a
 * `\restrict` with a random word of ours comes first, after which psql refuses every other meta-command itself. The archive's own
 * `\restrict` and `\unrestrict` lines are taken out; every other byte passes unchanged.
 *
 * With `owner`, all is made in that role's name, apart from what no ordinary role may make: that is made in the session's.
 * Where the session has no such power either, comments on extensions are left out, for the extension may be another's; it
 * has brought its comment along.
 */
export async function* restricted(dump: Bytes, options: RestrictOptions): AsyncGenerator<Uint8Array> {
  let ready: Buffer[] = []
  const keep = (bytes: Buffer): void => void ready.push(bytes)
  const { isSuperuser = true } = options
  const setRole = options.owner === undefined ? '' : `SET ROLE "${options.owner.replaceAll('"', '""')}";`
  const visitor: DumpVisitor = {
    text: (kind, bytes) => {
      const isTheirs = kind === 'meta' && /^\\(un)?restrict( |\r?\n)/.test(bytes.toString('latin1', 0, 16))
      const isBracket = kind === 'statement' && options.oneTransaction && (bytes.equals(begin) || bytes.equals(commit))
      const start = kind === 'statement' ? bytes.toString('latin1', 0, 64) : ''
      const isOfAnother = !isSuperuser && start.startsWith('COMMENT ON EXTENSION ')
      if (isTheirs || isBracket || isOfAnother) return
      if (setRole !== '' && isSuperuser && ofTheSession.test(start))
        keep(Buffer.concat([Buffer.from('RESET ROLE; '), bytes, Buffer.from(` ${setRole}`)]))
      else keep(bytes)
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
  yield Buffer.from(`\\restrict ${randomBytes(24).toString('hex')}\n${setRole === '' ? '' : `${setRole}\n`}`)
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

/** What only a superuser may make, or what only he may use for making the next (a server of a foreign data wrapper). */
const ofTheSession =
  /^(CREATE|ALTER|COMMENT ON) (EXTENSION|EVENT TRIGGER|PUBLICATION|SUBSCRIPTION|FOREIGN DATA WRAPPER|SERVER|USER MAPPING|FOREIGN TABLE|(TRUSTED |PROCEDURAL |OR REPLACE )*LANGUAGE|CAST|OPERATOR CLASS|OPERATOR FAMILY|ACCESS METHOD|TRANSFORM|TEXT SEARCH (PARSER|TEMPLATE)) /
