import type { PostgresTarget } from '../config/postgres-url.ts'
import { rowsDiffer } from '../domain/rows.ts'
import { bestDumper, knowsRestrict, parsePgVersion, type PgVersion } from '../domain/version.ts'
import { Fault } from '../errors.ts'
import { drained } from '../pipeline/drained.ts'
import { MeteredDump } from '../pipeline/metered-dump.ts'
import { outputOf, throughProgram, type Explain, type ProgramCall, type ProgramEnd } from '../pipeline/program.ts'
import type { Bytes, Dumper, DumpSection, Flow, Journal, SourceDatabase } from '../ports.ts'
import { installedPgPrograms } from './installed.ts'
import { connectionString } from './postgres/connect.ts'

export interface PgToolSettings {
  /** BACKUP_PG_COMMAND; empty: the installed programs are run directly. */
  readonly command: readonly string[]
  /** What every program of ours gets of the environment: PATH and little else. */
  readonly environment: Readonly<Record<string, string>>
  /** Passed on as well when a command is put before ours: `docker` needs its own. */
  readonly commandEnvironment: Readonly<Record<string, string>>
  /** src/dump-meter.ts, as it is started. */
  readonly meter: ProgramCall
  readonly applicationName: string
  readonly lockSeconds: number
}

export interface Installed {
  readonly call: readonly string[]
  readonly version: PgVersion
}

/** libpq would look for a password in the home folder; it passes over a file that does not exist without a word. */
const noPasswordFile = '/nonexistent/pgpass'

const waysOut =
  'Two ways out: install the client of the server’s major version (sudo apt-get install postgresql-client-NN, from apt.postgresql.org if need be), or, for development, use the container’s own: BACKUP_PG_COMMAND="docker exec -i -e PGPASSWORD CONTAINER".'

/** pg_dump and psql: found, chosen by version, called, and their words translated. */
export class PgTools {
  readonly #settings: PgToolSettings
  readonly #journal: Journal
  readonly #found = new Map<string, Promise<readonly Installed[]>>()

  constructor(settings: PgToolSettings, journal: Journal) {
    this.#settings = settings
    this.#journal = journal
  }

