import { execa } from 'execa'
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import {
  expectFault,
  expectNothingLeft,
  flowingDatabase,
  runAt,
  sessionsEnd,
  stateOf,
  type Before,
} from '../support/faults.ts'
import { pathOf, processesOf } from '../support/faulty-programs.ts'
import { newDatabase, query } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import {
  filesUnder,
  newSite,
  newSiteIn,
  runTool,
  toolPath,
  withIdentity,
  type Ended,
  type Site,
} from '../support/tool.ts'

/** What the system lets a process have: too few open files, processes, threads, bytes of memory, bytes of a file. */

const isRoot = process.getuid?.() === 0
if (!isRoot) {
  if (process.env['REQUIRE_ALL_TIERS'] === '1')
    throw new Error('The limits need root: they are set for a user that has no other process.')
  process.stderr.write('SKIPPED: the limits of the system: they need root.\n')
}

/** Nobody's, so that no other process counts. */
const uid = '54321'

interface Limit {
  readonly name: string
  readonly set: string
  readonly sentence: RegExp
  readonly nextStep: string
}

const limits: readonly Limit[] = [
  {
    name: 'open files',
    set: '--nofile=26',
    sentence: /The program \S+ could not be started \(EMFILE\)\./,
    nextStep: 'LimitNOFILE=',
  },
  {
    name: 'processes',
    set: '--nproc=12',
    sentence: /The program \S+ could not be started \(EAGAIN\)\./,
    nextStep: 'TasksMax=',
  },
]

/** Each with whether it starts other programs, which is where these limits are met. */
const commands: readonly (readonly [string, boolean])[] = [
  ['run --replace', true],
  ['run --dry-run', true],
  ['verify --depth archive', true],
  ['verify', true],
  ['restore --latest --target-db TARGET', true],
  ['list', false],
  ['verify --depth stored', false],
  ['promote', false],
  ['prune', false],
]

let folder: string
let program: string
let site: Site
let before: Before
let url: string
let maintenance: string

beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
  maintenance = await newDatabase(inject('pgPort'))
  folder = await mkdtemp(join(tmpdir(), 'oslrs-limits-'))
  site = await newSiteIn(folder, url)
  expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
  before = await stateOf(site)
  // Where any user may run it.
  const source = join(toolPath, '../..')
  const home = join(folder, 'tool')
  for (const part of ['bin', 'dist', `node_modules/node-linux-${process.arch}`])
    await cp(join(source, part), join(home, part), { recursive: true })
  program = join(home, 'bin/oslrs-backup')
  await execa('chown', ['-R', `${uid}:${uid}`, folder])
  await chmod(folder, 0o755)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const under = async (limit: string, command: string, target = ''): Promise<Ended> => {
  const user = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const words = command.replace('TARGET', target).split(' ')
  const { exitCode, stdout, stderr } = await execa('setpriv', [...user, 'prlimit', limit, program, ...words], {
    env: { ...withIdentity(site), ...pathOf(site), VERIFY_DATABASE_URL: maintenance },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: 30_000,
    killSignal: 'SIGKILL',
  })
  return { exitCode, stdout, stderr }
}

const backupFiles = async (): Promise<string[]> =>
  (await filesUnder(site.store)).filter((file) => !file.startsWith('backups/drills/'))

const tablesOf = async (database: string): Promise<number> =>
  (await query(database, `SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).length

describe.skipIf(!isRoot)('too few of what it needs: it ends, says of what, and no backup is blamed', () => {
  for (const limit of limits)
    test.each(commands)(`${limit.name}: %s`, async (command, startsPrograms) => {
      const target = await newDatabase(inject('pgPort'))
      const ended = await under(limit.set, command, target)
      const words = ended.stderr + ended.stdout
      expect(words).not.toMatch(/^ {4}at |undefined|damaged|RED/m)
      expect(ended.exitCode, words).toBe(startsPrograms ? 75 : 0)
      if (startsPrograms) {
        expect(words).toMatch(limit.sentence)
        expect(words).toContain(limit.nextStep)
      }
      expect(await tablesOf(target)).toBe(0)
      expect(await processesOf(site)).toEqual([])
      // A drill that could not be made says so in a report.
      expect(await backupFiles()).toEqual(before.files)
      await sessionsEnd(url)
    })

  test('files: an archive larger than a file may be leaves nothing behind', async () => {
    expectFault(
      await under('--fsize=100000', 'run --replace'),
      75,
      /A file as large as this backup is not allowed in .*\n.*LimitFSIZE=/,
    )
    expect(await backupFiles()).toEqual(before.files)
  })

  test('and with enough of everything all of it is done', async () => {
    const target = await newDatabase(inject('pgPort'))
    for (const [command] of commands.filter(([, startsPrograms]) => startsPrograms))
      expect(await under('--nofile=1024', command, target), command).toMatchObject({ exitCode: 0 })
    expect(await tablesOf(target)).toBeGreaterThan(2)
    await expectSound(site)
  })
})

describe('a program that has no memory or no threads', () => {
  /** In place of the program of that name. */
  const inPlaceOf = async (where: Site, name: string, script: string): Promise<void> => {
    await mkdir(join(where.folder, 'programs'), { recursive: true })
    await writeFile(join(where.folder, 'programs', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }

  test.each([
    ['age', 'exec prlimit --as=20000000 /usr/bin/age "$@"', 'age failed: '],
    ['igzip', 'exec prlimit --as=4000000 /usr/bin/igzip "$@"', 'igzip failed (exit status '],
  ])('%s: a run makes no backup', async (name, script, sentence) => {
    const own = await newSite(url)
    await inPlaceOf(own, name, `[ "$1" = --version ] && exec /usr/bin/${name} --version\n${script}`)
    expectFault(await runAt(own, ['run']), 75, sentence)
    await expectNothingLeft(own, { files: [], complete: [] })
  })

  test('pg_dump: a row that is larger than its memory makes no backup', async () => {
    const own = await newSite(
      await newDatabase(inject('pgPort'), {
        sql: `CREATE TABLE users AS SELECT 1 AS id, repeat('x', 30000000) AS name`,
      }),
    )
    const ended = await runAt(own, ['run'], { BACKUP_PG_COMMAND: 'prlimit --as=40000000' })
    expectFault(ended, 75, /pg_dump failed \(exit status 1\): .*memory/)
    await expectNothingLeft(own, { files: [], complete: [] })
  })

  test.each([
    ['age', 'echo "runtime/cgo: pthread_create failed: Resource temporarily unavailable" >&2; exit 2'],
    ['igzip', 'echo "igzip: Failed to allocate memory" >&2; exit 255'],
  ])('%s: an archive that could not be opened for that reason is not called damaged', async (name, script) => {
    const own = await newSite(url)
    expect(await runTool(['run'], own.environment)).toMatchObject({ exitCode: 0 })
    await inPlaceOf(own, name, `[ "$1" = --version ] && exec /usr/bin/${name} --version\n${script}`)
    const target = await newDatabase(inject('pgPort'))
    for (const command of [
      ['verify', '--depth', 'archive'],
      ['verify'],
      ['restore', '--latest', '--target-db', target],
    ]) {
      const ended = await runAt(own, command, { ...withIdentity(own), VERIFY_DATABASE_URL: maintenance })
      expect(ended.stderr + ended.stdout).toContain(`${name} failed`)
      expect(ended.stderr + ended.stdout).not.toMatch(/damaged|RED/)
      expect(ended.exitCode, command.join(' ')).toBe(75)
    }
    expect(await tablesOf(target)).toBe(0)
  })
})
