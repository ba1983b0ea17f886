import { execa } from 'execa'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { newFolder } from '../support/tool.ts'

const repository = join(import.meta.dirname, '../..')
const patience = { timeout: 300_000 }

const startScript = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  execa(join(repository, 'install.sh'), args, {
    env: environment,
    reject: false,
    stdin: 'ignore',
    forceKillAfterDelay: false,
  })

/** A small try, in an environment that names a database and a store which must not be touched. */
const startTry = (environment: Readonly<Record<string, string>> = {}) =>
  startScript(['try'], {
    TRY_RESPONDENTS: '500',
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/precious',
    BACKUP_STORE_DIR: '/nonexistent',
    BACKUP_ENCRYPTION: 'none',
    PGHOST: '/nonexistent',
    PGOPTIONS: '-c nonsense=1',
    ...environment,
  })

/** The folder that a try said it works in; removed when the test is over. */
const folderOf = (said: string): string => {
  const folder = /\/tmp\/oslrs-try\.\w+/.exec(said)?.[0] ?? ''
  expect(folder).not.toBe('')
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** The command lines of all processes that name the folder. */
const processesNaming = async (folder: string): Promise<string[]> => {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(ids.map((id) => readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')))
  return lines.filter((line) => line.includes(folder))
}

describe('install.sh', () => {
  test('--help explains', async () => {
    const ended = await startScript(['--help'])
    expect(ended).toMatchObject({ exitCode: 0, stderr: '' })
    for (const word of ['try', 'test', '--role', '--from-env', 'uninstall', '--purge', 'REQUIRE_ALL_TIERS', '69', '78'])
      expect(ended.stdout).toContain(word)
  })

  test.each([
    [['tri']],
    [['--try']],
    [['try', 'again']],
    [['--help', 'me']],
    [['--role']],
    [['--role', 'everything']],
    [['--role', 'server', '--rolle', 'x']],
    [['--from-env']],
    [['uninstall', '--purge', '--now']],
    [['uninstall', 'all']],
  ])('%j is a usage error', async (args) => {
    const ended = await startScript(args)
    expect(ended).toMatchObject({ exitCode: 64, stdout: '' })
    expect(ended.stderr).toMatch(/\nSee: \.\/install\.sh --help$/)
  })

  test.each(['0', '-5', '1e6', '10; rm'])('TRY_RESPONDENTS=%s is a usage error', async (respondents) => {
    const ended = await startTry({ TRY_RESPONDENTS: respondents })
    expect(ended).toMatchObject({ exitCode: 64, stdout: '' })
    expect(ended.stderr).toContain('TRY_RESPONDENTS must be a whole number')
  })
})

describe('install.sh try', () => {
  test('shows a database go and come back, row for row, and leaves no process', patience, async () => {
    const ended = await startTry()
    expect(ended).toMatchObject({ exitCode: 0 })
    const folder = folderOf(ended.stdout)
    // Five tables, as the tool restored them and as they came back without it.
    expect(ended.stdout.match(/^(audit_logs|respondents|roles|submissions|users) .* same$/gm)).toHaveLength(10)
    expect(ended.stdout).not.toContain('DIFFERENT')
    expect(ended.stdout).toContain('Signature Verified Successfully')
    expect(ended.stdout).toContain(`rm -rf ${folder}`)
    expect(await processesNaming(folder)).toEqual([])
    const { stdout: open } = await execa('find', [
      ...[folder, '-mindepth', '1', '-perm', '/077'],
      // status.json and the metrics are for the folder's group as well, and the folder is closed here.
      ...['-not', '-path', `${folder}/state/*`],
    ])
    expect(open).toBe('')
  })

  test('fails loudly when what came back is not what went in', patience, async () => {
    const programs = await newFolder()
    const gunzip = join(programs, 'gunzip')
    await writeFile(gunzip, "#!/bin/sh\n/usr/bin/gunzip | sed 's/Ibadan North/Ibadan South/'\n")
    await chmod(gunzip, 0o755)
    const ended = await startTry({ PATH: `${programs}:${process.env['PATH'] ?? ''}` })
    expect(ended).toMatchObject({ exitCode: 65 })
    const folder = folderOf(ended.stdout)
    expect(ended.stdout).toMatch(/^respondents .* DIFFERENT$/m)
    expect(ended.stderr).toContain('What came back is not what went in.')
    expect(ended.stderr).toContain(folder)
    expect(await processesNaming(folder)).toEqual([])
  })

  test('interrupted, it stops its server and says what it leaves', patience, async () => {
    const running = startTry()
    running.stdout.on('data', (text: Buffer) => {
      if (text.includes('3. Back up')) running.kill('SIGTERM')
    })
    const ended = await running
    expect(ended).toMatchObject({ exitCode: 143 })
    const folder = folderOf(ended.stdout)
    expect(ended.stdout).not.toContain('4. Is it the same?')
    expect(ended.stderr).toContain(`rm -rf ${folder}`)
    expect(await processesNaming(folder)).toEqual([])
  })
})
