import { describe, expect, test } from 'vitest'
import { smtpPost, type Patience } from '../../src/adapters/smtp.ts'
import type { SmtpServer } from '../../src/config/smtp-url.ts'
import type { News } from '../../src/domain/news.ts'
import { Secret } from '../../src/secret.ts'
import { faultOf } from '../support/builders.ts'
import { failureFacts } from '../support/news.ts'
import { freePort } from '../support/postgres.ts'
import { newMute, newSmtp, type Smtp, type SmtpOptions } from '../support/smtp.ts'

const news: News = { kind: 'failure', facts: failureFacts() }
const mail = { subject: '[OSLRS] Ẹ káàárọ̀', text: 'Text of it.\n', html: '<p>HTML of it.</p>' }
const from = { name: 'OSLRS "Backup"', address: 'backup@oyo.ng' }
const patience: Patience = { stepMs: 600, messageMs: 1500, allMs: 5000 }
const to = ['one@oyo.ng', 'two@oyo.ng']

const serverOf = (port: number, more: Partial<SmtpServer> = {}): SmtpServer => ({
  host: '127.0.0.1',
  port,
  tls: 'if offered',
  user: undefined,
  password: undefined,
  caFile: undefined,
  ...more,
})
const login = { user: 'me@oyo.ng', password: 'p/w+=@#%' }
const withLogin = { user: login.user, password: new Secret(login.password) }
const post = (...servers: SmtpServer[]) => smtpPost({ servers, from }, () => mail, patience)

describe('a mail is taken', () => {
  test.each<[string, SmtpOptions, (smtp: Smtp) => SmtpServer, Partial<Smtp['taken'][number]>]>([
    ['in plain text on this machine', {}, ({ port }) => serverOf(port), { wasEncrypted: false }],
    [
      'by STARTTLS where it is offered',
      { tls: 'starttls' },
      ({ port, caFile }) => serverOf(port, { caFile }),
      { wasEncrypted: true },
    ],
    [
      'by STARTTLS that is required, with a login',
      { tls: 'starttls', login },
      ({ port, caFile }) => serverOf(port, { tls: 'required', caFile, ...withLogin }),
      { wasEncrypted: true, user: login.user },
    ],
    [
      'by TLS from the first byte, with a login',
      { tls: 'implicit', login },
      ({ port, caFile }) => serverOf(port, { tls: 'implicit', caFile, ...withLogin }),
      { wasEncrypted: true, user: login.user },
    ],
  ])('%s, and each gets a message of their own', async (_how, options, serverFor, taken) => {
    const smtp = await newSmtp(options)
    const server = serverFor(smtp)
    expect(await post(server).check()).toContain(server.user === undefined ? 'reached' : 'logged in')
    const { subject, deliveries } = await post(server).send(news, to)
    expect(subject).toBe(mail.subject)
    expect(deliveries).toEqual(to.map((address) => ({ address, fault: undefined })))
    expect(smtp.taken.map((one) => one.to)).toEqual([['one@oyo.ng'], ['two@oyo.ng']])
    for (const [at, one] of smtp.taken.entries()) {
      expect(one).toMatchObject({ from: 'backup@oyo.ng', ...taken })
      expect(one.raw).not.toContain(to[1 - at])
      for (const part of [
        `Subject: ${mail.subject}`,
        'Text of it.',
        '<p>HTML of it.</p>',
        'Auto-Submitted: auto-generated',
      ])
        expect(one.readable).toContain(part)
    }
  })
})

describe('what goes wrong is told, without the address and without the password', () => {
  const nobody = (_smtp: Smtp): SmtpServer => serverOf(1)
  test.each<[string, SmtpOptions | 'down' | 'mute', (smtp: Smtp) => SmtpServer, RegExp, number]>([
    ['the server is down', 'down', nobody, /^127\.0\.0\.1, port \d+: connection refused\.$/, 0],
    ['the server never says a word', 'mute', nobody, /no answer in time/, 0],
    [
      'the server takes the message and hangs',
      { hangsAfterData: true },
      ({ port }) => serverOf(port),
      /no answer in time/,
      0,
    ],
    [
      'the login is refused',
      { login },
      ({ port }) => serverOf(port, { user: login.user, password: new Secret('canary-wrong') }),
      /the login was refused \(535\)/,
      1,
    ],
    [
      'the message is refused after DATA',
      { refusesMessage: true },
      ({ port }) => serverOf(port),
      /the message was refused \(554 5\.7\.1 looks like spam\)/,
      0,
    ],
    [
      'every recipient is refused',
      { refusesTo: () => true },
      ({ port }) => serverOf(port),
      /the address was refused \(550 5\.1\.1 <[ot]…@oyo\.ng> is not known here\)/,
      0,
    ],
    [
      'TLS is required and not offered',
      { login },
      ({ port }) => serverOf(port, { tls: 'required', ...withLogin }),
      /encrypted connection failed|it was refused/,
      0,
    ],
    [
      'its certificate is of nobody that is known',
      { tls: 'implicit' },
      ({ port }) => serverOf(port, { tls: 'implicit' }),
      /the encrypted connection failed/,
      0,
    ],
  ])('%s', async (_what, options, serverFor, sentence, mostLogins) => {
    const smtp: Smtp =
      typeof options === 'string'
        ? { port: 0, taken: [], logins: [], connections: () => 0, caFile: '' }
        : await newSmtp(options)
    const server =
      options === 'down' ? serverOf(await freePort()) : options === 'mute' ? serverOf(await newMute()) : serverFor(smtp)
    const since = performance.now()
    const { deliveries } = await post(server).send(news, to)
    expect(performance.now() - since).toBeLessThan(patience.allMs + 2000)
    expect(deliveries.map(({ address }) => address)).toEqual(to)
    for (const { fault } of deliveries) {
      expect(fault).toMatch(sentence)
      expect(fault).not.toMatch(/one@|two@|canary/)
    }
    expect(smtp.taken).toEqual([])
    // A wrong password is tried once: many a server bans whoever goes on.
    expect(smtp.logins.length).toBeLessThanOrEqual(mostLogins)
  })

  test('one bad address stops no other', async () => {
    const smtp = await newSmtp({ refusesTo: (address) => address.startsWith('bad') })
    const { deliveries } = await post(serverOf(smtp.port)).send(news, ['one@oyo.ng', 'bad@oyo.ng', 'two@oyo.ng'])
    expect(deliveries.map(({ fault }) => fault === undefined)).toEqual([true, false, true])
    expect(smtp.taken.flatMap((one) => one.to)).toEqual(['one@oyo.ng', 'two@oyo.ng'])
  })

  test.each([
    ['down', freePort],
    ['mute', newMute],
  ])('the next server is asked when the first is %s', async (_what, portOf) => {
    const smtp = await newSmtp()
    const { deliveries } = await post(serverOf(await portOf()), serverOf(smtp.port)).send(news, to)
    expect(deliveries.every(({ fault }) => fault === undefined)).toBe(true)
    expect(smtp.taken).toHaveLength(2)
  })

  test('the check tells a wrong login from a server that is not there', async () => {
    const smtp = await newSmtp({ login })
    const wrong = serverOf(smtp.port, { user: login.user, password: new Secret('canary-wrong') })
    const refused = await faultOf(() => post(wrong).check())
    expect(refused).toMatchObject({ code: 'credentials' })
    expect(refused.message).not.toContain('canary')
    expect(await faultOf(async () => post(serverOf(await freePort())).check())).toMatchObject({ code: 'mail-failed' })
    expect(await faultOf(async () => post(serverOf(await newMute())).check())).toMatchObject({ code: 'mail-failed' })
  })
})
