import { Secret } from '../secret.ts'

/** One mail server, and who we are there. */
export interface SmtpServer {
  readonly host: string
  readonly port: number
  /** `implicit`: from the first byte. `required`: by STARTTLS, or nothing is sent. `if offered`: on this machine alone. */
  readonly tls: 'implicit' | 'required' | 'if offered'
  readonly user: string | undefined
  readonly password: Secret | undefined
  /** PEM file of the authority that signed the server's certificate; undefined: those that node brings. */
  readonly caFile: string | undefined
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|::1)$/

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text.replace(/%(?![0-9a-fA-F]{2})/g, '%25'))
  } catch {
    return text
  }
}

// The password runs to the last @ after which a host can follow, so it may hold / @ : # ? raw.
const pattern =
  /^(?<scheme>smtps?):\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>.*))?@)?(?<host>\[[0-9a-fA-F:.]+\]|[^@/?#:[\]]+)(?::(?<port>\d{1,5}))?\/?(?:\?ca=(?<ca>\/[^@]+))?$/s

/**
 * Parses `smtps://user:password@host:465` (TLS from the first byte) and `smtp://user:password@host:587` (STARTTLS, which
 * is required unless the server is this machine). Returns a sentence instead when the text is no such URL; it never
 * repeats the text.
 */
export const parseSmtpUrl = (text: string): SmtpServer | string => {
  const found = pattern.exec(text.trim())?.groups
  if (found === undefined) return 'must look like smtps://user:password@host:465 or smtp://user:password@host:587'
  const isImplicit = found['scheme'] === 'smtps'
  const host = decode((found['host'] ?? '').replace(/^\[|\]$/g, ''))
  const port = Number(found['port'] ?? (isImplicit ? '465' : '587'))
  if (port < 1 || port > 65_535) return 'has a port that does not exist'
  const user = decode(found['user'] ?? '')
  const password = decode(found['password'] ?? '')
  if ((user === '') !== (password === '')) return 'must name both a user and a password, or neither'
  if (/[\0\r\n]/.test(host + user + password)) return 'holds a line end or a zero byte'
  return {
    host,
    port,
    tls: isImplicit ? 'implicit' : loopback.test(host) ? 'if offered' : 'required',
    user: user === '' ? undefined : user,
    password: password === '' ? undefined : new Secret(password),
    caFile: found['ca'] === undefined ? undefined : decode(found['ca']),
  }
}

/** Many providers of virtual servers block 25, 465 and 587; so the first port is another one. */
export const resendServers = (key: Secret): readonly SmtpServer[] =>
  [2465, 465].map((port) => ({
    host: 'smtp.resend.com',
    port,
    tls: 'implicit' as const,
    user: 'resend',
    password: key,
    caFile: undefined,
  }))
