import { execa } from 'execa'
import { mkdir, readFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { newDatabase, query } from '../support/postgres.ts'
import {
  filesUnder,
  manifestsOf,
  newSite,
  toolPath,
  withIdentity,
  type Environment,
  type Site,
} from '../support/tool.ts'

const person = 'Canary Ọ̀ṣúnlékè-Plaintext'
const personsPassword = 'canary-hunter2-of-a-person'
const databasePassword = 'SECRETcanary'

/** What changes a file system, and what starts a program. A question mark: some architectures do not have it. */
const calls =
  '?open,openat,?openat2,?creat,?truncate,?rename,?renameat,renameat2,?link,linkat,?symlink,symlinkat,?mkdir,mkdirat,?mknod,mknodat,?unlink,unlinkat,?io_uring_setup,execve'

interface Call {
  readonly name: string
  readonly line: string
  /** Absolute; of a call that takes two, both. */
  readonly paths: readonly string[]
  readonly succeeded: boolean
}

/** One line of strace -y: `openat(AT_FDCWD</folder>, "name", O_RDONLY) = 3</folder/name>`. */
const parseCall = (line: string): Call | undefined => {
  const name = /^(\w+)\(/.exec(line)?.[1]
  if (name === undefined) return undefined
  const named = line.matchAll(/(?:\w+<([^>]*)>, )?"((?:[^"\\]|\\.)*)"/g)
  const paths = [...named].map(([, folder = '/not-absolute', path = '']) => resolve(folder, path))
  return { name, line, paths, succeeded: !line.includes(' = -1 E') }
}

/** Runs the tool as on a server, and returns every such call of it and of all the programs that it started. */
const traced = async (site: Site, args: readonly string[], environment: Environment): Promise<readonly Call[]> => {
  const [traces, home, work] = ['trace', 'home', 'work'].map((name) => join(site.folder, `${name}-${args[0] ?? ''}`))
  if (traces === undefined || home === undefined || work === undefined) throw new Error('three folders')
  for (const folder of [traces, home, work]) await mkdir(folder)
  // With -ff each thread has a file of its own, so that no call is cut in two by another's; -s: strings stay whole.
  const options = ['-ff', '-qq', '-y', '-s', '65536', '-e', `trace=${calls}`, '-e', 'signal=none']
  const ended = await execa('strace', [...options, '-o', join(traces, 'of'), toolPath, ...args], {
    cwd: work,
    env: { PATH: '/usr/bin:/bin', HOME: home, ...environment },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
  expect(ended.exitCode, ended.stderr).toBe(0)
  for (const secret of [person, personsPassword, databasePassword])
    expect(ended.stdout + ended.stderr).not.toContain(secret)
  expect(await filesUnder(home)).toEqual([])
  expect(await filesUnder(work)).toEqual([])
  const texts = await Promise.all((await filesUnder(traces)).map((name) => readFile(join(traces, name), 'utf8')))
  return texts.flatMap((text) => text.split('\n').flatMap((line) => parseCall(line) ?? []))
}

const changes = ({ name, line }: Call): boolean => {
  if (name === 'execve' || name === 'io_uring_setup') return false
  return !name.startsWith('open') || /O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)/.test(line)
}
const isNoFile = (path: string): boolean => path === '/dev/null' || /^\/proc\/(self|\d+)\//.test(path)

/** Outside of the store, and of what is remembered between nights. */
const changedOutside = (trace: readonly Call[], { store, state }: Site): readonly string[] =>
  trace
    .filter(
      (call) =>
        changes(call) &&
        !call.paths.every((path) => isNoFile(path) || path.startsWith(`${store}/`) || path.startsWith(`${state}/`)),
    )
    .map(({ line }) => line)

const started = (trace: readonly Call[]): readonly string[] =>
  trace.filter(({ name, succeeded }) => name === 'execve' && succeeded).map(({ line }) => line)

const expectNoSecretsInArguments = (trace: readonly Call[]): void => {
  for (const line of started(trace)) {
    for (const secret of [databasePassword, person, personsPassword]) expect(line).not.toContain(secret)
    // strace shortens long lists of arguments.
    expect(line).not.toMatch(/"\.\.\.|, \.\.\.\]/)
  }
}

/** libuv can work on files through such a ring, past every system call; then a trace would show nothing. */
const expectTraceable = (trace: readonly Call[]): void => {
  expect(trace.filter(({ line }) => line.includes('SETUP_SQPOLL'))).toEqual([])
}

describe('what is written', () => {
  test('lies in the store, sealed, and nowhere else; no argument of a program holds a secret', async () => {
    const url = new URL(await newDatabase(inject('pgPort'), { template: inject('registryTemplate') }))
    await query(url.href, 'CREATE TABLE accounts (full_name text, password text)')
    await query(url.href, 'INSERT INTO accounts VALUES ($1, $2)', [person, personsPassword])
    url.password = databasePassword
    const site = await newSite(url.href)

    const run = await traced(site, ['run'], site.environment)
    expectTraceable(run)
    expect(changedOutside(run, site)).toEqual([])
    expectNoSecretsInArguments(run)

    // Seen to happen: otherwise the trace has shown nothing.
    const [manifest] = await manifestsOf(site)
    const created = run.filter((call) => changes(call) && call.succeeded).flatMap(({ paths }) => paths)
    const stored = await filesUnder(site.store)
    expect(stored).toHaveLength(4)
    expect(created.map((path) => relative(site.store, path))).toEqual(expect.arrayContaining(stored))
    for (const program of ['/pg_dump"', '/age"']) expect(started(run).some((line) => line.includes(program))).toBe(true)

    const verify = await traced(site, ['verify', '--latest', '--depth', 'archive'], withIdentity(site))
    expectTraceable(verify)
    expect(changedOutside(verify, site)).toEqual([])
    expect(verify.filter((call) => changes(call) && call.paths.some((path) => path.startsWith(site.store)))).toEqual([])
    expectNoSecretsInArguments(verify)

    for (const file of stored) {
      const bytes = await readFile(join(site.store, file))
      for (const secret of [person, personsPassword, databasePassword]) expect(bytes.includes(secret)).toBe(false)
    }
    const archive = join(site.store, manifest?.s3Key ?? '')
    expect((await readFile(archive)).subarray(0, 22).toString('latin1')).toBe('age-encryption.org/v1\n')
    const opened = await execa('bash', ['-c', 'age -d -i "$1" "$2" | gunzip', 'open', site.identityFile, archive])
    expect(opened.stdout).toContain(person)
    expect(opened.stdout).toContain(personsPassword)
  })
})