  /** See `Programs.dumperFor`. */
  async dumperFor(target: PostgresTarget, source: SourceDatabase): Promise<Dumper> {
    const installed = await this.#installed('pg_dump')
    const best = bestDumper(installed, source.serverMajor)
    if (best === undefined) throw tooOld(source.serverVersion, installed)
    const onExit = (end: ProgramEnd): void => {
      for (const line of saidLines(end)) this.#journal.warn(`pg_dump said: ${line}`)
    }
    // A database without an encoding of its own (SQL_ASCII) holds bytes that no conversion would survive.
    const encoding = source.encoding === 'SQL_ASCII' ? 'SQL_ASCII' : 'UTF8'
    const common = [
      '--format=plain',
      '--no-owner',
      '--no-acl',
      // A restore on another server has no such tablespaces, and would stop at the first table.
      '--no-tablespaces',
      '--no-password',
      `--encoding=${encoding}`,
      `--lock-wait-timeout=${String(this.#settings.lockSeconds)}s`,
      `--dbname=${connectionString(target, { applicationName: this.#settings.applicationName })}`,
    ]
    const metered = (
      more: (section: DumpSection) => readonly string[],
      flow: Flow,
      onMoved: (bytes: number) => void,
    ): MeteredDump => {
      const programs = (['pre-data', 'data', 'post-data'] as const).map((section) => ({
        section,
        call: this.#call(best.call, target, [...common, `--section=${section}`, ...more(section)]),
        explain: explainDump,
        onExit,
      }))
      return new MeteredDump(this.#settings.meter, programs, flow, onMoved)
    }
    const noData = ['--exclude-table-data=*.*', '--no-blobs']
    return {
      version: best.version.text,
      whole: (snapshotId, flow, onMoved) => metered(() => [`--snapshot=${snapshotId}`], flow, onMoved),
      trial: (flow, onMoved) => metered((section) => (section === 'data' ? noData : []), flow, onMoved),
    }
  }

  /** The schema of a database as it is now, with owners and grants. Throws as `dumperFor`. */
  async schemaWithRights(target: PostgresTarget, serverMajor: number, flow: Flow): Promise<Bytes> {
    const best = bestDumper(await this.#installed('pg_dump'), serverMajor)
    if (best === undefined) throw tooOld(String(serverMajor), await this.#installed('pg_dump'))
    const args = [
      '--format=plain',
      '--schema-only',
      '--no-password',
      '--encoding=UTF8',
      `--lock-wait-timeout=${String(this.#settings.lockSeconds)}s`,
      `--dbname=${connectionString(target, { applicationName: this.#settings.applicationName })}`,
    ]
    return throughProgram(this.#call(best.call, target, args), undefined, flow, explainDump)
  }

  /** The newest psql. Throws `version` when it does not know `\restrict`. */
  async psql(): Promise<Installed> {
    const best = newest(await this.#installed('psql'))
    if (!knowsRestrict(best.version))
      throw new Fault(
        'version',
        `psql ${best.version.text} is too old to restore with: it cannot be kept from running commands that a forged dump holds.`,
        {
          hint: 'It must be at least 13.22, 14.19, 15.14, 16.10 or 17.6: sudo apt-get install --only-upgrade postgresql-client',
        },
      )
    return best
  }

  /** Runs a script in one database, stopping at the first error. Ends normally only if psql exited 0. */
  async run(psql: Installed, target: PostgresTarget, database: string, script: Bytes, flow: Flow): Promise<void> {
    const args = [
      '--no-psqlrc',
      '--no-password',
      '--quiet',
      '--set=ON_ERROR_STOP=1',
      // So that an error can be told by its SQLSTATE, and never by the row it met.
      '--set=VERBOSITY=verbose',
      '--set=SHOW_CONTEXT=never',
      '--output=/dev/null',
      '--file=-',
      `--dbname=${connectionString(target, { applicationName: this.#settings.applicationName, database })}`,
    ]
    // psql prints nothing; reading it to its end is how we wait for it.
    await drained(throughProgram(this.#call(psql.call, target, args), script, flow, explainPsql))
  }

  /**
   * The rows of one table as pg_dump would write them: text format, in a session with the settings that pg_dump makes.
   * `columns` are quoted already, as COPY statements list them.
   */
  async *copyOut(
    psql: Installed,
    target: PostgresTarget,
    database: string,
    query: string,
    flow: Flow,
  ): AsyncGenerator<Uint8Array> {
    const args = [
      '--no-psqlrc',
      '--no-password',
      '--quiet',
      '--set=ON_ERROR_STOP=1',
      "--command=SET client_encoding = 'UTF8'; SET DateStyle = ISO; SET IntervalStyle = POSTGRES; SET extra_float_digits = 1; SET synchronize_seqscans = off; SET row_security = off; SET search_path = ''",
      `--command=${query}`,
      `--dbname=${connectionString(target, { applicationName: this.#settings.applicationName, database })}`,
    ]
    yield* throughProgram(this.#call(psql.call, target, args), undefined, flow, explainPsql)
  }

  #call(program: readonly string[], target: PostgresTarget, args: readonly string[]): ProgramCall {
    const [file = '', ...first] = program
    const password = target.password === undefined ? {} : { PGPASSWORD: target.password.reveal() }
    return { file, args: [...first, ...args], environment: { ...this.#environment(), ...password } }
  }

  #environment(): Readonly<Record<string, string>> {
    const { command, commandEnvironment, environment } = this.#settings
    return { ...(command.length > 0 ? commandEnvironment : {}), ...environment, PGPASSFILE: noPasswordFile }
  }

  /** Looked for once: what is installed does not change while we run. */
  #installed(name: 'pg_dump' | 'psql'): Promise<readonly Installed[]> {
    const found = this.#found.get(name) ?? this.#lookFor(name)
    this.#found.set(name, found)
    return found
  }

  async #lookFor(name: 'pg_dump' | 'psql'): Promise<Installed[]> {
    const { command, environment } = this.#settings
    const calls =
      command.length > 0
        ? [[...command, name]]
        : (await installedPgPrograms(environment['PATH'] ?? '', name)).map((file) => [file])
    if (calls.length === 0) throw new Fault('program-missing', `${name} is not installed.`, { hint: waysOut })
    const versions = await Promise.all(
      calls.map(async ([file = '', ...args]) => {
        const words = await outputOf(
          { file, args: [...args, '--version'], environment: this.#environment() },
          undefined,
          (end) =>
            new Fault(
              'program-missing',
              `${[file, ...args].join(' ')} cannot be run: ${saidLines(end)[0] ?? 'it says nothing'}.`,
              { hint: waysOut },
            ),
        )
        return parsePgVersion(words)
      }),
    )
    const installed = calls.flatMap((call, index) => {
      const version = versions[index]
      return version === undefined ? [] : [{ call, version }]
    })
    if (installed.length === 0)
      throw new Fault('program-missing', `${name} does not tell its version.`, { hint: waysOut })
    return installed
  }
}

const tooOld = (serverVersion: string, installed: readonly Installed[]): Fault =>
  new Fault(
    'version',
    `The server is PostgreSQL ${serverVersion}, and the newest pg_dump here is ${newest(installed).version.text}: an older pg_dump cannot dump a newer server.`,
    { hint: waysOut },
  )

const newest = (installed: readonly Installed[]): Installed =>
  installed.reduce((best, next) =>
    next.version.major > best.version.major ||
    (next.version.major === best.version.major && next.version.minor > best.version.minor)
      ? next
      : best,
  )

const saidLines = (end: ProgramEnd): string[] =>
  end.stderr
    .split('\n')
    .map((line) =>
      line
        .replace(/^\S*pg_dump: |^\S*psql: /, '')
        .trim()
        .slice(0, 300),
    )
    .filter((line) => line !== '')

const howItEnded = (end: ProgramEnd): string =>
  end.signal === undefined ? `exit status ${String(end.exitCode ?? '?')}` : `killed by ${end.signal}`

/** pg_dump speaks of objects and servers, never of rows. */
const explainDump: Explain = (end) => {
  const error =
    saidLines(end)
      .find((line) => line.startsWith('error: '))
      ?.slice('error: '.length) ?? ''
  const said = error === '' ? '' : `: ${error}`
  const sentence = `pg_dump failed (${howItEnded(end)})${said}`
  if (/lock timeout|LOCK TABLE/.test(end.stderr))
    return new Fault(
      'lock-timeout',
      'pg_dump did not get its locks on the tables in time: another session holds one.',
      {
        hint: "See who: SELECT pid, state, query FROM pg_stat_activity WHERE state <> 'idle';",
      },
    )
  if (end.stderr.includes('permission denied'))
    return new Fault('rights', sentence, { hint: 'The role needs pg_read_all_data; large objects need their owner.' })
  if (/password authentication failed|no password supplied/.test(end.stderr))
    return new Fault('credentials', sentence, {
      hint: 'Does the command before pg_dump pass PGPASSWORD on? See BACKUP_PG_COMMAND.',
    })
  if (end.stderr.includes('server version mismatch')) return new Fault('version', sentence, { hint: waysOut })
  return new Fault('dump-failed', sentence, {
    hint: "Look at the server's log for that minute; it is worth trying again.",
  })
}

/**
 * psql's words may hold a row's values: "invalid input syntax for type integer: …", "Key (email)=… already exists".
 * Only the first line of an error about structure is repeated; errors about data (SQLSTATE classes 22, 23, P0) are told
 * by their number alone.
 */
const explainPsql: Explain = (end) => {
  const found = /psql:<stdin>:(\d+): ERROR: +([0-9A-Z]{5}): ([^\n]*)/.exec(end.stderr)
  if (found === null) {
    if (end.stderr.includes('backslash commands are restricted'))
      return new Fault(
        'restore-failed',
        'The archive holds a command for psql itself, which no dump does: it is forged.',
        {
          hint: 'Nothing was changed. Find out who could write to the store.',
        },
      )
    const isConnection = /connection to server|server closed the connection/.test(end.stderr)
    return new Fault(
      isConnection ? 'database-unavailable' : 'program-failed',
      `psql failed (${howItEnded(end)})${isConnection ? ': the connection to the server was lost' : ''}.`,
      {
        hint: 'Nothing was changed. Look at the server’s log for that minute.',
      },
    )
  }
  const [, line = '', state = '', words = ''] = found
  if (state === rowsDiffer)
    return new Fault('mismatch', `${words}.`, { hint: 'Nothing was changed: the target is as it was.' })
  const tellable = !/^(22|23|P0)/.test(state)
  // Out of disk or memory, shut down, a broken disk: the server's trouble, and not the dump's (appendix A, classes 53, 57, 58, XX).
  if (/^(53|57|58|XX)/.test(state))
    return new Fault(
      'database-unavailable',
      `The server gave up at line ${line} of the dump (SQLSTATE ${state}): ${words.slice(0, 300)}.`,
      {
        hint: 'Nothing was changed. Look at the server’s log for that minute, and at its disk.',
      },
    )
  return new Fault(
    state === '42501' ? 'rights' : 'restore-failed',
    `The server refused line ${line} of the dump (SQLSTATE ${state})${tellable ? `: ${words.slice(0, 300)}` : ''}.`,
    {
      hint: 'Nothing was changed. SQLSTATE is explained in appendix A of the PostgreSQL documentation; the line is that of the decrypted, unpacked archive.',
    },
  )
}
