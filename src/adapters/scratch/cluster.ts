import { chown, mkdir, rm, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { Fault } from '../../errors.ts'
import { outputOf, type ProgramCall, type ProgramEnd } from '../../pipeline/program.ts'

/** A PostgreSQL server for one drill: a fresh cluster, reached by a socket in its own folder alone. */
export interface ClusterSettings {
  /** initdb's and postgres's folder. */
  readonly binaries: string
  /** Made by this, mode 0700; removed in the end. */
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  readonly stop: AbortSignal
}

/** As its own user: PostgreSQL refuses to run as root. undefined: as whom we are. */
export interface RunsAs {
  readonly uid: number
  readonly gid: number
}

/**
 * Root runs it as the owner of the state folder (the service's user), or, where that is root as well, as postgres. Everybody
 * else runs it himself.
 */
export const clusterUser = async (
  stateFolder: string,
  environment: Readonly<Record<string, string>>,
): Promise<RunsAs | undefined> => {
  if (userInfo().uid !== 0) return undefined
  const { uid, gid } = await stat(stateFolder)
  if (uid !== 0) return { uid, gid }
  const idOf = async (flag: string): Promise<number> =>
    Number(
      await outputOf(
        { file: 'id', args: [flag, 'postgres'], environment },
        undefined,
        () =>
          new Fault(
            'configuration',
            'PostgreSQL does not run as root, and there is no user postgres here to run it as.',
            {
              hint: 'Run the drill as the user oslrs-backup.',
            },
          ),
      ),
    )
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

/** A socket's path has 107 bytes at most (unix(7)). */
const maxFolderBytes = 107 - '/.s.PGSQL.5432'.length

const readyWithinMs = 60_000

/** Nothing in it has to outlive the drill, and its log must not hold rows. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '256MB',
  autovacuum: 'off',
  max_connections: '20',
  shared_buffers: '64MB',
  maintenance_work_mem: '128MB',
  log_destination: 'stderr',
  logging_collector: 'off',
  log_checkpoints: 'off',
  log_min_error_statement: 'panic',
}

/** Makes the cluster, does the work, ends the server and removes the folder, whatever happens. */
export const withCluster = async <T>(
  { binaries, folder, environment, stop }: ClusterSettings,
  runsAs: RunsAs | undefined,
  work: () => Promise<T>,
): Promise<T> => {
  if (Buffer.byteLength(folder) > maxFolderBytes)
    throw new Fault('configuration', `The path ${folder} is too long for a socket in it.`, {
      hint: 'Set BACKUP_STATE_DIR to a shorter one.',
    })
  const wrapped = await wrapperFor(runsAs, environment)
  await mkdir(folder, { mode: 0o700 })
  try {
    if (runsAs !== undefined) await chown(folder, runsAs.uid, runsAs.gid)
    const data = join(folder, 'data')
    const options = [
      '--username=postgres',
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ]
    await outputOf(
      callOf([...wrapped, join(binaries, 'initdb'), ...options, `--pgdata=${data}`], environment),
      undefined,
      (end) => notStarted('initdb', end, folder),
    )
    stop.throwIfAborted()
    const flags = Object.entries({ ...settings, unix_socket_directories: folder }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ])
    return await serving([...wrapped, join(binaries, 'postgres'), '-D', data, ...flags], environment, folder, work)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const callOf = ([file = '', ...args]: readonly string[], environment: ProgramCall['environment']): ProgramCall => ({
  file,
  args,
  environment,
})

/**
 * A server dies with us, even if we are killed, for nobody else would end it. Where a unit's bounds do not let setpriv set
 * that (it touches capabilities), systemd ends what a unit leaves; and the next drill sweeps in any case.
 */
const wrapperFor = async (
  runsAs: RunsAs | undefined,
  environment: ProgramCall['environment'],
): Promise<readonly string[]> => {
  const setpriv = ['setpriv', '--pdeathsig=QUIT']
  if (runsAs !== undefined)
    return [...setpriv, `--reuid=${String(runsAs.uid)}`, `--regid=${String(runsAs.gid)}`, '--clear-groups', '--']
  const cannot = new Fault('program-failed', 'setpriv cannot be used here.')
  return outputOf(callOf([...setpriv, '--', 'true'], environment), undefined, () => cannot).then(
    () => [...setpriv, '--'],
    () => [],
  )
}

const serving = async <T>(
  [file = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
  folder: string,
  work: () => Promise<T>,
): Promise<T> => {
  const { execa } = await import('execa')
  const server = execa(file, args, {
    env: environment,
    extendEnv: false,
    stdin: 'ignore',
    stdout: 'ignore',
    buffer: false,
    reject: false,
    // SIGINT is a fast shutdown; a server that does not heed it has nothing to lose.
    killSignal: 'SIGINT',
    forceKillAfterDelay: 10_000,
  })
  let said = ''
  const ready = new Promise<void>((resolve) => {
    server.stderr.on('data', (chunk: Buffer) => {
      // Afterwards it is only kept from waiting for a reader.
      if (said.length > 16_384) return
      said += chunk.toString('utf8')
      if (said.includes('database system is ready to accept connections')) resolve()
    })
  })
  const tooLate = new AbortController()
  const timer = setTimeout(() => {
    tooLate.abort()
    server.kill()
  }, readyWithinMs)
  try {
    const ended = server.then(({ exitCode, signal }) => ({ exitCode, signal, stderr: said }))
    const end = await Promise.race([ready, ended])
    if (end !== undefined) throw notStarted('postgres', end, folder)
    clearTimeout(timer)
    return await work()
  } finally {
    clearTimeout(timer)
    server.kill()
    await server
  }
}

const notStarted = (program: string, end: ProgramEnd, folder: string): Fault => {
  const lines = end.stderr.split('\n').map((line) => line.replace(/^.*?(?:initdb: |FATAL: |error: )+/, '').trim())
  const why = lines.findLast((line) => line !== '')?.slice(0, 200)
  const isRights = /permission denied/i.test(end.stderr)
  return new Fault(
    isRights ? 'configuration' : 'program-failed',
    `The private cluster could not be started (${program}): ${why ?? `exit status ${String(end.exitCode ?? end.signal ?? '?')}`}.`,
    {
      hint: isRights
        ? `The user that runs it must be able to enter ${dirname(folder)}: run the drill as the user oslrs-backup, or set BACKUP_STATE_DIR or VERIFY_DATABASE_URL.`
        : 'It is worth trying again; VERIFY_DATABASE_URL names another place for drills.',
    },
  )
}
