import { execa } from 'execa'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The tool as it was when the bench began, in a folder of its own: a build in the meantime changes nothing. */
export interface Installation {
  readonly program: string
  readonly bundleSha256: string
  readonly path: string
  /** A search path with every program of the other one but igzip. */
  readonly pathWithoutIgzip: string
  readonly environment: Readonly<Record<string, string>>
  readonly recipients: readonly string[]
  readonly identityFile: string
}

const repository = join(import.meta.dirname, '../..')
const path = '/usr/local/bin:/usr/bin:/bin'

export const install = async (folder: string): Promise<Installation> => {
  await execa('npm', ['run', '--silent', 'build'], { cwd: repository })
  const home = join(folder, 'tool')
  await mkdir(home)
  await cp(join(repository, 'bin'), join(home, 'bin'), { recursive: true })
  await cp(join(repository, 'dist'), join(home, 'dist'), { recursive: true })
  await symlink(join(repository, 'node_modules'), join(home, 'node_modules'))
  const bundle = await readFile(join(home, 'dist/oslrs-backup.mjs'))
  const keys = await Promise.all(['server', 'escrow'].map((name) => newIdentity(join(folder, `${name}.key`))))
  const signingKeyFile = join(folder, 'signing.pem')
  const { privateKey } = generateKeyPairSync('ed25519')
  await writeFile(signingKeyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const recipients = keys.map(({ recipient }) => recipient)
  return {
    program: join(home, 'bin/oslrs-backup'),
    bundleSha256: createHash('sha256').update(bundle).digest('hex'),
    path,
    pathWithoutIgzip: await linksWithout('igzip', join(folder, 'programs')),
    environment: { BACKUP_AGE_RECIPIENTS: recipients.join(','), BACKUP_SIGNING_KEY_FILE: signingKeyFile },
    recipients,
    identityFile: keys[0]?.file ?? '',
  }
}

const newIdentity = async (file: string): Promise<{ readonly file: string; readonly recipient: string }> => {
  await execa('age-keygen', ['-o', file])
  return { file, recipient: (await execa('age-keygen', ['-y', file])).stdout.trim() }
}

const linksWithout = async (program: string, folder: string): Promise<string> => {
  await mkdir(folder)
  const taken = new Set([program])
  for (const from of path.split(':'))
    for (const name of await readdir(from).catch(() => []))
      if (!taken.has(name)) {
        taken.add(name)
        await symlink(join(from, name), join(folder, name))
      }
  return folder
}
