/** Pieces of SQL that several questions to the catalogs share. */

/** An identifier, whatever it holds. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

/** True of what no extension has brought; `alias` is that of a row of `catalog`. */
export const notOfExtension = (catalog: string, alias: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${alias}.oid AND d.deptype = 'e')`

/** True of schemas that are not the system's own. */
export const ofUsers = (namespace: string): string => `${namespace} !~ '^pg_' AND ${namespace} <> 'information_schema'`
