import { execa } from 'execa'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'

/** A PostgreSQL server of our own: a fresh cluster in a temporary folder, on loopback, at a free port. */
export interface Cluster {
  readonly port: number
  readonly folder: string
  readonly binaries: string
  stop(): Promise<void>
}

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        if (address !== null && typeof address === 'object') resolve(address.port)
        else reject(new Error('no port'))
      })
    })
  })

/** Folder of the newest installed server's programs, as Debian installs them. */
export const serverBinaries = async (): Promise<string> => {
  const majors = await readdir('/usr/lib/postgresql').catch(() => [])
  const [newest] = majors.toSorted((a, b) => Number(b) - Number(a))
  if (newest === undefined) throw new Error('No PostgreSQL server is installed: apt-get install postgresql')
  return join('/usr/lib/postgresql', newest, 'bin')
}

const isRoot = process.getuid?.() === 0

/** PostgreSQL refuses to run as root, so root runs it as the user postgres. */
export const asPostgres = (file: string, args: readonly string[]): readonly [string, readonly string[]] =>
  isRoot ? ['setpriv', ['--reuid=postgres', '--regid=postgres', '--init-groups', '--', file, ...args]] : [file, args]

export const startCluster = async (settings: Readonly<Record<string, string>> = {}): Promise<Cluster> => {
  const binaries = await serverBinaries()
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-pg-'))
  await chmod(folder, 0o777)
  const data = join(folder, 'data')
  const run = async (program: string, ...args: string[]): Promise<void> => {
    await execa(...asPostgres(join(binaries, program), args), { cwd: folder, stdin: 'ignore' })
  }
  await run('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync')
  const port = await freePort()
  const options = Object.entries({
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
    fsync: 'off',
    max_connections: '200',
    shared_buffers: '64MB',
    log_min_messages: 'error',
    ...settings,
  })
  await run(
    'pg_ctl',
    '-D',
    data,
    '-w',
    '-t',
    '60',
    '-l',
    join(folder, 'log'),
    '-o',
    options.map(([name, value]) => `-c ${name}=${value}`).join(' '),
    'start',
  )
  return {
    port,
    folder,
    binaries,
    stop: async () => {
      await run('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export const urlOf = (port: number, database: string, user = 'postgres'): string =>
  `postgres://${user}@127.0.0.1:${String(port)}/${database}`

/** A connected client for the test's own questions; ended when the work is. */
export const asking = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: url })
  // A test may cut the connection on purpose.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** One statement, its rows. */
export const query = async <Row extends object>(url: string, sql: string, values: unknown[] = []): Promise<Row[]> =>
  asking(url, async (client) => (await client.query<Row>(sql, values)).rows)

let made = 0
/** A new database, empty or made by a SQL file of test/support; returns its URL. */
export const newDatabase = async (
  port: number,
  from: { sql?: string; file?: string; variables?: Record<string, string | number>; template?: string } = {},
): Promise<string> => {
  const name = `t_${String(process.pid)}_${String(++made)}`
  await query(
    urlOf(port, 'postgres'),
    `CREATE DATABASE ${name}${from.template === undefined ? '' : ` TEMPLATE ${from.template}`}`,
  )
  const url = urlOf(port, name)
  if (from.file !== undefined) {
    const variables = Object.entries(from.variables ?? {}).flatMap(([variable, value]) => [
      '-v',
      `${variable}=${String(value)}`,
    ])
    await execa('psql', [
      '-X',
      '-q',
      '-o',
      '/dev/null',
      '-v',
      'ON_ERROR_STOP=1',
      ...variables,
      '-f',
      join(import.meta.dirname, from.file),
      url,
    ])
  }
  if (from.sql !== undefined) await query(url, from.sql)
  return url
}
