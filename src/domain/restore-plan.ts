import { Fault } from '../errors.ts'
import { formatBytes, formatCount } from './units.ts'
import { parsePgVersion } from './version.ts'

/** What is known of the place to restore to; see `TargetState` in ports/restore-server.ts, whose part this is. */
export interface Place {
  readonly host: string
  readonly database: string
  readonly user: string
  readonly serverVersion: string
  readonly serverMajor: number
  readonly isSuperuser: boolean
  readonly mayCreateDatabases: boolean
  readonly existing:
    | {
        readonly owner: string
        readonly mayBecomeOwner: boolean
        readonly mayCreateInPublic: boolean
        readonly mayCreateInDatabase: boolean
        readonly tables: number
        readonly userObjects: number
        readonly sizeBytes: number
        readonly hindrances: readonly string[]
      }
    | undefined
  readonly askedOwner: { readonly name: string; readonly exists: boolean; readonly mayBecome: boolean } | undefined
  readonly extensions: readonly {
    readonly name: string
    readonly isAvailable: boolean
    readonly mayCreate: boolean
    readonly isThere: boolean
  }[]
  readonly freeBytes: number | undefined
}

/** What the backup needs of it. */
export interface Needs {
  /** Of the server that was dumped and of the pg_dump that did it; empty: not known. */
  readonly versions: readonly string[]
  /** What only a superuser can make. */
  readonly superuser: readonly string[]
  /** Of the SQL; undefined: not known. */
  readonly plainBytes: number | undefined
}

export interface RestorePlan {
  /** A database that does not exist yet; one that is there and empty; or the place of one that holds anything. */
  readonly way: 'create' | 'fill' | 'replace'
  /** In whose name to load; undefined: in that of the role that restores. */
  readonly owner: string | undefined
}

export interface Blocker {
  readonly code: 'rights' | 'version' | 'refused'
  /** The end of "it cannot be restored there: …" */
  readonly because: string
}

/** Everything that can be known to stand in the way, together; empty: nothing. */
export const blockersOf = (place: Place, needs: Needs): readonly Blocker[] => [
  ...ofWay(place),
  ...ofVersions(place, needs),
  ...ofExtensions(place),
  ...(place.isSuperuser ? [] : needs.superuser.map((thing): Blocker => rights(`only a superuser can make ${thing}`))),
  ...ofDisk(place, needs),
]

export const wayTo = ({ existing }: Place): RestorePlan['way'] =>
  existing === undefined ? 'create' : existing.userObjects === 0 ? 'fill' : 'replace'

/** Throws a Fault with every blocker, `rights` or `version` before `refused`. */
export const planRestore = (place: Place, needs: Needs): RestorePlan => {
  const blockers = blockersOf(place, needs)
  const worst = blockers.find(({ code }) => code !== 'refused') ?? blockers[0]
  if (worst !== undefined)
    throw new Fault(worst.code, `The backup cannot be restored into ${place.database} on ${place.host}.`, {
      all: blockers.map(({ because }) => because),
      hint: 'Nothing was changed.',
    })
  const { existing } = place
  if (existing === undefined) return { way: 'create', owner: place.askedOwner?.name }
  return { way: wayTo(place), owner: existing.mayBecomeOwner ? existing.owner : undefined }
}

/** "12 tables": what a database holds, for whoever is to confirm that it may be replaced. */
export const contentsOf = ({
  tables,
  userObjects,
}: {
  readonly tables: number
  readonly userObjects: number
}): string =>
  tables === 0
    ? `${formatCount(userObjects)} object${userObjects === 1 ? '' : 's'}`
    : `${formatCount(tables)} table${tables === 1 ? '' : 's'}`

const rights = (because: string): Blocker => ({ code: 'rights', because })
const refused = (because: string): Blocker => ({ code: 'refused', because })
const version = (because: string): Blocker => ({ code: 'version', because })

const ofWay = (place: Place): Blocker[] => {
  const { existing, askedOwner, database, user } = place
  if (existing === undefined) return [...ofCreating(place), ...ofOwner(place)]
  const otherOwner =
    askedOwner === undefined || askedOwner.name === existing.owner
      ? []
      : [
          refused(
            `${database} exists and belongs to ${existing.owner}: --owner ${askedOwner.name} is for a new database`,
          ),
        ]
  if (existing.userObjects === 0)
    return [
      ...otherOwner,
      ...(existing.mayCreateInPublic
        ? []
        : [rights(`the role ${user} may create nothing in the schema public of ${database}`)]),
    ]
  return [
    ...otherOwner,
    ...(place.mayCreateDatabases
      ? []
      : [
          rights(
            `${database} is not empty, and the role ${user} may not create the database that would take its place (ALTER ROLE … CREATEDB); without that right only an empty one can be filled`,
          ),
        ]),
    ...(existing.mayBecomeOwner
      ? []
      : [rights(`${database} belongs to ${existing.owner}, and the role ${user} may not act as it`)]),
    ...existing.hindrances.map((hindrance) => rights(hindrance)),
  ]
}

const ofCreating = ({ database, user, mayCreateDatabases }: Place): Blocker[] =>
  mayCreateDatabases
    ? []
    : [rights(`the database ${database} does not exist, and the role ${user} may not create databases`)]

/** As superuser everything would belong to nobody who may be the application, and it would be locked out. */
const ofOwner = ({ database, user, isSuperuser, askedOwner }: Place): Blocker[] => {
  if (askedOwner === undefined)
    return isSuperuser
      ? [refused(`${database} does not exist, and ${user} is a superuser: say whose it shall be, with --owner ROLE`)]
      : []
  if (!askedOwner.exists) return [refused(`there is no role ${askedOwner.name} on the server: CREATE ROLE it first`)]
  return askedOwner.mayBecome ? [] : [rights(`the role ${user} may not act as ${askedOwner.name}`)]
}

const majorOf = (text: string): number => parsePgVersion(text)?.major ?? 0

/** What pg_dump writes (`SET transaction_timeout`, say) an older server does not know. */
const ofVersions = ({ serverMajor, serverVersion }: Place, { versions }: Needs): Blocker[] => {
  const needed = Math.max(0, ...versions.map(majorOf))
  return needed > serverMajor
    ? [version(`the backup needs PostgreSQL ${String(needed)} or later, and the server there is ${serverVersion}`)]
    : []
}

const ofExtensions = (place: Place): Blocker[] =>
  place.extensions.flatMap(({ name, isAvailable, mayCreate, isThere }) => {
    const fills = wayTo(place) === 'fill'
    if (isThere && fills) return []
    if (!isAvailable) return [version(`the extension ${name} is not installed on the server's machine`)]
    return mayCreate && (!fills || place.existing?.mayCreateInDatabase === true)
      ? []
      : [rights(`the role ${place.user} may not create the extension ${name}; a superuser may`)]
  })

/** Rows take more room in a database than as text, and indexes come on top: so less than the text is surely too little. */
const ofDisk = ({ freeBytes }: Place, { plainBytes }: Needs): Blocker[] =>
  freeBytes !== undefined && plainBytes !== undefined && freeBytes < plainBytes
    ? [
        refused(
          `the server's disk has ${formatBytes(freeBytes)} free, and the restored database needs more than ${formatBytes(plainBytes)}`,
        ),
      ]
    : []
