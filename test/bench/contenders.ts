import { execa } from 'execa'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '../../src/domain/manifest.ts'
import { oursToBucket, type Bucket } from './bucket.ts'
import type { Installation } from './installation.ts'

/** A way to back a database up. */
export interface Contender {
  readonly id: string
  readonly name: string
  /** Starts it, by way of `under` where that is given; resolves when it has ended well, and `pid` is known at once. */
  readonly start: (under?: readonly string[]) => { readonly pid: number | undefined; readonly ended: Promise<unknown> }
  /** What it left behind; undefined where it keeps nothing. */
  readonly archive: () => Promise<Archive | undefined>
  readonly clean: () => Promise<void>
}

export interface Archive {
  readonly path: string
  readonly storedBytes: number
  /** A shell command that writes the SQL to stdout, with the file as $1: without any program of ours. */
  readonly open: string
  readonly manifest?: Manifest
}

interface Around {
  readonly url: string
  readonly folder: string
  readonly installation: Installation
  /** Folder of the server's own pg_dump, which the tool takes as well. */
  readonly binaries: string
  readonly bucket: Bucket
}

export const contenders = (around: Around): readonly Contender[] => {
  const dump = `${around.binaries}/pg_dump --no-owner --no-acl ${around.url}`
  const { recipients, identityFile } = around.installation
  const sealing = recipients.map((recipient) => `-r ${recipient}`).join(' ')
  const opening = `age -d -i ${identityFile} "$1" | gunzip`
  return [
    {
      id: 'limit',
      name: 'pg_dump > /dev/null',
      start: () => shell(`${dump} > /dev/null`, []),
      archive: () => Promise.resolve(undefined),
      clean: () => Promise.resolve(),
    },
    throughShell(around, 'replaced', 'pg_dump | gzip > file; sha256sum file', {
      command: `${dump} | gzip > "$1" && sha256sum "$1"`,
      open: 'gunzip < "$1"',
    }),
    throughShell(around, 'bare', 'pg_dump | igzip -1 | age > file', {
      command: `${dump} | igzip -1 -c | age ${sealing} > "$1"`,
      open: opening,
    }),
    ours(around, 'ours', 'oslrs-backup run', around.installation.path, opening),
    oursToBucket({ ...around, ...around.installation }, around.bucket, opening),
    ours(around, 'ours-zlib', 'oslrs-backup run, without igzip', around.installation.pathWithoutIgzip, opening),
  ]
}

const shell = (command: string, args: readonly string[]) => {
  const child = execa('bash', ['-c', `set -eo pipefail; ${command}`, 'bench', ...args], {
    stdin: 'ignore',
    stdout: 'ignore',
  })
  return { pid: child.pid, ended: child }
}

const throughShell = (
  { folder }: Around,
  id: string,
  name: string,
  { command, open }: { readonly command: string; readonly open: string },
): Contender => {
  const path = join(folder, `${id}.archive`)
  return {
    id,
    name,
    start: () => shell(command, [path]),
    archive: async () => ({ path, storedBytes: (await stat(path)).size, open }),
    clean: () => rm(path, { force: true }),
  }
}

const ours = (
  { folder, url, installation }: Around,
  id: string,
  name: string,
  searchPath: string,
  open: string,
): Contender => {
  const store = join(folder, id)
  return {
    id,
    name,
    start: () => {
      const child = execa(installation.program, ['run', '--json'], {
        env: { ...installation.environment, PATH: searchPath, DATABASE_URL: url, BACKUP_STORE_DIR: store },
        extendEnv: false,
        stdin: 'ignore',
      })
      return { pid: child.pid, ended: child }
    },
    archive: async () => {
      const manifests = join(store, 'backups/manifests')
      const [name = 'none'] = await readdir(manifests)
      const manifest = JSON.parse(await readFile(join(manifests, name), 'utf8')) as Manifest
      const path = join(store, manifest.s3Key)
      return { path, storedBytes: (await stat(path)).size, open, manifest }
    },
    clean: async () => {
      await rm(store, { recursive: true, force: true })
      await mkdir(store, { mode: 0o700 })
    },
  }
}
