import { describe, expect, test } from 'vitest'
import { addressees, deliverable, masked } from '../../src/domain/addresses.ts'
import { parseSender } from '../../src/config/mail-address.ts'
import { parseSmtpUrl, resendServers } from '../../src/config/smtp-url.ts'
import { Secret } from '../../src/secret.ts'

describe('an address that can be delivered', () => {
  test.each([
    ['a@oyo.ng', 'a@oyo.ng'],
    ["o'brien+backup@sub.oyo.gov.ng", "o'brien+backup@sub.oyo.gov.ng"],
    [' A.b@OYO.NG ', 'A.b@oyo.ng'],
    ['a@ọ̀yọ́.ng', 'a@xn--y-ccb1bs15a.ng'],
    ['a@myexample.com', 'a@myexample.com'],
  ])('%j', (text, address) => {
    const found = deliverable(text)
    if (text.includes('ọ')) expect(found).toMatch(/^a@xn--[a-z0-9-]+\.ng$/)
    else expect(found).toBe(address)
  })

  test.each([
    '',
    'a',
    '@oyo.ng',
    'a@',
    'a@oyo',
    'a@localhost',
    'a@x.localhost',
    'a@example.com',
    'a@example.org',
    'a@sub.example.net',
    'a@oyo.example',
    'a@oyo.test',
    'a@oyo.invalid',
    'a@EXAMPLE.COM',
    '"a b"@oyo.ng',
    'a\\b@oyo.ng',
    'a\r\nBcc: b@oyo.ng',
    'a@oyo.ng\r\nBcc: b@oyo.ng',
    'a@oyo.ng,b@oyo.ng',
    '<a@oyo.ng>',
    'a..b@oyo.ng',
    '.a@oyo.ng',
    'a@-oyo.ng',
    'a@127.0.0.1',
    `${'a'.repeat(65)}@oyo.ng`,
    'ạ@oyo.ng',
  ])('is not %j', (text) => {
    expect(deliverable(text)).toBe(undefined)
  })

  test('is told once, however often and however spelt it stands there', () => {
    expect(addressees(['a@oyo.ng', 'x', 'a@oyo.ng'], ['A@oyo.ng', 'b@oyo.ng'])).toEqual({
      to: ['a@oyo.ng', 'b@oyo.ng'],
      leftOut: 1,
    })
  })

  test.each([
    ['ade@oyo.ng', 'a…@oyo.ng'],
    ['a@oyo.ng', 'a…@oyo.ng'],
    ['@oyo.ng', '…'],
    ['nothing', '…'],
  ])('is masked: %s', (address, shown) => {
    expect(masked(address)).toBe(shown)
  })
})

describe('the sender', () => {
  test.each([
    ['backup@oyo.ng', { name: '', address: 'backup@oyo.ng' }],
    ['OSLRS Backup <backup@oyo.ng>', { name: 'OSLRS Backup', address: 'backup@oyo.ng' }],
    ['"OSLRS Backup" <backup@oyo.ng>', { name: 'OSLRS Backup', address: 'backup@oyo.ng' }],
    ['<backup@oyo.ng>', { name: '', address: 'backup@oyo.ng' }],
  ])('%s', (text, sender) => {
    expect(parseSender(text)).toEqual(sender)
  })
  test.each(['', 'OSLRS', 'OSLRS <x>', 'a@example.com', 'a@oyo.ng\r\nBcc: b@oyo.ng', 'x\r\ny <a@oyo.ng>'])(
    'is not %j',
    (text) => {
      expect(typeof parseSender(text)).toBe('string')
    },
  )
})

describe('the URL of a mail server', () => {
  const seen = (text: string) => {
    const server = parseSmtpUrl(text)
    return typeof server === 'string' ? server : { ...server, password: server.password?.reveal() }
  }
  test.each([
    ['smtps://u:p@mail.oyo.ng', { host: 'mail.oyo.ng', port: 465, tls: 'implicit', user: 'u', password: 'p' }],
    ['smtp://u:p@mail.oyo.ng', { host: 'mail.oyo.ng', port: 587, tls: 'required' }],
    ['smtp://127.0.0.1:25', { host: '127.0.0.1', port: 25, tls: 'if offered', user: undefined, password: undefined }],
    ['smtp://u:p/w+=@#%41@mail.oyo.ng:2587', { port: 2587, password: 'p/w+=@#A' }],
    ['smtp://u%40oyo.ng:p%@mail.oyo.ng', { user: 'u@oyo.ng', password: 'p%' }],
    ['smtps://[::1]:465/', { host: '::1', port: 465 }],
    ['smtp://mail.oyo.ng?ca=/etc/ssl/own.pem', { caFile: '/etc/ssl/own.pem' }],
  ])('%s', (text, server) => {
    expect(seen(text)).toMatchObject(server)
  })
  test.each([
    '',
    'mail.oyo.ng',
    'http://mail.oyo.ng',
    'smtp://',
    'smtp://u@mail.oyo.ng',
    'smtp://mail:99999',
    'smtp://u:p\r\n@mail.oyo.ng',
  ])('is not %j, and what is said of it does not repeat it', (text) => {
    const said = seen(text)
    expect(typeof said).toBe('string')
    if (text.length > 8) expect(said).not.toContain(text)
  })
  test('of Resend is two, for many providers block the usual ports', () => {
    expect(resendServers(new Secret('re_x')).map(({ host, port, tls, user }) => [host, port, tls, user])).toEqual([
      ['smtp.resend.com', 2465, 'implicit', 'resend'],
      ['smtp.resend.com', 465, 'implicit', 'resend'],
    ])
  })
})
