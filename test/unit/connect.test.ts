import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { connectionString, sqlState, translate } from '../../src/adapters/postgres/connect.ts'
import { parsePostgresUrl, type PostgresTarget } from '../../src/config/postgres-url.ts'
import { Fault } from '../../src/errors.ts'

const targetOf = (text: string): PostgresTarget => {
  const target = parsePostgresUrl(text)
  if (typeof target === 'string') throw new Error(target)
  return target
}
const target = targetOf('postgres://me:hunter2@h:5433/d')

/** As the server sends it. */
const serverError = (code: string, message = 'words of the server'): pg.DatabaseError => {
  const error = new pg.DatabaseError(message, message.length, 'error')
  error.code = code
  return error
}
const errno = (code: string): Error => Object.assign(new Error(`connect ${code} 127.0.0.1`), { code })

describe('what the server or the driver says is translated', () => {
  test.each<readonly [string, unknown, string]>([
    ['a wrong password', serverError('28P01'), 'credentials'],
    ['a login that pg_hba.conf forbids', serverError('28000'), 'credentials'],
    [
      'a missing password',
      new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'),
      'credentials',
    ],
    ['a database that does not exist', serverError('3D000'), 'configuration'],
    ['a missing right', serverError('42501', 'permission denied for table users'), 'rights'],
    ['a lock that was not had in time', serverError('55P03'), 'lock-timeout'],
    ['a socket of somebody else', errno('EACCES'), 'credentials'],
    ['no file left to open, which is not the server’s doing', errno('EMFILE'), 'unexpected'],
    ['nobody at the port', errno('ECONNREFUSED'), 'database-unavailable'],
    ['no socket', errno('ENOENT'), 'database-unavailable'],
    ['a name that is not known', errno('ENOTFOUND'), 'database-unavailable'],
    ['too many connections', serverError('53300'), 'database-unavailable'],
    ['a server that is starting', serverError('57P03'), 'database-unavailable'],
    ['a server that is stopped', serverError('57P01'), 'database-unavailable'],
    ['a connection that was cut', new Error('Connection terminated unexpectedly'), 'database-unavailable'],
    ['no answer', new Error('timeout expired'), 'database-unavailable'],
    ['a certificate that is not trusted', new Error('self-signed certificate'), 'configuration'],
    ['anything else of the server', serverError('XX000'), 'database-unavailable'],
    ['something that is no error', 'text', 'database-unavailable'],
  ])('%s', (_what, thrown, code) => {
    const fault = translate(thrown, target)
    expect(fault.code).toBe(code)
    expect(fault.cause).toBe(thrown)
    expect(JSON.stringify([fault.message, fault.hint])).not.toContain('hunter2')
  })

  test('and a Fault stays as it is', () => {
    const fault = new Fault('stalled', 'x')
    expect(translate(fault, target)).toBe(fault)
  })

  test('with the place, be it a host or a socket', () => {
    expect(translate(errno('ECONNREFUSED'), target).message).toContain('at h, port 5433')
    const socket = targetOf('postgres://me@/d?host=/var/run/postgresql')
    expect(translate(errno('ENOENT'), socket).message).toContain('the socket in /var/run/postgresql, port 5432')
  })

  test('without repeating words that may quote a row', () => {
    const fault = translate(serverError('23505', 'Key (email)=(ada@example.org) already exists.'), target)
    expect(fault.message).toContain('SQLSTATE 23505')
    expect(JSON.stringify([fault.message, fault.hint])).not.toContain('ada@example.org')
  })
})

describe('the SQLSTATE of an error', () => {
  test.each<readonly [string, unknown, string | undefined]>([
    ['of the server', serverError('42501'), '42501'],
    ['underneath a Fault', new Fault('rights', 'x', { cause: serverError('42501') }), '42501'],
    ['of the operating system is none', errno('ENOENT'), undefined],
    ['of nothing is none', undefined, undefined],
  ])('%s', (_what, thrown, state) => {
    expect(sqlState(thrown)).toBe(state)
  })
})

describe('a connection string for libpq', () => {
  test('holds everything but the password', () => {
    const text = connectionString(targetOf('postgres://me:hunter2@h:5433/d?sslmode=require&sslrootcert=/ca.pem'), {
      applicationName: 'oslrs-backup 1',
    })
    expect(text).not.toContain('hunter2')
    for (const part of [
      "host='h'",
      "port='5433'",
      "user='me'",
      "dbname='d'",
      "sslmode='require'",
      "sslrootcert='/ca.pem'",
      "application_name='oslrs-backup 1'",
    ])
      expect(text).toContain(part)
    expect(text).not.toContain('sslkey')
  })

  test('may be for another database of the same server', () => {
    expect(connectionString(target, { applicationName: 'x', database: 'postgres' })).toContain("dbname='postgres'")
  })

  test.each([
    ["it's", String.raw`dbname='it\'s'`],
    [String.raw`back\slash`, String.raw`dbname='back\\slash'`],
    ["x' host='evil", String.raw`dbname='x\' host=\'evil'`],
    ['two words', "dbname='two words'"],
  ])('quotes %j', (database, part) => {
    expect(connectionString({ ...target, database }, { applicationName: 'x' })).toContain(part)
  })

  test('sets what makes text and digests mean the same everywhere', () => {
    expect(connectionString(target, { applicationName: 'x' })).toContain(
      "options='-c TimeZone=UTC -c bytea_output=hex -c standard_conforming_strings=on ",
    )
  })

  test('lets both sides notice that the other is gone', () => {
    const text = connectionString(target, { applicationName: 'x' })
    expect(text).toContain("-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6'")
    expect(text).toContain("keepalives_idle='30' keepalives_interval='5' keepalives_count='3' tcp_user_timeout='60000'")
  })
})
