import { execa } from 'execa'
import type { Bucket } from './bucket.ts'
import type { Archive } from './contenders.ts'
import type { Installation } from './installation.ts'
import { shell, type Measured } from './measure.ts'
import { startOurs } from './restores.ts'

const clean = (): Promise<void> => Promise.resolve()

/** Reading an archive to its end. */
export const verifies = ({ path }: Archive, installation: Installation, store: string): readonly Measured[] => [
  {
    id: 'programs',
    name: 'age -d | igzip -d | sha256sum',
    start: () => shell(`age -d -i ${installation.identityFile} "$1" | igzip -d -c | sha256sum`, [path]),
    clean,
  },
  {
    id: 'ours',
    name: 'oslrs-backup verify --depth archive',
    start: () => startOurs(installation, store, ['verify', '--depth', 'archive', '--json']),
    clean,
  },
]

/** Seeing what there is in a bucket that holds seven years of backups; and the bare start of the program. */
export const lists = ({ program, path, environment }: Installation, bucket: Bucket): readonly Measured[] => {
  const ours = (id: string, ...args: readonly string[]): Measured => ({
    id,
    name: `oslrs-backup ${args.join(' ')}`,
    start: () => {
      const env = { ...environment, ...bucket.environment, PATH: path }
      const child = execa(program, args, { env, extendEnv: false, stdin: 'ignore', stdout: 'ignore' })
      return { pid: child.pid, ended: child }
    },
    clean,
  })
  return [
    {
      id: 'rclone',
      name: 'rclone lsf -R',
      start: () =>
        shell(`rclone lsf -R ${bucket.rclone.remote.replace(/:.*/, ':bench')}`, [], bucket.rclone.environment),
      clean,
    },
    ours('list', 'list'),
    ours('help', '--help'),
  ]
}
