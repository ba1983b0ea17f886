import { stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { PostgresTarget } from '../../config/postgres-url.ts'
import { formatBytes } from '../../domain/units.ts'
import { bestDumper, parsePgVersion, type PgVersion } from '../../domain/version.ts'
import { Fault } from '../../errors.ts'
import { outputOf } from '../../pipeline/program.ts'
import type { ScratchNeeds, ScratchPlace } from '../../ports/drill.ts'
import { installedPgPrograms } from '../installed.ts'
import { withClient } from '../postgres/connect.ts'
import { clusterUser, withCluster } from './cluster.ts'
import { newFolderName, sweepFolders } from './leftovers.ts'
import { openScratchServer, prefixFor, type ScratchTools } from './server.ts'

export interface PrivateClusterSettings {
  /** BACKUP_STATE_DIR; must exist. */
  readonly stateFolder: string
  readonly environment: Readonly<Record<string, string>>
}

const waysOut = (major: number | null): string =>
  `sudo apt-get install postgresql${major === null ? '' : `-${String(major)}`} (its programs are enough, no server needs to run), or name a server for drills in VERIFY_DATABASE_URL.`

/** A server of the drill's own, from the programs that are installed; only who may enter its folder can reach it. */
export const privateCluster = (settings: PrivateClusterSettings, parts: ScratchTools): ScratchPlace => ({
  kind: 'private-cluster',
  holding: async (needs, work) => {
    const { stateFolder, environment } = settings
    const { applicationName, stop, journal } = parts
    const binaries = await serverBinaries(environment, needs.serverMajor)
    await requireFolder(stateFolder, needs)
    await sweepFolders(stateFolder, environment, journal)
    const folder = join(stateFolder, await newFolderName())
    const runsAs = await clusterUser(stateFolder, environment)
    return withCluster({ binaries: binaries.folder, folder, environment, stop }, runsAs, async () => {
      const owner = superuserIn(folder)
      await withClient(owner, { applicationName, signal: stop }, (client) =>
        client.query('CREATE ROLE oslrs_drill LOGIN'),
      )
      const roles = {
        description: `a private PostgreSQL ${binaries.version.text} on this host`,
        owner,
        loader: { ...owner, user: 'oslrs_drill' },
        prefix: prefixFor(owner.database),
      }
      return work(await openScratchServer(roles, parts, undefined))
    })
  },
})

const superuserIn = (folder: string): PostgresTarget => ({
  host: folder,
  port: 5432,
  user: 'postgres',
  password: undefined,
  database: 'postgres',
  sslMode: undefined,
  sslRootCert: undefined,
  sslCert: undefined,
  sslKey: undefined,
})

/** The server's own major, else the next newer one; never an older one, which could not take the dump. */
const serverBinaries = async (
  environment: Readonly<Record<string, string>>,
  wanted: number | null,
): Promise<{ readonly folder: string; readonly version: PgVersion }> => {
  const files = await installedPgPrograms(environment['PATH'] ?? '', 'initdb')
  const versions = await Promise.all(
    files.map(async (file) => {
      const words = await outputOf(
        { file, args: ['--version'], environment },
        undefined,
        () => new Fault('program-missing', `${file} cannot be run.`, { hint: waysOut(wanted) }),
      )
      const version = parsePgVersion(words)
      return version === undefined ? [] : [{ folder: dirname(file), version }]
    }),
  )
  const installed = versions.flat()
  const best =
    wanted === null ? installed.toSorted((a, b) => b.version.major - a.version.major)[0] : bestDumper(installed, wanted)
  if (best !== undefined) return best
  throw new Fault(
    'program-missing',
    installed.length === 0
      ? "The drill needs somewhere to restore to, and no PostgreSQL server's programs are installed here."
      : `The backup is of PostgreSQL ${String(wanted)}, and the newest server installed here is ${String(Math.max(...installed.map(({ version }) => version.major)))}.`,
    { hint: waysOut(wanted) },
  )
}

/** A cluster with nothing in it takes 40 MB. */
const clusterBytes = 100_000_000

const requireFolder = async (folder: string, { plainBytes }: ScratchNeeds): Promise<void> => {
  const found = await stat(folder).catch(() => undefined)
  if (found?.isDirectory() !== true)
    throw new Fault('configuration', `The private cluster has no place: there is no folder ${folder}.`, {
      hint: 'Set BACKUP_STATE_DIR to a folder of the user that drills, or name a server in VERIFY_DATABASE_URL.',
    })
  const { bavail, bsize } = await statfs(folder)
  // Rows take somewhat more room in a database than as text, and indexes come on top.
  const needed = 1.5 * (plainBytes ?? 0) + clusterBytes
  if (bavail * bsize < needed)
    throw new Fault(
      'storage-failed',
      `The restore needs about ${formatBytes(needed)} in ${folder}, and there are ${formatBytes(bavail * bsize)}.`,
      {
        hint: 'Make room, or set BACKUP_STATE_DIR or VERIFY_DATABASE_URL to a place that has more.',
      },
    )
}
