import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, describe, expect, test } from 'vitest'
import { configurationFault, loadConfig } from '../../src/config/load.ts'
import type { Values } from '../../src/config/settings.ts'
import { redact } from '../../src/secret.ts'
import { faultOf } from '../support/builders.ts'

/** A folder with these files; `{folder}` in a file's text is the folder itself. */
const folderWith = async (files: Readonly<Record<string, string>>): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-load-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'credentials'))
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, name), text.replaceAll('{folder}', folder))
  return folder
}
const url = (password: string): string => `postgres://me:${password}@h/d`
const load = (environment: Readonly<Record<string, string>>, envFile: string) =>
  loadConfig(environment, envFile, () => undefined)
const passwordOf = (values: Values): string | undefined => values.DATABASE_URL?.password?.reveal()
const faultsOf = async (environment: Readonly<Record<string, string>>, envFile: string): Promise<readonly string[]> =>
  (await faultOf(() => load(environment, envFile))).all

describe('a secret is taken from the first place that has it', () => {
  const places = ['environment', 'NAME_FILE', 'credential', 'env file', 'NAME_FILE of the env file'] as const
  /** All places from this one on have a value; the ones before have none, or an empty one. */
  const from = async (first: number, before: 'nothing' | 'an empty value'): Promise<string | undefined> => {
    const has = (at: number): boolean => at >= first
    const empty = before === 'an empty value'
    const folder = await folderWith({
      file: has(1) ? `${url('file')}\n` : '\n',
      'credentials/DATABASE_URL': has(2) ? `${url('credential')}\r\n` : ' ',
      env: [
        ...(has(3) ? [`DATABASE_URL=${url('env')}`] : empty ? ['DATABASE_URL='] : []),
        'DATABASE_URL_FILE={folder}/file2',
      ].join('\n'),
      file2: url('file2'),
    })
    const environment = {
      ...(has(0) ? { DATABASE_URL: url('environment') } : empty ? { DATABASE_URL: '' } : {}),
      ...(has(1) || empty ? { DATABASE_URL_FILE: join(folder, 'file') } : {}),
      ...(has(2) || empty ? { CREDENTIALS_DIRECTORY: join(folder, 'credentials') } : {}),
    }
    return passwordOf(load(environment, join(folder, 'env')).values)
  }

  test.each(
    ['environment', 'file', 'credential', 'env', 'file2'].map((value, at) => [places[at] ?? '', value, at] as const),
  )('%s', async (_place, value, at) => {
    expect(await from(at, 'nothing')).toBe(value)
  })

  test.each(['file', 'credential', 'env', 'file2'].map((value, at) => [places[at + 1] ?? '', value, at + 1] as const))(
    '%s, where what stands before is empty',
    async (_place, value, at) => {
      expect(await from(at, 'an empty value')).toBe(value)
    },
  )

  test('a file may end with one line end, and no more is taken off', async () => {
    const folder = await folderWith({ one: ' key \n', two: 'key\n\n', env: '' })
    const keyOf = (file: string) =>
      load({ S3_SECRET_KEY_FILE: join(folder, file) }, join(folder, 'env')).values.S3_SECRET_KEY?.reveal()
    expect(keyOf('one')).toBe(' key ')
    expect(keyOf('two')).toBe('key\n')
  })

  test('an empty CREDENTIALS_DIRECTORY is none, not the folder one happens to stand in', async () => {
    const folder = await folderWith({ DATABASE_URL: url('here'), env: '' })
    const before = process.cwd()
    process.chdir(folder)
    onTestFinished(() => {
      process.chdir(before)
    })
    expect(passwordOf(load({ CREDENTIALS_DIRECTORY: '' }, join(folder, 'env')).values)).toBeUndefined()
  })
})

describe('what is no secret', () => {
  test('is taken from the environment, then the env file, then its standard value', async () => {
    const folder = await folderWith({ env: 'BACKUP_NAME=file\nBACKUP_ENVIRONMENT=staging' })
    const { values } = load({ BACKUP_NAME: 'environment', BACKUP_PREFIX: ' ' }, join(folder, 'env'))
    expect(values).toMatchObject({
      BACKUP_NAME: 'environment',
      BACKUP_ENVIRONMENT: 'staging',
      BACKUP_PREFIX: 'backups/',
      BACKUP_DAILY_DAYS: 7,
    })
  })

  test('is not read from a credential', async () => {
    const folder = await folderWith({ 'credentials/BACKUP_NAME': 'credential', env: '' })
    const { values } = load({ CREDENTIALS_DIRECTORY: join(folder, 'credentials') }, join(folder, 'env'))
    expect(values.BACKUP_NAME).toBe('app_db')
  })
})

describe('secrets are known, so that they can be taken out of any text', () => {
  test('whole, and the password in them', async () => {
    const folder = await folderWith({
      env: `DATABASE_URL=${url('p%40ss')}\nS3_SECRET_KEY=hunter2\nBACKUP_NAME=visible`,
    })
    const { secrets } = load({}, join(folder, 'env'))
    expect(redact('p@ss, p%40ss, hunter2, visible', secrets)).toBe('***, ***, ***, visible')
    expect(redact(url('p%40ss'), secrets)).toBe('***')
  })
})

