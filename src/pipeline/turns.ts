import type { Bytes } from '../ports.ts'
import { DumpScanner } from './dump-scanner.ts'

/**
 * What a role without rights may not create, and what runs nothing when it is created: event triggers, publications of
 * all tables, foreign data wrappers and tables. pg_dump puts event triggers last, so none is there yet to fire on these.
 */
export const needsSuperuser = (statement: string): boolean =>
  /^(CREATE|ALTER) EVENT TRIGGER |^CREATE FOREIGN (DATA WRAPPER|TABLE) |^CREATE PUBLICATION [^;]* FOR (ALL TABLES|TABLES IN SCHEMA)\b|^ALTER PUBLICATION [^;]* ADD TABLES IN SCHEMA /.test(
    statement,
  )

/** Longer than any of those. */
const longestStatement = 100_000

type Turn = { readonly kind: 'bytes'; readonly bytes: Buffer } | { readonly kind: 'statement'; readonly text: string }

async function* turnsOf(dump: Bytes): AsyncGenerator<Turn> {
  let ready: Turn[] = []
  const keep = (bytes: Buffer): void => void ready.push({ kind: 'bytes', bytes })
  const scanner = new DumpScanner({
    text: (kind, bytes) => {
      const text = kind === 'statement' && bytes.length < longestStatement ? bytes.toString('utf8') : ''
      if (needsSuperuser(text)) ready.push({ kind: 'statement', text })
      else keep(bytes)
    },
    copyBegins: (_table, statement) => {
      keep(statement)
    },
    copyRows: keep,
    copyEnds: keep,
  })
  for await (const chunk of dump) {
    scanner.push(chunk)
    yield* ready
    ready = []
  }
  scanner.end()
  yield* ready
}

const isSetting = (bytes: Buffer): boolean =>
  /^SET |^SELECT pg_catalog\.set_config\(/.test(bytes.toString('latin1', 0, 40))

/**
 * A dump in turns: what anybody may run, up to the next statement that needs a superuser, goes to `load`; that statement
 * goes to `alone`, when all before it has been run; and so on. Each turn begins with the settings that the dump has made
 * for its session until then.
 */
export const inTurns = async (
  dump: Bytes,
  load: (part: Bytes) => Promise<void>,
  alone: (statement: string) => Promise<void>,
): Promise<void> => {
  const turns = turnsOf(dump)[Symbol.asyncIterator]()
  const settings: Buffer[] = []
  const waiting: string[] = []
  const state = { ended: false }
  async function* part(): AsyncGenerator<Uint8Array> {
    for (const setting of settings) yield Buffer.concat([setting, Buffer.from('\n')])
    for (;;) {
      const turn = await turns.next()
      if (turn.done === true) {
        state.ended = true
        return
      }
      if (turn.value.kind === 'statement') {
        waiting.push(turn.value.text)
        return
      }
      if (isSetting(turn.value.bytes)) settings.push(turn.value.bytes)
      yield turn.value.bytes
    }
  }
  while (!state.ended) {
    await load(part())
    for (const statement of waiting.splice(0)) await alone(statement)
  }
}
