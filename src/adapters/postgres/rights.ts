import type pg from 'pg'
import type { Access } from '../../ports/restore-server.ts'
import type { TableName } from '../../ports.ts'
import { quoteTableName, tableNameText } from '../../domain/table-name.ts'
import { sqlState } from './connect.ts'

/** SQLSTATEs that say that there is no such thing: table, function, schema, object, column. */
const isAbsent = (thrown: unknown): boolean =>
  ['42P01', '42883', '3F000', '42704', '42703'].includes(sqlState(thrown) ?? '')

/** Runs each statement, all or none; what speaks of something that is not there is passed over and returned. */
export const applyRights = async (client: pg.Client, statements: readonly string[]): Promise<readonly string[]> => {
  const passedOver: string[] = []
  await client.query('BEGIN')
  for (const statement of statements) {
    await client.query('SAVEPOINT one')
    try {
      await client.query(statement)
      await client.query('RELEASE one')
    } catch (thrown) {
      if (!isAbsent(thrown)) throw thrown
      await client.query('ROLLBACK TO one; RELEASE one')
      passedOver.push(statement.replaceAll(/\s+/g, ' '))
    }
  }
  await client.query('COMMIT')
  return passedOver
}

/** Owners and grants of large objects, which a dump of a schema does not hold. */
export const largeObjectRights = async (client: pg.Client): Promise<readonly string[]> => {
  const { rows } = await client.query<{ line: string }>(`
    SELECT format('ALTER LARGE OBJECT %s OWNER TO %I;', m.oid, o.rolname) AS line
      FROM pg_largeobject_metadata m JOIN pg_roles o ON o.oid = m.lomowner JOIN pg_database d ON d.datname = current_database()
      WHERE m.lomowner <> d.datdba
    UNION ALL SELECT format('GRANT %s ON LARGE OBJECT %s TO %s;', a.privilege_type, m.oid, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
      FROM pg_largeobject_metadata m, aclexplode(m.lomacl) a WHERE a.grantee <> m.lomowner
    ORDER BY 1`)
  return rows.map(({ line }) => line)
}

const privileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const

/** Who could do what, schema and database included: a right on a table behind a closed door is none. */
export const accessTo = async (client: pg.Client, tables: readonly TableName[]): Promise<readonly Access[]> => {
  const { rows } = await client.query<{ role: string; at: number; privilege: string }>(
    `SELECT r.rolname AS role, t.place::int AS at, p.privilege
     FROM unnest($1::text[]) WITH ORDINALITY AS t (name, place), unnest($2::text[]) AS p (privilege), pg_roles r, pg_class c
     WHERE c.oid = to_regclass(t.name) AND NOT r.rolsuper AND r.rolname !~ '^pg_'
       AND has_database_privilege(r.oid, current_database(), 'CONNECT') AND has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
       AND (has_table_privilege(r.oid, c.oid, p.privilege)
            OR p.privilege <> 'DELETE' AND has_any_column_privilege(r.oid, c.oid, p.privilege))
     ORDER BY 2, 1, 3`,
    [tables.map(quoteTableName), [...privileges]],
  )
  return rows.flatMap(({ role, at, privilege }) => {
    const table = tables[at - 1]
    return table === undefined ? [] : [{ role, table: tableNameText(table), privilege }]
  })
}