describe('faults of the configuration', () => {
  test('are told all at once, in one fault, each with its name', async () => {
    const folder = await folderWith({
      env: ['BACKUP_DAILY_DAYS=many', 'nonsense', 'BACKUP_TYPO=1', 'BACKUP_ENCRYPTION=rot13', 'DATABASE_URL=x'].join(
        '\n',
      ),
    })
    const file = join(folder, 'env')
    const fault = await faultOf(() =>
      loadConfig({ S3_ACCESS_KEY_FILE: '/nonexistent/key' }, file, (_values, faults) =>
        faults.push('derived: is amiss'),
      ),
    )
    expect(fault.code).toBe('configuration')
    expect(fault.all).toEqual([
      `${file}, line 2: is not NAME=value`,
      `${file}: BACKUP_TYPO is not a name of the configuration`,
      'DATABASE_URL must look like postgres://user:password@host:5432/database',
      'S3_ACCESS_KEY: the file /nonexistent/key cannot be read: it does not exist',
      'BACKUP_ENCRYPTION must be "age" or "none"',
      'BACKUP_DAILY_DAYS must be a whole number from 1 to 3660',
      'derived: is amiss',
    ])
  })

  test('never hold the values', async () => {
    const canary = 'S3CR3Tcanary'
    const folder = await folderWith({
      env: [
        `${canary} ${canary}`,
        `DATABASE_URL=mysql://me:${canary}@h/d`,
        `BACKUP_AGE_RECIPIENTS=AGE-SECRET-KEY-1${canary}`,
        `BACKUP_ENCRYPTION_KEY=${canary}`,
        `BACKUP_PREFIX=${canary}`,
        `BACKUP_NAME=${canary}.x`,
        `BACKUP_ENCRYPTION=${canary}`,
        `BACKUP_DAILY_DAYS=${canary}`,
        `BACKUP_STORE_DIR=${canary}`,
        `BACKUP_RETRY_WAITS=${canary}`,
        `S3_ENDPOINT=ftp://me:${canary}@h`,
        `S3_REGION=${canary}!`,
        `S3_BUCKET_NAME=${canary}`,
      ].join('\n'),
    })
    const fault = await faultOf(() => load({}, join(folder, 'env')))
    expect(fault.all.length).toBeGreaterThan(10)
    expect(JSON.stringify([fault.message, fault.hint, fault.all])).not.toContain(canary)
  })

  test('are the names in the file that nobody knows; other programs’ names are not ours to judge', async () => {
    const folder = await folderWith({
      env: 'BACKUP_NMAE=x\nVERIFY_DATABSE_URL=x\nSMTP_URI=x\nNODE_ENV=production\nPORT=3000',
    })
    const file = join(folder, 'env')
    expect(await faultsOf({ BACKUP_ELSE: 'x' }, file)).toEqual([
      `${file}: BACKUP_NMAE is not a name of the configuration`,
      `${file}: VERIFY_DATABSE_URL is not a name of the configuration`,
    ])
  })

  test.each(['BACKUP_TRUSTED_KEYS_FILE', 'BACKUP_AGE_RECIPIENTS_FILE', 'BACKUP_NAME_FILE'])(
    'are names that look as if they held, and do not: %s, for only secrets are read from files',
    async (name) => {
      const folder = await folderWith({ env: `${name}=/etc/oslrs-backup/x\n` })
      const file = join(folder, 'env')
      expect(await faultsOf({}, file)).toEqual([`${file}: ${name} is not a name of the configuration`])
    },
  )

  test('is an env file that was asked for and is not there', async () => {
    expect(await faultsOf({}, '/nonexistent/env')).toEqual(['/nonexistent/env: it does not exist'])
    const folder = await folderWith({})
    expect(await faultsOf({}, folder)).toEqual([`${folder}: it is a folder`])
  })

  test('is a file larger than any configuration', async () => {
    const folder = await folderWith({ env: `# ${'x'.repeat(1_000_000)}\n` })
    expect(await faultsOf({}, join(folder, 'env'))).toEqual([`${join(folder, 'env')}: larger than a megabyte`])
  })

  test('is a credential that cannot be read; one that is not there is none', async () => {
    const folder = await folderWith({ env: '' })
    await mkdir(join(folder, 'credentials/SMTP_URL'))
    expect(await faultsOf({ CREDENTIALS_DIRECTORY: join(folder, 'credentials') }, join(folder, 'env'))).toEqual([
      'SMTP_URL: its credential cannot be read: it is a folder',
    ])
  })

  test('are counted, and lead to the place to mend them', () => {
    expect(configurationFault(['one']).message).toBe('The configuration has a fault.')
    expect(configurationFault(['one', 'two'])).toMatchObject({
      message: 'The configuration has 2 faults.',
      exitStatus: 78,
    })
    expect(configurationFault(['one']).hint).toContain('/etc/oslrs-backup/oslrs-backup.env')
  })
})

test('what a command derives from the values comes back with them', async () => {
  const folder = await folderWith({ env: 'BACKUP_NAME=app' })
  expect(loadConfig({}, join(folder, 'env'), (values) => `${values.BACKUP_NAME ?? ''}!`).derived).toBe('app!')
})
