import { describe, expect, test } from 'vitest'
import { parsePostgresUrl, sslModes, type PostgresTarget } from '../../src/config/postgres-url.ts'

const targetOf = (text: string): PostgresTarget => {
  const target = parsePostgresUrl(text)
  if (typeof target === 'string') throw new Error(target)
  return target
}
const plain = (target: PostgresTarget) => ({ ...target, password: target.password?.reveal() })

describe('the whole of it', () => {
  test('host, port, user, password and database', () => {
    expect(plain(targetOf('postgres://me:secret@db.example:6543/app_db'))).toEqual({
      host: 'db.example',
      port: 6543,
      user: 'me',
      password: 'secret',
      database: 'app_db',
      sslMode: undefined,
      sslRootCert: undefined,
      sslCert: undefined,
      sslKey: undefined,
    })
  })

  test.each([
    ['the other scheme', 'postgresql://me@h/d', { user: 'me', host: 'h', database: 'd' }],
    ['no port', 'postgres://me@h/d', { port: 5432 }],
    ['no password', 'postgres://me@h/d', { password: undefined }],
    ['an empty password', 'postgres://me:@h/d', { password: undefined }],
    ['an encoded user', 'postgres://m%40e:p@h/d', { user: 'm@e', password: 'p' }],
    ['an encoded database', 'postgres://me:p@h/my%2Fdb%20x', { database: 'my/db x' }],
    ['white space around', '  postgres://me:p@h/d\n', { host: 'h', database: 'd' }],
    ['an address', 'postgres://me:p@127.0.0.1:5433/d', { host: '127.0.0.1', port: 5433 }],
    ['an IPv6 address', 'postgres://me:p@[::1]:5433/d', { host: '::1', port: 5433 }],
    ['a longer IPv6 address', 'postgres://me:p@[fe80::1:2]/d', { host: 'fe80::1:2' }],
    ['a socket as parameter', 'postgres://me@/d?host=/var/run/postgresql', { host: '/var/run/postgresql' }],
    ['a socket, encoded as parameter', 'postgres://me@/d?host=%2Fvar%2Frun', { host: '/var/run' }],
    ['a socket, encoded as host', 'postgres://me:p@%2Fvar%2Frun%2Fpostgresql/d', { host: '/var/run/postgresql' }],
    ['a socket with another port', 'postgres://me@/d?host=/tmp&port=5544', { host: '/tmp', port: 5544 }],
    [
      'everything by parameter',
      'postgres:///?host=h&port=1&user=u&password=p%3D&dbname=d',
      { host: 'h', port: 1, user: 'u', password: 'p=', database: 'd' },
    ],
    [
      'parameters that win over the rest',
      'postgres://a:b@c:1/d?user=u&dbname=e&port=2&host=f',
      { user: 'u', database: 'e', port: 2, host: 'f' },
    ],
    [
      'parameters of frameworks, passed over',
      'postgres://me@h/d?schema=public&connection_limit=5&pgbouncer=true',
      { database: 'd' },
    ],
    ['nothing behind the question mark', 'postgres://me@h/d?', { database: 'd' }],
  ])('%s', (_what, text, part) => {
    expect(plain(targetOf(text))).toMatchObject(part)
  })

  test('encryption, with its companions', () => {
    const target = targetOf(
      'postgres://me@h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem&sslcert=/c.pem&sslkey=/k%20.pem',
    )
    expect(target).toMatchObject({
      sslMode: 'verify-full',
      sslRootCert: '/etc/ca.pem',
      sslCert: '/c.pem',
      sslKey: '/k .pem',
    })
  })

  test.each(sslModes)('sslmode=%s', (mode) => {
    expect(targetOf(`postgres://me@h/d?sslmode=${mode}`).sslMode).toBe(mode)
  })
})

