import { inspect } from 'node:util'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseEnvFile } from '../../src/config/env-file.ts'
import { loadConfig } from '../../src/config/load.ts'
import { parsePostgresUrl } from '../../src/config/postgres-url.ts'
import { isAgeRecipient, settings, type SettingName } from '../../src/config/settings.ts'
import { Fault } from '../../src/errors.ts'
import { redact, Secret } from '../../src/secret.ts'
import { newFolder } from '../support/tool.ts'

describe('an env file is read as systemd reads it', () => {
  test.each([
    ['A=b', 'b'],
    ['A= b c \t', 'b c'],
    ['A="b c "', 'b c '],
    ["A='b\"c'", 'b"c'],
    ['A=b#c', 'b#c'],
    ['A=b # c', 'b # c'],
    ['A="a\\"b\\\\c\\$d\\x"', 'a"b\\c$d\\x'],
    ["A='a\\nb'", 'a\\nb'],
    ['A=a\\ b\\\nc', 'a bc'],
    ['A="two\nlines"', 'two\nlines'],
    ['A="x" "y"', 'xy'],
    ['A=x"y"', 'x"y"'],
    ['A=', ''],
    ['A=b\r\n', 'b'],
    ['# A=x\n; A=y\nA=z', 'z'],
    ['A=1\nA=2', '2'],
    ['A =b', 'b'],
  ])('%j gives %j', (text, value) => {
    const { values, faultyLines } = parseEnvFile(text)
    expect(values.get('A')).toBe(value)
    expect(faultyLines).toEqual([])
  })
  test('what is no assignment is told by its line', () => {
    expect(parseEnvFile('A=1\n\nsecret words\nexport B=2\nC=3').faultyLines).toEqual([3, 4])
  })
})

describe('the URL of a database', () => {
  test.each([
    ['postgres://u:p@h:5433/d', 'p', 'h', 5433],
    ['postgresql://u:p@h/d', 'p', 'h', 5432],
    ['postgres://u:a/b+c=d@e#f%g h@h/d', 'a/b+c=d@e#f%g h', 'h', 5432],
    ['postgres://u:a%2Fb%40c%25@h/d', 'a/b@c%', 'h', 5432],
    ['postgres://u:p?x@h/d?sslmode=require', 'p?x', 'h', 5432],
    ['postgres://u:p@[::1]:1/d', 'p', '::1', 1],
    ['postgres://u:p@localhost/d?host=/var/run/postgresql', 'p', '/var/run/postgresql', 5432],
    ['postgres://u:100%@h/d', '100%', 'h', 5432],
  ])('%s', (url, password, host, port) => {
    const target = parsePostgresUrl(url)
    expect(target).toMatchObject({ user: 'u', host, port, database: 'd' })
    expect(typeof target === 'string' ? '' : target.password?.reveal()).toBe(password)
  })
  test.each([
    'mysql://u:hidden@h/d',
    'hidden',
    'postgres://u:hidden@h',
    'postgres://:hidden@h/d',
    'postgres://u:hidden@/d',
    'postgres://u:hidden@h:99999/d',
    'postgres://u:hidden@h/d?sslmode=maybe',
    'postgres://u:hidden@h/d?frob=1',
  ])('%s is refused, and not repeated', (url) => {
    const fault = parsePostgresUrl(url)
    expect(fault).toEqual(expect.any(String))
    expect(fault).not.toContain('hidden')
  })
})

const load = (environment: Record<string, string>, file?: string) => loadConfig(environment, file, () => undefined)

