import { Fault } from '../errors.ts'
import { isComplete, type Catalog } from './catalog.ts'
import type { Manifest } from './manifest.ts'

/** Throws `rights`, listing every reason why a dump by this role would fail or be incomplete. */
export const requireDumpable = (source: { readonly database: string; readonly blockers: readonly string[] }): void => {
  if (source.blockers.length > 0)
    throw new Fault('rights', `The database ${source.database} cannot be dumped by this role.`, {
      all: source.blockers,
      hint: 'As a superuser: GRANT pg_read_all_data TO …; where row security is used also ALTER ROLE … BYPASSRLS; large objects need their owner. README.md, "The role", has the script.',
    })
}

/** The newest complete daily: whose source a run compares itself with. */
const lastDaily = (catalog: Catalog): Manifest | undefined =>
  catalog.filter((backup) => backup.tier === 'daily').find(isComplete)?.manifest

/** Sentences about a source that is the same and yet not quite: a cloned server has its original's cluster. */
export const sourceWarnings = (
  catalog: Catalog,
  now: { readonly systemIdentifier: string | null; readonly machine: string | null },
): string[] => {
  const last = lastDaily(catalog)
  if (last === undefined) return []
  const isClone =
    last.source.systemIdentifier === now.systemIdentifier &&
    last.tool.machine !== null &&
    last.tool.machine !== now.machine
  return isClone
    ? [
        'The last backup of this cluster was made on another machine: was the server cloned or moved? Only one may back up here.',
      ]
    : []
}

/**
 * The newest backup came from this cluster and this environment, or there is none, or the change is meant. Otherwise a
 * laptop with a copied configuration would file its own database under production's name.
 */
export const requireSameSource = (
  catalog: Catalog,
  now: { readonly systemIdentifier: string | null; readonly environment: string },
  asked: { readonly adopt: boolean },
): void => {
  const last = lastDaily(catalog)
  if (last === undefined || asked.adopt) return
  const all = [
    ...(last.environment === now.environment
      ? []
      : [`the environment was ${last.environment}, and here is ${now.environment}`]),
    ...(last.source.systemIdentifier === now.systemIdentifier
      ? []
      : [
          `the cluster was ${last.source.systemIdentifier ?? 'unknown'}, and here is ${now.systemIdentifier ?? 'unknown'} (pg_control's system identifier)`,
        ]),
  ]
  if (all.length > 0)
    throw new Fault('refused', `The newest backup, of ${last.timestamp}, came from somewhere else.`, {
      all,
      hint: 'If this database is now the one to back up here (after a restore into a new cluster, say): oslrs-backup run --adopt',
    })
}
