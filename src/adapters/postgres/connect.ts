import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import pg from 'pg'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { asFault, Fault, isErrno } from '../../errors.ts'

// Counts are bigint; the driver gives them as text, and every count of rows fits a double.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)

export interface SessionOptions {
  /** Shown in pg_stat_activity, and how we tell our own sessions from others. */
  readonly applicationName: string
  /** Another database on the same server, for example `postgres`. */
  readonly database?: string
  /** When it aborts, the connection is cut and its reason is thrown: a session that waits for a lock would not notice. */
  readonly signal?: AbortSignal
}

/** Settings that every session of ours and of our programs has, so that text and digests mean the same everywhere. */
export const sessionSettings: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
}
/**
 * How soon the server notices that we are gone where a network has swallowed us: within two minutes, not two hours. Until then it
 * keeps our locks, and the next attempt would find them held. (On a socket of the host they read as zero.)
 */
const serverNotices: Readonly<Record<string, string>> = {
  tcp_keepalives_idle: '60',
  tcp_keepalives_interval: '10',
  tcp_keepalives_count: '6',
}
const settingsAsOptions = Object.entries({ ...sessionSettings, ...serverNotices })
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(' ')

/** Connects, does the work, and disconnects whatever happens. Errors of the driver come out as Faults. */
export const withClient = async <T>(
  target: PostgresTarget,
  options: SessionOptions,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> => {
  options.signal?.throwIfAborted()
  // Ours, so that they can be cut: the driver's own farewell waits for a server that may never answer.
  const sockets: Socket[] = []
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  options.signal?.addEventListener('abort', cut, { once: true })
  let client: pg.Client | undefined
  try {
    client = await connect(target, options, () => {
      const socket = new Socket()
      sockets.push(socket)
      return socket
    })
    return await work(client)
  } catch (thrown) {
    options.signal?.throwIfAborted()
    throw isOfDriver(thrown) ? translate(thrown, target) : thrown
  } finally {
    options.signal?.removeEventListener('abort', cut)
    const farewell = setTimeout(cut, farewellMs)
    // A connection that is already broken has nothing left to end.
    await client?.end().catch(() => undefined)
    clearTimeout(farewell)
  }
}

/**
 * After so long a silence the system asks whether the other side is still there: without it, an answer that a network has lost would be
 * waited for until the unit's time is up. A server that is there and does not answer is waited for.
 */
const silenceMs = 30_000

/** How long the server may take to close a connection. */
const farewellMs = 2000

const connect = async (
  target: PostgresTarget,
  options: SessionOptions,
  newSocket: () => Socket,
): Promise<pg.Client> => {
  const attempt = async (ssl: pg.ClientConfig['ssl']): Promise<pg.Client> => {
    const client = new pg.Client({
      host: target.host,
      port: target.port,
      user: target.user,
      database: options.database ?? target.database,
      // As a function, so that the driver does not look for a password in places that were not named to us.
      password: () => target.password?.reveal() ?? '',
      ssl,
      application_name: options.applicationName,
      options: settingsAsOptions,
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: silenceMs,
      stream: newSocket,
    })
    // A connection cut while idle is noticed by the next query, or by whoever listens; unheard it would end the process.
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  const reach = async (): Promise<pg.Client> => {
    const mode = target.sslMode ?? (target.host.startsWith('/') ? 'disable' : 'prefer')
    if (mode === 'disable' || target.host.startsWith('/')) return attempt(false)
    if (mode === 'allow' || mode === 'prefer')
      return attempt({ rejectUnauthorized: false }).catch((thrown: unknown) => {
        if (thrown instanceof Error && thrown.message.includes('does not support SSL')) return attempt(false)
        throw thrown
      })
    return attempt(tlsOptions(target, mode))
  }
  let client: pg.Client | undefined
  try {
    client = await reach()
    await refusePooler(client, target)
    return client
  } catch (thrown) {
    await client?.end().catch(() => undefined)
    throw translate(thrown, target)
  }
}

/**
 * Through a connection pooler a lock may be taken in one session and be given back in another, and stay for ever. What a pooler
 * names as the session's process is a number of its own (PostgreSQL's protocol, BackendKeyData), so it shows itself.
 */
const refusePooler = async (client: pg.Client, target: PostgresTarget): Promise<void> => {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid')
  if (rows[0]?.pid !== (client as { readonly processID?: number }).processID) throw poolerAt(target)
}

const placeOf = ({ host, port }: PostgresTarget): string =>
  `${host.startsWith('/') ? `the socket in ${host}` : host}, port ${String(port)}`

const poolerAt = (target: PostgresTarget, cause?: unknown): Fault =>
  new Fault(
    'configuration',
    `What answers at ${placeOf(target)}, is a connection pooler: no backup can be made, or brought back, through it.`,
    {
      cause,
      hint: "Name the server itself in the database's URL: PostgreSQL's own port is 5432 as a rule, PgBouncer's 6432.",
    },
  )

/** libpq's meaning: `require` checks the certificate only if a root certificate is given (PostgreSQL docs, table 34.1). */
const tlsOptions = (target: PostgresTarget, mode: 'require' | 'verify-ca' | 'verify-full'): pg.ClientConfig['ssl'] => {
  const file = (path: string | undefined): string | undefined => {
    if (path === undefined) return undefined
    try {
      return readFileSync(path, 'utf8')
    } catch (thrown) {
      throw new Fault('configuration', `The file ${path}, named in the database's URL, cannot be read.`, {
        cause: thrown,
      })
    }
  }
  const ca = target.sslRootCert === 'system' ? undefined : file(target.sslRootCert)
  const checked = mode !== 'require' || target.sslRootCert !== undefined
  return {
    rejectUnauthorized: checked,
    ...(ca === undefined ? {} : { ca }),
    ...(target.sslCert === undefined ? {} : { cert: file(target.sslCert) }),
    ...(target.sslKey === undefined ? {} : { key: file(target.sslKey) }),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  }
}

/** SQLSTATE of an error from the server (PostgreSQL docs, appendix A). */
export const sqlState = (thrown: unknown): string | undefined =>
  thrown instanceof pg.DatabaseError ? thrown.code : thrown instanceof Fault ? sqlState(thrown.cause) : undefined

/**
 * The driver's and the server's errors by their meaning. The server's own words are not repeated where they could hold
 * a row's values.
 */
export const translate = (thrown: unknown, target: PostgresTarget): Fault => {
  if (thrown instanceof Fault) return thrown
  const where = placeOf(target)
  const state = sqlState(thrown) ?? ''
  const words = thrown instanceof Error ? thrown.message : ''
  const more = { cause: thrown }
  // PgBouncer's answer to settings that it would have to keep for a session.
  if (words.startsWith('unsupported startup parameter')) return poolerAt(target, thrown)
  if (state === '28P01' || state === '28000' || words.startsWith('SASL'))
    return new Fault('credentials', `The database server at ${where} refused the login of ${target.user}.`, {
      ...more,
      hint: 'Check user and password in DATABASE_URL, and pg_hba.conf on the server.',
    })
  if (state === '3D000')
    return new Fault('configuration', `There is no database ${target.database} at ${where}.`, {
      ...more,
      hint: 'Check the last part of DATABASE_URL.',
    })
  if (state === '42501')
    return new Fault('rights', `The role ${target.user} may not do what is needed: ${words}.`, {
      ...more,
      hint: `As a superuser: GRANT pg_read_all_data TO "${target.user}"; where row security is used also: ALTER ROLE "${target.user}" BYPASSRLS;`,
    })
  if (state === '55P03')
    return new Fault('lock-timeout', 'A lock on a table was not had in time: another session holds it.', {
      ...more,
      hint: "See who: SELECT pid, state, query FROM pg_stat_activity WHERE state <> 'idle';",
    })
  // Another attempt meets the same certificate.
  if (state === '' && /certificate|self.signed|SSL|TLS|altname/i.test(words))
    return new Fault(
      'configuration',
      `The encrypted connection to the database server at ${where} failed: ${words.slice(0, 120)}.`,
      { ...more, hint: "Check sslmode and sslrootcert in the database's URL, and the server's certificate." },
    )
  if (isErrno(thrown, 'EMFILE', 'ENFILE')) return asFault(thrown)
  if (isErrno(thrown, 'EACCES'))
    return new Fault('credentials', `The socket at ${where} may not be opened by this user.`, more)
  if (state === '' || state.startsWith('08') || state.startsWith('57') || state.startsWith('53'))
    return new Fault(
      'database-unavailable',
      `The database server at ${where} does not answer (${reason(thrown, state)}).`,
      {
        ...more,
        hint: 'Is it running? See: systemctl status postgresql, or docker ps.',
      },
    )
  return new Fault('database-unavailable', `The database server at ${where} reported an error (SQLSTATE ${state}).`, {
    ...more,
    hint: "Look at the server's log for that minute.",
  })
}

/** The server's answers and the connection's errors; what else the work throws is not the database's doing. */
const isOfDriver = (thrown: unknown): boolean =>
  thrown instanceof pg.DatabaseError ||
  (thrown instanceof Error && 'syscall' in thrown && ['connect', 'read', 'write'].includes(String(thrown.syscall))) ||
  (thrown instanceof Error &&
    /^(Connection terminated|Client has|Client was|Query read timeout|timeout )/.test(thrown.message))

const reason = (thrown: unknown, state: string): string => {
  if (isErrno(thrown, 'ECONNREFUSED')) return 'connection refused'
  if (isErrno(thrown, 'ENOENT')) return 'no such socket'
  if (isErrno(thrown, 'ENOTFOUND', 'EAI_AGAIN')) return 'its name is not known'
  if (state === '53300') return 'too many connections'
  if (state === '57P03') return 'it is starting up or shutting down'
  if (state.startsWith('57')) return 'the connection was ended by the server'
  const words = thrown instanceof Error ? thrown.message : ''
  if (/timeout/i.test(words)) return 'no answer within 10 s'
  return 'the connection was cut'
}

/** For psql and pg_dump: a libpq connection string without the password, which goes by PGPASSWORD. */
export const connectionString = (target: PostgresTarget, options: SessionOptions): string => {
  const parts: [string, string | undefined][] = [
    ['host', target.host],
    ['port', String(target.port)],
    ['user', target.user],
    ['dbname', options.database ?? target.database],
    ['sslmode', target.sslMode],
    ['sslrootcert', target.sslRootCert],
    ['sslcert', target.sslCert],
    ['sslkey', target.sslKey],
    ['application_name', options.applicationName],
    ['connect_timeout', '10'],
    // As for our own sessions; and what was sent must be taken within twice that (libpq, "Parameter Key Words").
    ['keepalives_idle', String(silenceMs / 1000)],
    ['keepalives_interval', '5'],
    ['keepalives_count', '3'],
    ['tcp_user_timeout', String(2 * silenceMs)],
    ['options', settingsAsOptions],
  ]
  return parts
    .flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}='${value.replaceAll(/['\\]/g, String.raw`\$&`)}'`],
    )
    .join(' ')
}
