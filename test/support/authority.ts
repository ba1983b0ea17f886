import { execa } from 'execa'
import { chmod, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asPostgres } from './postgres.ts'

/** A certificate and its key, as files and as text. */
export interface Certificate {
  readonly keyFile: string
  readonly certFile: string
  readonly key: string
  readonly cert: string
}

/** An authority that nobody knows who was not told of it, as a company has for its own servers. */
export interface Authority {
  readonly folder: string
  readonly caFile: string
  /** For a server of this name: `IP:127.0.0.1` or `DNS:db.example`. PostgreSQL takes the key, for it is its user's. */
  issue(name: string): Promise<Certificate>
}

const newKey = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test'] as const

/** Its folder is removed by whoever made it; the server's user must be able to read in it. */
export const newAuthority = async (): Promise<Authority> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-authority-'))
  await chmod(folder, 0o777)
  const [caKey, caFile] = [join(folder, 'ca.key'), join(folder, 'ca.pem')]
  await execa('openssl', ['req', '-x509', ...newKey, '-keyout', caKey, '-out', caFile])
  let issued = 0
  return {
    folder,
    caFile,
    issue: async (name) => {
      const base = join(folder, `server-${String(++issued)}`)
      const [keyFile, certFile] = [`${base}.key`, `${base}.pem`]
      const issuer = ['-CA', caFile, '-CAkey', caKey, '-addext', `subjectAltName=${name}`]
      await execa('openssl', ['req', '-x509', ...newKey, ...issuer, '-keyout', keyFile, '-out', certFile])
      const [key, cert] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')])
      // The server takes no key that others could read, and none that is not its own.
      await chmod(keyFile, 0o644)
      await execa(...asPostgres('sh', ['-c', `umask 077; cat "${keyFile}" > "${keyFile}.own"`]))
      return { keyFile: `${keyFile}.own`, certFile, key, cert }
    },
  }
}
