import { Fault } from '../errors.ts'
import type { ManifestTable, TableCounts } from './manifest.ts'
import { parseTableName, quoteTableName } from './table-name.ts'

interface Named {
  readonly schema: string
  readonly table: string
}
/** A table of the source with its parents in partition and inheritance trees; see `SourceTable` in ports.ts. */
interface Treed extends Named {
  readonly holdsRows: boolean
  readonly parents: readonly Named[]
}

const same = (a: Named, b: Named): boolean => a.schema === b.schema && a.table === b.table
const idOf = (name: Named): string => `${name.schema}\0${name.table}`

/** A table with everything below it in its tree. A parent's rows are the sum of these tables' own rows. */
export const treeOf = <T extends Treed>(tables: readonly T[], root: Named): readonly T[] => {
  const tree = new Set<T>(tables.filter((table) => same(table, root)))
  for (const member of tree)
    for (const table of tables) if (table.parents.some((parent) => same(parent, member))) tree.add(table)
  return [...tree]
}

/** Rows of the dump by table name. */
const metered = (tables: readonly ManifestTable[]): ReadonlyMap<string, number> =>
  new Map(
    tables.flatMap(({ name, rows }) => {
      const parsed = parseTableName(name)
      return parsed === undefined ? [] : [[idOf(parsed), rows] as const]
    }),
  )

/** What one key table's rows were, in the same snapshot, by SQL. */
export interface KeyTableCount extends Named {
  readonly rows: number
}

/**
 * The dump holds what the database held at that instant: it has every table that holds rows, and as many rows of each
 * key table as SQL counted. Throws `dump-failed`, naming the tables that differ.
 */
export const requireSameRows = (
  dumped: readonly ManifestTable[],
  tables: readonly Treed[],
  counted: readonly KeyTableCount[],
): void => {
  const rows = metered(dumped)
  const rootsOf = (table: Treed): readonly Named[] => [
    table,
    ...table.parents.flatMap((parent) => tables.filter((other) => same(other, parent)).flatMap(rootsOf)),
  ]
  // Partitions of some kinds are dumped under the name of their root.
  const missing = tables.filter((table) => table.holdsRows && !rootsOf(table).some((root) => rows.has(idOf(root))))
  const isInDump = (table: Treed): boolean => rows.has(idOf(table))
  const different = counted.flatMap((key) => {
    const tree = treeOf(tables, key)
    // A partition that was dumped under the name of its root cannot be told from its siblings.
    const isApart = tree.every(
      (table) => !table.holdsRows || isInDump(table) || tree.some((root) => !root.holdsRows && isInDump(root)),
    )
    if (!isApart) return []
    const inDump = tree.reduce((sum, member) => sum + (rows.get(idOf(member)) ?? 0), 0)
    return inDump === key.rows
      ? []
      : [`${quoteTableName(key)}: ${String(inDump)} rows in the dump, ${String(key.rows)} in the database`]
  })
  const all = [...missing.map((table) => `${quoteTableName(table)}: not in the dump`), ...different]
  if (all.length > 0)
    throw new Fault('dump-failed', 'The dump does not hold what the database held at that instant.', {
      all,
      hint: 'Nothing was stored. It is worth trying again; if it stays, please report it.',
    })
}

/** The four counts that the application's dashboard reads, whatever the key tables are. null: there is no such table. */
export const tableCountsOf = (dumped: readonly ManifestTable[], tables: readonly Treed[]): TableCounts => {
  const rows = metered(dumped)
  const countOf = (table: string): number | null => {
    const tree = treeOf(tables, { schema: 'public', table })
    return tree.length === 0 ? null : tree.reduce((sum, member) => sum + (rows.get(idOf(member)) ?? 0), 0)
  }
  return {
    users: countOf('users'),
    respondents: countOf('respondents'),
    auditLogs: countOf('audit_logs'),
    submissions: countOf('submissions'),
  }
}

/** One table of a restore: rows by the manifest, and rows found. */
export interface ComparedTable {
  readonly name: string
  readonly expected: number
  /** null: the table is not there. */
  readonly found: number | null
}

/** SQLSTATE that `rowCheckSql` raises; of a class that PostgreSQL leaves to applications. */
export const rowsDiffer = 'OB001'

/**
 * SQL that fails, with SQLSTATE `rowsDiffer` and a sentence, unless every table has the rows that the manifest states.
 * To be run at the end of the transaction that loads a dump, so that it commits only what is whole.
 */
export const rowCheckSql = (tables: readonly ManifestTable[]): string => {
  const values = tables.flatMap(({ name, rows }) => {
    const parsed = parseTableName(name)
    return parsed === undefined ? [] : [`(${literal(quoteTableName(parsed))}, ${String(rows)})`]
  })
  if (values.length === 0) return ''
  return `
DO ${dollar}
DECLARE expected record; found bigint; differing text := '';
BEGIN
  FOR expected IN SELECT * FROM (VALUES ${values.join(', ')}) AS t(name, rows) LOOP
    IF pg_catalog.to_regclass(expected.name) IS NULL THEN
      differing := differing || expected.name || ' is missing; ';
    ELSE
      EXECUTE 'SELECT pg_catalog.count(*) FROM '
        || CASE WHEN (SELECT relkind FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass(expected.name)) = 'p' THEN '' ELSE 'ONLY ' END
        || expected.name INTO found;
      IF found <> expected.rows THEN
        differing := differing || expected.name || ' has ' || found || ' rows instead of ' || expected.rows || '; ';
      END IF;
    END IF;
  END LOOP;
  IF differing <> '' THEN
    RAISE EXCEPTION USING ERRCODE = '${rowsDiffer}', MESSAGE = 'Rows differ from the manifest: ' || translate(differing, E'\\n\\r', '  ');
  END IF;
END ${dollar};
`
}

/** What `rowCheckSql` has found, where it has let the transaction pass. */
export const passedRowCheck = (tables: readonly ManifestTable[]): ComparedTable[] =>
  tables.flatMap(({ name, rows }) =>
    parseTableName(name) === undefined ? [] : [{ name, expected: rows, found: rows }],
  )

const dollar = '$oslrs_backup_check$'
/** A string literal whatever it holds; the dollar quote around it must not end early either. */
const literal = (text: string): string => `'${text.replaceAll("'", "''").replaceAll('$', "'||chr(36)||'")}'`
