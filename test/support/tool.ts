import { execa } from 'execa'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'

/** The built program, run as an operator would: environment and arguments in; status, words and files out. */
export const toolPath = join(import.meta.dirname, '../../bin/oslrs-backup')

export interface Ended {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

export type Environment = Readonly<Record<string, string>>

const minimalPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Starts the program, `by` another one where that is given; the caller waits, kills or watches. Its environment is what is
 * given here and a PATH.
 */
export const startTool = (
  args: readonly string[],
  environment: Environment,
  [file, ...words]: readonly [string, ...string[]] = [toolPath],
) =>
  execa(file, [...words, ...args], {
    env: { PATH: minimalPath, ...environment },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })

export const runTool = async (args: readonly string[], environment: Environment): Promise<Ended> => {
  const { exitCode, stdout, stderr } = await startTool(args, environment)
  return { exitCode, stdout, stderr }
}

/** What `--json` printed; the caller says what it expects it to be. */
export const runToolJson = async (
  args: readonly string[],
  environment: Environment,
): Promise<Ended & { readonly document: unknown }> => {
  const ended = await runTool([...args, '--json'], environment)
  return { ...ended, document: JSON.parse(ended.stdout) as unknown }
}

/** A place to back up to, with keys, and the environment that names them. Removed when the test is over. */
export interface Site {
  readonly folder: string
  readonly store: string
  /** BACKUP_STATE_DIR: status.json and the metrics. */
  readonly state: string
  readonly environment: Environment
  readonly identityFile: string
  readonly signingKeyFile: string
  readonly publicKeyFile: string
}

export const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export const newSite = async (databaseUrl: string): Promise<Site> => newSiteIn(await newFolder(), databaseUrl)

/** In a folder that somebody else removes. */
export const newSiteIn = async (folder: string, databaseUrl: string): Promise<Site> => {
  const store = join(folder, 'store')
  await mkdir(store, { mode: 0o700 })
  const state = join(folder, 'state')
  await mkdir(state, { mode: 0o750 })
  const identities = await Promise.all(
    ['server.key', 'escrow.key'].map(async (name) => {
      const file = join(folder, name)
      await execa('age-keygen', ['-o', file])
      return { file, recipient: (await execa('age-keygen', ['-y', file])).stdout.trim() }
    }),
  )
  const pair = generateKeyPairSync('ed25519')
  const signingKeyFile = join(folder, 'signing.pem')
  const publicKeyFile = join(folder, 'signing.pub.pem')
  await writeFile(signingKeyFile, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  await writeFile(publicKeyFile, createPublicKey(pair.privateKey).export({ type: 'spki', format: 'pem' }))
  const identityFile = identities[0]?.file ?? ''
  return {
    folder,
    store,
    state,
    identityFile,
    signingKeyFile,
    publicKeyFile,
    environment: {
      DATABASE_URL: databaseUrl,
      BACKUP_STORE_DIR: store,
      BACKUP_STATE_DIR: state,
      BACKUP_AGE_RECIPIENTS: identities.map(({ recipient }) => recipient).join(','),
      BACKUP_SIGNING_KEY_FILE: signingKeyFile,
      BACKUP_TRUSTED_KEYS: publicKeyFile,
    },
  }
}

/** With the private key, as on a drill or restore host. */
export const withIdentity = (site: Site): Environment => ({
  ...site.environment,
  BACKUP_AGE_IDENTITY_FILE: site.identityFile,
})

/** Every file under a folder, as paths relative to it, sorted. */
export const filesUnder = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted()
}

/** The manifests in a site's store, oldest first. */
export const manifestsOf = async (site: Site): Promise<Manifest[]> => {
  const folder = join(site.store, 'backups/manifests')
  const names = (await filesUnder(folder)).filter((name) => name.endsWith('-manifest.json'))
  return Promise.all(names.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as Manifest))
}
