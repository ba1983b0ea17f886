import { readFileSync } from 'node:fs'
import type SMTPTransport from 'nodemailer/lib/smtp-transport'
import type { MailSettings } from '../config/mail.ts'
import type { SmtpServer } from '../config/smtp-url.ts'
import { masked } from '../domain/addresses.ts'
import { harmless } from '../domain/harmless.ts'
import type { News } from '../domain/news.ts'
import { Fault } from '../errors.ts'
import type { Delivery, Post } from '../ports/telling.ts'

export interface MailText {
  readonly subject: string
  readonly text: string
  readonly html: string
}

/** How long one step with a server may take, one message, and all of them. */
export interface Patience {
  readonly stepMs: number
  readonly messageMs: number
  readonly allMs: number
}
export const standardPatience: Patience = { stepMs: 15_000, messageMs: 45_000, allMs: 180_000 }

/** Mail by SMTP: the servers in order, until one can be reached. `compose` makes the text of the news. */
export const smtpPost = (
  { servers, from }: MailSettings,
  compose: (news: News) => MailText,
  patience: Patience = standardPatience,
): Post => {
  const description = servers.map(({ host, port }) => `${host}, port ${String(port)}`).join(', else ')
  return {
    description,
    send: async (news, to) => {
      const mail = compose(news)
      const end = AbortSignal.timeout(patience.allMs)
      const deliveries: Delivery[] = []
      let waiting = to
      let fault = 'There is no mail server.'
      for (const server of servers) {
        const transport = await open(server, patience)
        while (waiting[0] !== undefined) {
          const [address] = waiting
          const told = await deliver(transport, server, { ...mail, from, address }, patience, end)
          if (told.state === 'unreached') {
            fault = told.fault
            break
          }
          deliveries.push({ address, fault: told.state === 'refused' ? told.fault : undefined })
          waiting = waiting.slice(1)
        }
        transport.close()
        if (waiting.length === 0) break
      }
      return { subject: mail.subject, deliveries: [...deliveries, ...waiting.map((address) => ({ address, fault }))] }
    },
    check: async () => {
      let last: unknown
      for (const server of servers) {
        const transport = await open(server, patience)
        try {
          await inTime(transport.verify(), patience.messageMs)
          return `${server.host}, port ${String(server.port)}: ${server.user === undefined ? 'reached' : 'logged in'}`
        } catch (thrown) {
          last = thrown
          if (!isUnreached(thrown)) break
        } finally {
          transport.close()
        }
      }
      throw new Fault(
        codeOf(last) === 'EAUTH' ? 'credentials' : 'mail-failed',
        `Mail cannot be sent by ${description}: ${words(last)}.`,
        {
          hint: 'Check SMTP_URL or RESEND_API_KEY, and whether the provider of this machine blocks the port.',
          cause: last,
        },
      )
    },
  }
}

type Transport = Awaited<ReturnType<typeof open>>

const open = async (server: SmtpServer, { stepMs }: Patience) => {
  // Read only when a mail is sent.
  const { createTransport } = await import('nodemailer')
  const options: SMTPTransport.Options = {
    host: server.host,
    port: server.port,
    secure: server.tls === 'implicit',
    requireTLS: server.tls === 'required',
    connectionTimeout: stepMs,
    greetingTimeout: stepMs,
    socketTimeout: stepMs,
    dnsTimeout: stepMs,
    disableFileAccess: true,
    disableUrlAccess: true,
    tls: { minVersion: 'TLSv1.2', ...(server.caFile === undefined ? {} : { ca: readFileSync(server.caFile) }) },
    ...(server.user === undefined ? {} : { auth: { user: server.user, pass: server.password?.reveal() ?? '' } }),
  }
  return createTransport(options)
}

type Told = { readonly state: 'accepted' } | { readonly state: 'refused' | 'unreached'; readonly fault: string }

interface Message extends MailText {
  readonly from: { readonly name: string; readonly address: string }
  readonly address: string
}

/** A connection that breaks is tried once more; a server that hangs is not. */
const deliver = async (
  transport: Transport,
  server: SmtpServer,
  { from, address, ...mail }: Message,
  { messageMs }: Patience,
  end: AbortSignal,
): Promise<Told> => {
  for (let attempt = 1; ; attempt += 1)
    try {
      await transport.sendMail({
        ...mail,
        from: { ...from },
        to: { name: '', address },
        // An absence note to a machine helps nobody.
        headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
        signal: AbortSignal.any([end, AbortSignal.timeout(messageMs)]),
      })
      return { state: 'accepted' }
    } catch (thrown) {
      const fault = `${server.host}, port ${String(server.port)}: ${words(thrown)}.`
      if (!isUnreached(thrown)) return { state: 'refused', fault }
      if (attempt > 1 || isTimeout(thrown) || isLogin(thrown)) return { state: 'unreached', fault }
    }
}

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''

const isTimeout = (thrown: unknown): boolean => ['ETIMEDOUT', 'EABORT', 'EDNS'].includes(codeOf(thrown))

const isLogin = (thrown: unknown): boolean => ['EAUTH', 'ENOAUTH'].includes(codeOf(thrown))

/** Nothing was said about this message: another server, or another attempt, may take it. */
const isUnreached = (thrown: unknown): boolean =>
  isTimeout(thrown) ||
  isLogin(thrown) ||
  ['ECONNECTION', 'ESOCKET', 'ETLS', 'EPROTOCOL', 'ECONNREFUSED'].includes(codeOf(thrown))

/** What happened, in words that hold neither an address nor what was sent for the login. */
const words = (thrown: unknown): string => {
  const response =
    thrown instanceof Error && 'response' in thrown && typeof thrown.response === 'string' ? thrown.response : ''
  switch (codeOf(thrown)) {
    case 'EAUTH':
    case 'ENOAUTH':
      return `the login was refused${/^\d{3}/.test(response) ? ` (${response.slice(0, 3)})` : ''}`
    case 'EABORT':
    case 'ETIMEDOUT':
      return 'no answer in time'
    case 'EDNS':
      return 'its name is not known'
    case 'ETLS':
      return 'the encrypted connection failed'
    case 'EENVELOPE':
      return `the address was refused${said(response)}`
    case 'EMESSAGE':
      return `the message was refused${said(response)}`
    default: {
      const text = thrown instanceof Error ? thrown.message : ''
      if (/certificate|self.signed|SSL|TLS|altname/i.test(text)) return 'the encrypted connection failed'
      if (text.includes('ECONNREFUSED')) return 'connection refused'
      return response === '' ? 'the connection was cut' : `it was refused${said(response)}`
    }
  }
}

const said = (response: string): string =>
  response === ''
    ? ''
    : ` (${harmless(response.replaceAll(/\s+/g, ' ').replaceAll(/[^\s<>"(),;:]+@[^\s<>"(),;:]+/g, masked)).slice(0, 200)})`

const inTime = async <T>(work: Promise<T>, ms: number): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  try {
    return await Promise.race([
      work,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => {
          reject(Object.assign(new Error('too late'), { code: 'ETIMEDOUT' }))
        }, ms)
      }),
    ])
  } finally {
    clearTimeout(timer)
  }
}
