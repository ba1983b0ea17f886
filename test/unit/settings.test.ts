import { describe, expect, test } from 'vitest'
import { isAgeRecipient, settings, type Setting, type SettingName } from '../../src/config/settings.ts'
import { Secret } from '../../src/secret.ts'

// age-keygen's own words; and the test vector of age's specification.
const recipients = [
  'age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj',
  'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
] as const

const all = Object.entries(settings as Readonly<Record<string, Setting<unknown>>>)
const read = (name: SettingName, text: string): unknown => {
  const setting: Setting<unknown> = settings[name]
  const result = setting.parse.safeParse(text)
  if (!result.success) throw new RangeError(result.error.issues.map((issue) => issue.message).join('; '))
  return result.data instanceof Secret ? result.data.reveal() : result.data
}

describe('a good value', () => {
  test.each<readonly [SettingName, string, unknown]>([
    ['BACKUP_STORE_DIR', '/srv/backups', '/srv/backups'],
    ['BACKUP_STORE_DIR', '/mnt/a b', '/mnt/a b'],
    ['BACKUP_PREFIX', 'backups/', 'backups/'],
    ['BACKUP_PREFIX', 'oyo/v1.2/', 'oyo/v1.2/'],
    ['BACKUP_NAME', 'app_db', 'app_db'],
    ['BACKUP_NAME', 'A-1', 'A-1'],
    ['BACKUP_NAME', 'a'.repeat(63), 'a'.repeat(63)],
    ['BACKUP_ENVIRONMENT', 'staging', 'staging'],
    ['BACKUP_ENCRYPTION', 'age', 'age'],
    ['BACKUP_ENCRYPTION', 'none', 'none'],
    ['BACKUP_AGE_RECIPIENTS', recipients[0], [recipients[0]]],
    ['BACKUP_AGE_RECIPIENTS', recipients.join(','), recipients],
    ['BACKUP_AGE_RECIPIENTS', ` ${recipients.join('\n , ')} `, recipients],
    ['BACKUP_AGE_RECIPIENTS', `${recipients[0]},${recipients[0]}`, [recipients[0]]],
    ['BACKUP_ENCRYPTION_KEY', 'aB'.repeat(32), 'aB'.repeat(32)],
    ['BACKUP_KEY_TABLES', 'users, "Odd".t', ['users', '"Odd".t']],
    ['BACKUP_DAILY_DAYS', '1', 1],
    ['BACKUP_DAILY_DAYS', ' 007 ', 7],
    ['BACKUP_DAILY_DAYS', '3660', 3660],
    ['BACKUP_MONTHLY_MONTHS', '84', 84],
    ['BACKUP_PRUNE', 'off', 'off'],
    ['BACKUP_SIGNING_KEY_FILE', '/etc/key.pem', '/etc/key.pem'],
    ['BACKUP_TRUSTED_KEYS', '/a.pem /b.pem', ['/a.pem', '/b.pem']],
    [
      'BACKUP_PG_COMMAND',
      'docker exec -i -e PGPASSWORD my_postgres',
      ['docker', 'exec', '-i', '-e', 'PGPASSWORD', 'my_postgres'],
    ],
    ['BACKUP_RETRY_WAITS', '60,300,900', [60, 300, 900]],
    ['BACKUP_RETRY_WAITS', '5', [5]],
    ['BACKUP_STALL_SECONDS', '1', 1],
    ['BACKUP_LOCK_SECONDS', '3600', 3600],
    ['BACKUP_GIVE_WAY_SECONDS', '30', 30],
    ['S3_SECRET_KEY', 'any thing/+=', 'any thing/+='],
    ['S3_REGION', 'fra1', 'fra1'],
    ['S3_BUCKET_NAME', 'oslrs-backups', 'oslrs-backups'],
    ['BACKUP_ALLOWED_HOSTS', 'Spaces.Example, .example.org', ['spaces.example', '.example.org']],
  ])('%s=%s', (name, text, value) => {
    expect(read(name, text)).toEqual(value)
  })

  test.each([
    'https://fra1.digitaloceanspaces.com',
    'https://fra1.digitaloceanspaces.com/',
    'http://127.0.0.1:8000',
    'http://[::1]:8000',
    'http://localhost',
  ])('S3_ENDPOINT=%s', (text) => {
    expect(read('S3_ENDPOINT', text)).toBeInstanceOf(URL)
  })
})

