import { execa } from 'execa'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '../../src/domain/manifest.ts'
import { oursToBucket, type Bucket } from './bucket.ts'
import type { Installation } from './installation.ts'
import { shell, type Measured } from './measure.ts'
import { peers } from './peers.ts'

/** A way to back a database up. */
export interface Contender extends Measured {
  /** What it left behind; undefined where it keeps nothing. */
  readonly archive: () => Promise<Archive | undefined>
}

export interface Archive {
  readonly path: string
  readonly storedBytes: number
  /** A shell command that writes the SQL to stdout, with the path as $1: without any program of ours. */
  readonly open: string
  /** What that command needs in its environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly manifest?: Manifest
}

export interface Around {
  readonly url: string
  readonly folder: string
  readonly installation: Installation
  /** Folder of the server's own pg_dump, which the tool takes as well. */
  readonly binaries: string
  readonly bucket: Bucket
}

export const limit = ({ binaries, url }: Pick<Around, 'binaries' | 'url'>): Contender => ({
  id: 'limit',
  name: 'pg_dump > /dev/null',
  start: () => shell(`${binaries}/pg_dump --no-owner --no-acl ${url} > /dev/null`),
  archive: () => Promise.resolve(undefined),
  clean: () => Promise.resolve(),
})

export const contenders = (around: Around): readonly Contender[] => {
  const opening = `age -d -i ${around.installation.identityFile} "$1" | gunzip`
  return [
    limit(around),
    ...peers(around),
    oursToFolder(around, 'ours', 'oslrs-backup run', around.installation.path, opening),
    oursToBucket({ ...around, ...around.installation }, around.bucket, opening),
    oursToFolder(around, 'ours-zlib', 'oslrs-backup run, without igzip', around.installation.pathWithoutIgzip, opening),
  ]
}

/** `run` on a usual night: the month has its archive already, so none is promoted. */
export const oursToFolder = (
  { folder, url, installation }: Pick<Around, 'folder' | 'url' | 'installation'>,
  id: string,
  name: string,
  searchPath: string,
  open: string,
): Contender => {
  const store = join(folder, id)
  return {
    id,
    name,
    start: (under = []) => {
      const [file, ...args] = [...under, installation.program, 'run', '--json']
      const child = execa(file, args, {
        env: { ...installation.environment, PATH: searchPath, DATABASE_URL: url, BACKUP_STORE_DIR: store },
        extendEnv: false,
        stdin: 'ignore',
      })
      return { pid: child.pid, ended: child }
    },
    archive: async () => {
      const manifests = join(store, 'backups/manifests')
      const [name = 'none'] = (await readdir(manifests)).filter((entry) => entry.endsWith('.json'))
      const manifest = JSON.parse(await readFile(join(manifests, name), 'utf8')) as Manifest
      const path = join(store, manifest.s3Key)
      return { path, storedBytes: (await stat(path)).size, open, manifest }
    },
    clean: async () => {
      await mkdir(store, { mode: 0o700, recursive: true })
      for (const kind of ['daily', 'manifests']) {
        const within = join(store, 'backups', kind)
        for (const entry of await readdir(within, { withFileTypes: true }).catch(() => []))
          if (entry.isFile()) await rm(join(within, entry.name))
      }
    },
  }
}