describe('where a value comes from', () => {
  test('the environment, its NAME_FILE, a credential, the env file, its NAME_FILE: the first wins', async () => {
    const folder = await newFolder()
    const write = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), text)
      return join(folder, name)
    }
    const byFile = await write('by-file', 'from NAME_FILE\n')
    const inFile = await write('in-file', 'from the file of the env file')
    await mkdir(join(folder, 'credentials'))
    const credential = await write('credentials/S3_SECRET_KEY', 'from a credential\r\n')
    const both = await write('both', `S3_SECRET_KEY=from the env file\nS3_SECRET_KEY_FILE=${inFile}\n`)
    const onlyFile = await write('only', `S3_SECRET_KEY_FILE=${inFile}\n`)
    const nothing = await write('nothing', '')
    const cases: [Record<string, string>, string, string][] = [
      [
        { S3_SECRET_KEY: 'direct', S3_SECRET_KEY_FILE: byFile, CREDENTIALS_DIRECTORY: join(folder, 'credentials') },
        both,
        'direct',
      ],
      [{ S3_SECRET_KEY_FILE: byFile, CREDENTIALS_DIRECTORY: join(folder, 'credentials') }, both, 'from NAME_FILE'],
      [{ S3_SECRET_KEY: '  ', CREDENTIALS_DIRECTORY: join(folder, 'credentials') }, both, 'from a credential'],
      [{}, both, 'from the env file'],
      [{}, onlyFile, 'from the file of the env file'],
    ]
    for (const [environment, file, value] of cases)
      expect(load(environment, file).values.S3_SECRET_KEY?.reveal()).toBe(value)
    expect(load({}, nothing).values.S3_SECRET_KEY).toBeUndefined()
    expect(credential).toContain('S3_SECRET_KEY')
  })

  test('every fault is told at once, with its name and without its value', async () => {
    const file = join(await newFolder(), 'env')
    await writeFile(file, 'BACKUP_PREFX=x\nBACKUP_DAILY_DAYS=hidden\nnonsense\n')
    const environment = {
      DATABASE_URL: 'hidden',
      BACKUP_AGE_RECIPIENTS: 'hidden',
      S3_ENDPOINT: 'http://hidden.example',
      S3_SECRET_KEY_FILE: '/nonexistent',
    }
    let fault: unknown
    try {
      load(environment, file)
    } catch (thrown) {
      fault = thrown
    }
    expect(fault).toBeInstanceOf(Fault)
    const { all, code } = fault as Fault
    expect(code).toBe('configuration')
    for (const name of [
      'BACKUP_PREFX',
      'BACKUP_DAILY_DAYS',
      'line 3',
      'DATABASE_URL',
      'BACKUP_AGE_RECIPIENTS',
      'S3_ENDPOINT',
      'S3_SECRET_KEY',
    ])
      expect(all.filter((one) => one.includes(name))).toHaveLength(1)
    expect(all.join()).not.toContain('hidden')
  })
})

describe('each setting', () => {
  const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'
  test.each<[SettingName, readonly string[], readonly string[]]>([
    ['BACKUP_PREFIX', ['backups/', 'a/b.c/'], ['backups', '/', '../', 'a//', '/a/', '.a/']],
    ['BACKUP_NAME', ['app_db', 'a-b'], ['', 'a.b', 'a/b', 'ọ']],
    ['BACKUP_ENCRYPTION', ['age', 'none'], ['no', 'None', 'AGE']],
    [
      'BACKUP_AGE_RECIPIENTS',
      [recipient, `${recipient}, ${recipient}`],
      ['age1', `${recipient.slice(0, -1)}q`, recipient.toUpperCase().slice(0, -1), `${recipient},x`, ','],
    ],
    ['BACKUP_DAILY_DAYS', ['1', '7'], ['0', '-1', '7.5', 'x', '99999']],
    ['BACKUP_STORE_DIR', ['/srv/backups'], ['backups', './x']],
    [
      'S3_ENDPOINT',
      ['https://fra1.example.com', 'http://127.0.0.1:7480', 'http://localhost'],
      ['http://example.com', 'ftp://x', 'https://u:p@h', 'https://h/bucket', 'x'],
    ],
    ['S3_BUCKET_NAME', ['my-bucket', 'a.b.c'], ['My', 'ab', '-ab', 'a/b']],
    ['BACKUP_RETRY_WAITS', ['60,300,900'], ['60;300', '']],
  ])('%s', (name, good, bad) => {
    const { parse } = settings[name]
    for (const value of good) expect(parse.safeParse(value).success, value).toBe(true)
    for (const value of bad) expect(parse.safeParse(value).success, value).toBe(false)
  })
  test('an age recipient has a checksum', () => {
    expect(isAgeRecipient(recipient)).toBe(true)
    for (let at = 4; at < recipient.length; at += 7)
      expect(
        isAgeRecipient(recipient.slice(0, at) + (recipient[at] === 'q' ? 'p' : 'q') + recipient.slice(at + 1)),
      ).toBe(false)
  })
})

describe('a secret', () => {
  test('shows itself to nobody', () => {
    const secret = new Secret('hidden')
    expect(
      [
        String(secret),
        JSON.stringify({ secret }),
        inspect({ secret }),
        inspect(secret, { showHidden: true, depth: 9 }),
      ].join(),
    ).not.toContain('hidden')
    expect(secret.reveal()).toBe('hidden')
  })
  test('is taken out of texts, as it is and percent-encoded, the longest first', () => {
    expect(redact('x a/b y a%2Fb z a/b/c', [new Secret('a/b'), new Secret('a/b/c')])).toBe('x *** y *** z ***')
  })
})
