import { execa } from 'execa'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { expectFault, expectNothingLeft, runAt } from '../support/faults.ts'
import { pathOf } from '../support/faulty-programs.ts'
import { freePort, newDatabase, urlOf } from '../support/postgres.ts'
import { filesUnder, newSite, toolPath, type Environment, type Site } from '../support/tool.ts'

const nothing = { files: [], complete: [] }

const smallSite = async (): Promise<Site> =>
  newSite(await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 1 AS id' }))

/** All but what is remembered of a failed night. */
const filesHere = async (site: Site): Promise<string[]> =>
  (await filesUnder(site.folder)).filter((path) => !path.startsWith('state/'))

/** The last character changed, so that the checksum is wrong. */
const misspelt = (recipient: string): string => recipient.slice(0, -1) + (recipient.endsWith('q') ? 'p' : 'q')

describe('encryption is never lost by a mistake: nothing is written, and the setting is named, not its value', () => {
  const recipientsOf = (site: Site): string[] => (site.environment['BACKUP_AGE_RECIPIENTS'] ?? '').split(',')

  test.each<[string, (recipients: string[]) => Environment, string]>([
    ['no recipients', () => ({ BACKUP_AGE_RECIPIENTS: '' }), 'BACKUP_AGE_RECIPIENTS is not set'],
    ['a blank for recipients', () => ({ BACKUP_AGE_RECIPIENTS: ' , ' }), 'BACKUP_AGE_RECIPIENTS names no recipient'],
    [
      'one recipient of two with a wrong checksum',
      ([first = '', second = '']) => ({ BACKUP_AGE_RECIPIENTS: `${first},${misspelt(second)}` }),
      'BACKUP_AGE_RECIPIENTS entry 2 is not an age recipient',
    ],
    [
      'a recipient cut short',
      ([first = '']) => ({ BACKUP_AGE_RECIPIENTS: first.slice(0, 40) }),
      'BACKUP_AGE_RECIPIENTS entry 1 is not an age recipient',
    ],
    [
      'none together with recipients',
      () => ({ BACKUP_ENCRYPTION: 'none' }),
      'BACKUP_ENCRYPTION is "none", and BACKUP_AGE_RECIPIENTS names somebody',
    ],
    ['another word', () => ({ BACKUP_ENCRYPTION: 'of' }), 'BACKUP_ENCRYPTION must be "age" or "none"'],
    [
      'a word for it and a wrong recipient',
      ([first = '']) => ({ BACKUP_ENCRYPTION: 'none', BACKUP_AGE_RECIPIENTS: misspelt(first) }),
      'BACKUP_AGE_RECIPIENTS entry 1 is not an age recipient',
    ],
  ])('%s', async (_what, change, sentence) => {
    const site = await smallSite()
    const files = await filesHere(site)
    const changed = change(recipientsOf(site))
    const ended = await runAt(site, ['run'], changed)
    expectFault(ended, 78, sentence)
    for (const recipient of (changed['BACKUP_AGE_RECIPIENTS'] ?? '').split(',').filter((word) => word.length > 9))
      expect(ended.stderr).not.toContain(recipient)
    expect(await filesHere(site)).toEqual(files)
    await expectNothingLeft(site, nothing)
  })

  test('all faults are told at once', async () => {
    const site = await smallSite()
    const ended = await runAt(site, ['run'], {
      DATABASE_URL: 'mysql://canary-value',
      BACKUP_AGE_RECIPIENTS: 'age1canary-value',
      BACKUP_NAME: '../canary-value',
      BACKUP_STALL_SECONDS: 'canary-value',
      BACKUP_SIGNING_KEY_FILE: site.identityFile,
      BACKUP_TRUSTED_KEYS: 'canary-value',
    })
    expectFault(ended, 78, /^The configuration has \d+ faults\./m)
    for (const name of ['DATABASE_URL', 'AGE_RECIPIENTS', 'NAME', 'STALL_SECONDS', 'SIGNING_KEY_FILE', 'TRUSTED_KEYS'])
      expect(ended.stderr).toMatch(new RegExp(`^  - (BACKUP_)?${name}\\b`, 'm'))
    expect(ended.stderr).not.toContain('canary-value')
    await expectNothingLeft(site, nothing)
  })
})

describe('an env file that was asked for and cannot be read', () => {
  test.each<[string, (file: string) => Promise<unknown>, string]>([
    ['is missing', () => Promise.resolve(), 'it does not exist'],
    ['is a folder', (file) => mkdir(file), 'it is a folder'],
    ['is larger than any env file', (file) => writeFile(file, '#'.repeat(1_000_001)), 'larger than a megabyte'],
    ['holds a line that is no assignment', (file) => writeFile(file, '# fine\nexport A=canary\n'), 'line 2'],
  ])('%s', async (_what, make, sentence) => {
    const site = await smallSite()
    const file = join(site.folder, 'the.env')
    await make(file)
    const ended = await runAt(site, ['run', '--env-file', file])
    expectFault(ended, 78, `  - ${file}`)
    expect(ended.stderr).toContain(sentence)
    expect(ended.stderr).not.toContain('canary')
    await expectNothingLeft(site, nothing)
  })

  test('may not be read by this user', async () => {
    const site = await smallSite()
    const file = join(site.folder, 'the.env')
    await writeFile(file, 'BACKUP_NAME=canary\n')
    await chmod(file, 0)
    await chmod(site.folder, 0o755)
    const asNobody = process.getuid?.() === 0 ? ['setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups'] : []
    const { exitCode, stdout, stderr } = await execa('env', [...asNobody, toolPath, 'run', '--env-file', file], {
      env: { ...site.environment, ...pathOf(site) },
      extendEnv: false,
      reject: false,
    })
    expectFault({ exitCode, stdout, stderr }, 78, `${file}: permission denied`)
    await expectNothingLeft(site, nothing)
  })
})

describe('the server is not as configured', () => {
  test.each<[string, () => Promise<string>, number, RegExp]>([
    [
      'nobody listens there',
      async () => urlOf(await freePort(), 'app_db'),
      75,
      /^The database server at 127\.0\.0\.1, port \d+ does not answer \(connection refused\)\./m,
    ],
    [
      'its name is not known',
      () => Promise.resolve('postgres://me@no-such-host.invalid/app_db'),
      75,
      /does not answer \(its name is not known\)/,
    ],
    [
      'the database does not exist',
      () => Promise.resolve(urlOf(inject('pgPort'), 'no_such_database')),
      78,
      /^There is no database no_such_database at 127\.0\.0\.1/m,
    ],
    [
      'the role does not exist',
      () => Promise.resolve(urlOf(inject('pgPort'), 'postgres', 'no_such_role')),
      78,
      /refused the login of no_such_role/,
    ],
  ])('%s', async (_what, url, exitStatus, sentence) => {
    const site = await newSite(await url())
    expectFault(await runAt(site, ['run']), exitStatus, sentence)
    await expectNothingLeft(site, nothing)
  })
})