describe('a password', () => {
  test.each([
    'simple',
    'a/b',
    'a+b',
    'a=b==',
    'a@b',
    'a@b@c',
    'a#b',
    'a%b',
    '100%',
    '%zz%',
    'a b',
    ' ',
    'a:b:c',
    'a?b',
    'a&b=c',
    '/+=@#% ',
    '@@//##',
    'p@ss/word',
    'p@ss:5432/word',
    '[::1]',
    'it\'s "x"',
    String.raw`back\slash`,
    'Ọ̀yọ́人😀',
    '$(id)`id`',
    'a@b/c@d/e',
  ])('%j may stand raw, and encoded', (password) => {
    const whole = { host: 'h', port: 5433, user: 'me', password, database: 'd' }
    expect(plain(targetOf(`postgres://me:${password}@h:5433/d`))).toMatchObject(whole)
    expect(plain(targetOf(`postgres://me:${encodeURIComponent(password)}@h:5433/d`))).toMatchObject(whole)
    expect(plain(targetOf(`postgres://me:${password}@[::1]:5433/d?sslmode=disable`))).toMatchObject({
      ...whole,
      host: '::1',
    })
  })

  test('with a raw percent sign before two hex digits is taken as encoded (README, "Limits")', () => {
    expect(targetOf('postgres://me:a%41@h/d').password?.reveal()).toBe('aA')
    expect(targetOf('postgres://me:a%2541@h/d').password?.reveal()).toBe('a%41')
  })

  test('with escapes that are no UTF-8 is taken as it is', () => {
    expect(targetOf('postgres://me:%ff@h/d').password?.reveal()).toBe('%ff')
  })
})

describe('what is no such URL is told in a sentence that never repeats it', () => {
  const look = 'must look like postgres://user:password@host:5432/database'
  test.each([
    ['', look],
    ['S3CR3T', look],
    ['mysql://me:S3CR3T@h/d', look],
    ['http://me:S3CR3T@h/d', look],
    ['//me:S3CR3T@h/d', look],
    ['POSTGRES://me:S3CR3T@h/d', look],
    ['postgres:me:S3CR3T@h/d', look],
    ['host=h user=me password=S3CR3T dbname=d', look],
    ['postgres://me:S3CR3T@h/d#x', look],
    ['postgres://me:S3CR3T@h/d/e', look],
    ['postgres://me:S3CR3T@h:port/d', look],
    ['postgres://me:S3CR3T@[::1/d', look],
    ['postgres://me:S3CR3T@h', 'names no database'],
    ['postgres://me:S3CR3T@h/', 'names no database'],
    ['postgres://:S3CR3T@h/d', 'names no user'],
    ['postgres://S3CR3T/d', 'names no user'],
    ['postgres://me:S3CR3T@/d', 'names no host'],
    ['postgres://me:S3CR3T@h:0/d', 'has a port that does not exist'],
    ['postgres://me:S3CR3T@h:65536/d', 'has a port that does not exist'],
    ['postgres://me:S3CR3T@h/d?port=S3CR3T', 'has a port that does not exist'],
    ['postgres://me:S3CR3T@h/d?port=-1', 'has a port that does not exist'],
    ['postgres://me:S3CR3T@h/d?port=5432.5', 'has a port that does not exist'],
    ['postgres://me:S3CR3T@h/d?port=0x10', 'has a port that does not exist'],
    [
      'postgres://me:S3CR3T@h/d?sslmode=S3CR3T',
      `has an sslmode that does not exist; it is one of ${sslModes.join(', ')}`,
    ],
    ['postgres://me:S3CR3T@h/d%00e', 'holds a zero byte'],
    ['postgres://m%00e:S3CR3T@h/d', 'holds a zero byte'],
    ['postgres://me:S3CR3T@%00/d', 'holds a zero byte'],
  ])('%j', (text, sentence) => {
    const told = parsePostgresUrl(text)
    expect(told).not.toContain('S3CR3T')
    expect(told).toBe(sentence)
  })

  test('a parameter that is not known is named', () => {
    expect(parsePostgresUrl('postgres://me@h/d?options=-c')).toBe('has the parameter "options", which is not supported')
  })

  test.each([
    ['a question mark behind an at and a slash', 'postgres://me:x@y/z?S3CR3T@127.0.0.1/d'],
    ['the same with an equals sign', 'postgres://me:x@y/z?S3CR3T=1@127.0.0.1/d'],
  ])('a password with %s is not taken for a parameter and shown', (_what, text) => {
    const told = parsePostgresUrl(text)
    expect(typeof told === 'string' ? told : '').not.toContain('S3CR3T')
  })

  test('a password with an at and a slash does not become a host when the database is forgotten', () => {
    // Its middle would go out in a question to the name server.
    expect(parsePostgresUrl('postgres://me:x@S3CR3T/y@127.0.0.1')).toBe('names no database')
  })

  test('a socket is decoded once', () => {
    expect(targetOf('postgres://me@/d?host=/tmp/a%2541').host).toBe('/tmp/a%41')
  })
})
