import { Fault } from '../errors.ts'
import { isComplete, type Catalog } from './catalog.ts'

/** Throws `rights`, listing every reason why a dump by this role would fail or be incomplete. */
export const requireDumpable = (source: { readonly database: string; readonly blockers: readonly string[] }): void => {
  if (source.blockers.length > 0)
    throw new Fault('rights', `The database ${source.database} cannot be dumped by this role.`, {
      all: source.blockers,
      hint: 'As a superuser: GRANT pg_read_all_data TO …; where row security is used also ALTER ROLE … BYPASSRLS; large objects need their owner. README.md, "The role", has the script.',
    })
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
  const last = catalog.filter((backup) => backup.tier === 'daily').find(isComplete)?.manifest
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