describe('a bad value', () => {
  test.each<readonly [SettingName, string]>([
    ['DATABASE_URL', 'x'],
    ['VERIFY_DATABASE_URL', 'postgres://me@h'],
    ['BACKUP_STORE_DIR', 'backups'],
    ['BACKUP_STORE_DIR', './backups'],
    ['BACKUP_STORE_DIR', '/a\0b'],
    ['BACKUP_PREFIX', 'backups'],
    ['BACKUP_PREFIX', '/'],
    ['BACKUP_PREFIX', '/backups/'],
    ['BACKUP_PREFIX', '../'],
    ['BACKUP_PREFIX', 'a/../b/'],
    ['BACKUP_PREFIX', 'a//b/'],
    ['BACKUP_PREFIX', '.hidden/'],
    ['BACKUP_PREFIX', 'a b/'],
    ['BACKUP_PREFIX', 'a/\n'],
    ['BACKUP_NAME', 'a/b'],
    ['BACKUP_NAME', 'a.b'],
    ['BACKUP_NAME', 'äpp'],
    ['BACKUP_NAME', 'a'.repeat(64)],
    ['BACKUP_NAME', 'app_db\n'],
    ['BACKUP_ENVIRONMENT', 'pro duction'],
    ['BACKUP_ENCRYPTION', 'aes'],
    ['BACKUP_ENCRYPTION', 'None'],
    ['BACKUP_ENCRYPTION', 'false'],
    ['BACKUP_ENCRYPTION_KEY', 'ab'],
    ['BACKUP_ENCRYPTION_KEY', 'g'.repeat(64)],
    ['BACKUP_ENCRYPTION_KEY', 'a'.repeat(65)],
    ['BACKUP_DAILY_DAYS', '0'],
    ['BACKUP_DAILY_DAYS', '-1'],
    ['BACKUP_DAILY_DAYS', '7.5'],
    ['BACKUP_DAILY_DAYS', '7d'],
    ['BACKUP_DAILY_DAYS', '1e2'],
    ['BACKUP_DAILY_DAYS', '3661'],
    ['BACKUP_MONTHLY_MONTHS', '1201'],
    ['BACKUP_KEEP_AT_LEAST', '0'],
    ['BACKUP_PRUNE', 'true'],
    ['BACKUP_AUDIT', 'OFF'],
    ['BACKUP_AGE_IDENTITY_FILE', 'key.txt'],
    ['BACKUP_AGE_IDENTITY_FILE', '~/key.txt'],
    ['BACKUP_SIGNING_KEY_FILE', 'signing.pem'],
    ['BACKUP_TRUSTED_KEYS', ','],
    ['BACKUP_STATE_DIR', 'state'],
    ['BACKUP_RETRY_WAITS', '60;300'],
    ['BACKUP_RETRY_WAITS', '60,'],
    ['BACKUP_STALL_SECONDS', '0'],
    ['BACKUP_LOCK_SECONDS', '3601'],
    ['BACKUP_GIVE_WAY_SECONDS', 'never'],
    ['S3_ENDPOINT', 'fra1.digitaloceanspaces.com'],
    ['S3_ENDPOINT', 'http://fra1.digitaloceanspaces.com'],
    ['S3_ENDPOINT', 'http://127.0.0.1.example.org'],
    ['S3_ENDPOINT', 'http://localhost.example.org'],
    ['S3_ENDPOINT', 'https://key:secret@h'],
    ['S3_ENDPOINT', 'https://h/bucket'],
    ['S3_ENDPOINT', 'https://h/?x=1'],
    ['S3_ENDPOINT', 'file:///srv'],
    ['S3_REGION', 'fra 1'],
    ['S3_BUCKET_NAME', 'Bucket'],
    ['S3_BUCKET_NAME', 'ab'],
    ['S3_BUCKET_NAME', '-ab'],
    ['S3_BUCKET_NAME', 'a/b'],
  ])('%s=%j', (name, text) => {
    expect(() => read(name, text)).toThrow(RangeError)
  })
})

describe('an age recipient', () => {
  test.each(recipients)('%s', (recipient) => {
    expect(isAgeRecipient(recipient)).toBe(true)
  })

  const [good] = recipients
  test.each([
    ['nothing', ''],
    ['its prefix', 'age1'],
    ['one with a letter changed', good.replace('z', 'y')],
    ['one with two letters swapped', `${good.slice(0, 10)}${good.charAt(11)}${good.charAt(10)}${good.slice(12)}`],
    ['one with a letter missing', good.slice(0, -1)],
    ['one with a letter too many', `${good}q`],
    ['one in mixed case', `${good.slice(0, -1)}${good.slice(-1).toUpperCase()}`],
    // age refuses it: "unknown recipient type".
    ['one in upper case', good.toUpperCase()],
    ['one with a space', ` ${good}`],
    ['a private key', 'AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX'],
    ['an SSH key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN'],
    ['a bitcoin address', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'],
    ['an mail address', 'backup@example.org'],
  ])('is not %s', (_what, text) => {
    expect(isAgeRecipient(text)).toBe(false)
  })

  test('that is malformed is told by its place, never by its text', () => {
    expect(() => read('BACKUP_AGE_RECIPIENTS', `${good}, age1wrong`)).toThrow(/^entry 2 is not an age recipient/)
    expect(() => read('BACKUP_AGE_RECIPIENTS', ' , ')).toThrow('names no recipient')
  })
})

describe('the whole table', () => {
  test.each(all)('%s explains itself in a sentence', (_name, setting) => {
    expect(setting.about).toMatch(/^[A-Z`].*[.`]\)?\.?$/)
    expect(setting.about).not.toContain('\n')
  })

  test.each(all.filter(([, setting]) => setting.standard !== undefined))(
    '%s reads its own standard value',
    (_name, setting) => {
      expect(setting.parse.safeParse(setting.standard).success).toBe(true)
    },
  )

  test('every secret has no standard value', () => {
    expect(all.filter(([, setting]) => setting.secret && setting.standard !== undefined)).toEqual([])
  })

  test('everything that is called a key, or is a URL with a password in it, is a secret', () => {
    const secret = all.filter(([, setting]) => setting.secret).map(([name]) => name)
    expect(secret.toSorted()).toEqual([
      'BACKUP_ENCRYPTION_KEY',
      'DATABASE_URL',
      'HEALTHCHECK_URL',
      'RESEND_API_KEY',
      'S3_ACCESS_KEY',
      'S3_SECRET_KEY',
      'SMTP_URL',
      'VERIFY_DATABASE_URL',
    ])
  })

  test('the names that the application already has are kept', () => {
    for (const name of [
      'DATABASE_URL',
      'S3_ENDPOINT',
      'S3_REGION',
      'S3_BUCKET_NAME',
      'S3_ACCESS_KEY',
      'S3_SECRET_KEY',
      'RESEND_API_KEY',
    ])
      expect(Object.keys(settings)).toContain(name)
  })
})
