import { execa } from 'execa'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { onTestFinished } from 'vitest'
import { newFolder } from './tool.ts'

/** A real SMTP server in this process, on loopback, that keeps what it has taken. */

export interface Taken {
  readonly from: string
  readonly to: readonly string[]
  /** The whole message, as it came. */
  readonly raw: string
  /** Its encoded words and quoted-printable parts made readable. */
  readonly readable: string
  readonly wasEncrypted: boolean
  readonly user: string | undefined
}

export interface SmtpOptions {
  readonly tls?: 'starttls' | 'implicit'
  readonly login?: { readonly user: string; readonly password: string }
  /** Says 550 to this recipient. */
  readonly refusesTo?: (address: string) => boolean
  /** Says 554 to the message, once it has it. */
  readonly refusesMessage?: boolean
  /** Never answers the message. */
  readonly hangsAfterData?: boolean
}

export interface Smtp {
  readonly port: number
  readonly taken: readonly Taken[]
  readonly logins: readonly string[]
  /** How many clients have come. */
  readonly connections: () => number
  /** PEM file of the authority of its certificate. */
  readonly caFile: string
}

const certificate = async (): Promise<{ key: string; cert: string; caFile: string }> => {
  const folder = await newFolder()
  const [keyFile, caFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const name = ['-subj', '/CN=mail', '-addext', 'subjectAltName=IP:127.0.0.1']
  await execa('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    keyFile,
    '-out',
    caFile,
    ...name,
  ])
  return { key: await readFile(keyFile, 'utf8'), cert: await readFile(caFile, 'utf8'), caFile }
}

const refusal = (responseCode: number, words: string): Error => Object.assign(new Error(words), { responseCode })

export const newSmtp = async (options: SmtpOptions = {}): Promise<Smtp> => {
  const { tls, login, refusesTo, refusesMessage, hangsAfterData } = options
  const taken: Taken[] = []
  const logins: string[] = []
  const { key, cert, caFile } = tls === undefined ? { key: '', cert: '', caFile: '' } : await certificate()
  let connections = 0
  const settings: SMTPServerOptions = {
    onConnect: (_session, done) => {
      connections += 1
      done()
    },
    secure: tls === 'implicit',
    ...(tls === undefined ? { hideSTARTTLS: true } : { key, cert }),
    authOptional: login === undefined,
    allowInsecureAuth: true,
    disableReverseLookup: true,
    onAuth: ({ username = '', password }, _session, done) => {
      logins.push(username)
      if (username === login?.user && password === login.password) done(null, { user: username })
      else done(refusal(535, 'no such login'))
    },
    onRcptTo: ({ address }, _session, done) => {
      if (refusesTo?.(address) === true) done(refusal(550, `5.1.1 <${address}> is not known here`))
      else done()
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
      stream.on('end', () => {
        if (hangsAfterData === true) return
        if (refusesMessage === true) {
          done(refusal(554, '5.7.1 looks like spam'))
          return
        }
        const raw = Buffer.concat(chunks).toString('utf8')
        const { mailFrom, rcptTo } = session.envelope
        taken.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw,
          readable: readable(raw),
          wasEncrypted: session.secure,
          user: typeof session.user === 'string' ? session.user : undefined,
        })
        done()
      })
    },
  }
  const server = new SMTPServer(settings)
  // A client that goes away in mid-sentence is what some tests are about.
  server.on('error', () => undefined)
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve((server.server.address() as AddressInfo).port)
    })
  })
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
      }),
  )
  return { port, taken, logins, connections: () => connections, caFile }
}

/** Takes connections and never says a word. */
export const newMute = async (): Promise<number> => {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve((server.address() as AddressInfo).port)
    })
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return port
}

const bytesOf = (text: string): Buffer =>
  Buffer.from(
    text.replaceAll(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  )

const readable = (raw: string): string => {
  const end = raw.indexOf('\r\n\r\n')
  const head = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .replaceAll(/\?= =\?UTF-8\?Q\?/gi, '')
    .replaceAll(/=\?UTF-8\?Q\?(.*?)\?=/gi, (_all, text: string) => bytesOf(text.replaceAll('_', ' ')).toString('utf8'))
  const body = raw.slice(end).replaceAll('=\r\n', '')
  const decoded = body.replaceAll(/(?:=[0-9A-F]{2})+/g, (run) => bytesOf(run).toString('utf8'))
  return `${head}${decoded}`.replaceAll('\r\n', '\n')
}
