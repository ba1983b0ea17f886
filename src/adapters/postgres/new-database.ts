import type pg from 'pg'
import { Fault } from '../../errors.ts'
import type { NewDatabase } from '../../ports/restore-server.ts'
import { sqlState } from './connect.ts'
import { quoted } from './sql.ts'

/** What pg_database says of a database, in the columns that this server has. */
interface Row {
  readonly oid: number
  readonly encodingName: string
  readonly ownerName: string
  readonly tablespaceName: string
  readonly datcollate: string
  readonly datctype: string
  /** From 15 on; `c`: the operating system's, `i`: ICU's, `b`: PostgreSQL's own (17). */
  readonly datlocprovider?: 'c' | 'i' | 'b'
  /** 15 and 16; from 17 on it is `datlocale`. */
  readonly daticulocale?: string | null
  readonly datlocale?: string | null
  readonly daticurules?: string | null
  readonly datconnlimit: number
  readonly comment: string | null
}

/** See `RestoreServer.createDatabase`. */
export const createDatabase = async (client: pg.Client, target: string, wanted: NewDatabase): Promise<void> => {
  if (wanted.like === 'the target') {
    const row = await rowOf(client, target)
    await create(client, wanted.name, propertiesOfTarget(client, row), { collate: row.datcollate, ctype: row.datctype })
    // From the beginning: nobody may look into it who may not look into the target.
    await carryPrivileges(client, row, wanted.name)
    return
  }
  const { properties, owner } = wanted
  await create(
    client,
    wanted.name,
    [
      ...(owner === undefined ? [] : [`OWNER ${quoted(owner)}`]),
      ...(properties === undefined
        ? []
        : [
            `ENCODING ${client.escapeLiteral(properties.encoding)}`,
            `LC_COLLATE ${client.escapeLiteral(properties.collate)}`,
            `LC_CTYPE ${client.escapeLiteral(properties.ctype)}`,
          ]),
    ],
    properties,
  )
}

const rowOf = async (client: pg.Client, database: string): Promise<Row> => {
  // As JSON, for no version has all of these columns.
  const { rows } = await client.query<{ row: Row }>(
    `SELECT to_jsonb(d) || jsonb_build_object('encodingName', pg_encoding_to_char(d.encoding), 'ownerName', o.rolname,
              'tablespaceName', t.spcname, 'comment', shobj_description(d.oid, 'pg_database')) AS row
     FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1`,
    [database],
  )
  const [found] = rows
  if (found === undefined) throw new Fault('restore-failed', `The database ${database} has gone meanwhile.`)
  return found.row
}

const propertiesOfTarget = (client: pg.Client, row: Row): string[] => {
  const text = (value: string): string => client.escapeLiteral(value)
  const locale = row.datlocale ?? row.daticulocale ?? ''
  const ofProvider =
    row.datlocprovider === 'i'
      ? [
          'LOCALE_PROVIDER icu',
          `ICU_LOCALE ${text(locale)}`,
          ...(row.daticurules == null ? [] : [`ICU_RULES ${text(row.daticurules)}`]),
        ]
      : row.datlocprovider === 'b'
        ? ['LOCALE_PROVIDER builtin', `BUILTIN_LOCALE ${text(locale)}`]
        : []
  return [
    `OWNER ${quoted(row.ownerName)}`,
    `ENCODING ${text(row.encodingName)}`,
    `LC_COLLATE ${text(row.datcollate)}`,
    `LC_CTYPE ${text(row.datctype)}`,
    ...ofProvider,
    // Said only where it must be: naming even the usual one takes a right on it.
    ...(row.tablespaceName === 'pg_default' ? [] : [`TABLESPACE ${quoted(row.tablespaceName)}`]),
  ]
}

const create = async (
  client: pg.Client,
  name: string,
  properties: readonly string[],
  locale: { readonly collate: string; readonly ctype: string } | undefined,
): Promise<void> => {
  try {
    await client.query(`CREATE DATABASE ${quoted(name)} TEMPLATE template0 ${properties.join(' ')}`)
  } catch (thrown) {
    // 22023 or 42809, by version: the operating system has no such locale.
    if (locale === undefined || !['22023', '42809'].includes(sqlState(thrown) ?? '')) throw thrown
    throw new Fault(
      'version',
      `The server does not know the locale ${locale.collate} (or ${locale.ctype}) that the backed-up database had.`,
      {
        hint: `On the server: sudo locale-gen ${locale.collate}, and restart PostgreSQL; or make an empty database yourself and name it with --target-db.`,
        cause: thrown,
      },
    )
  }
}

/** Settings whose value is a list of names: as one literal it would become one name (guc.h, GUC_LIST_QUOTE). */
const lists = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
])

/**
 * `ALTER DATABASE … SET`, `ALTER ROLE … IN DATABASE … SET`, the limit of connections and the comment. After the load, for
 * the target may be read-only, or open to a single session.
 */
export const carrySettings = async (client: pg.Client, target: string, to: string): Promise<void> => {
  const { oid, datconnlimit, comment } = await rowOf(client, target)
  const { rows } = await client.query<{ role: string | null; setting: string }>(
    `SELECT r.rolname AS role, unnest(s.setconfig) AS setting FROM pg_db_role_setting s
     LEFT JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = $1::oid`,
    [oid],
  )
  for (const { role, setting } of rows) {
    const name = setting.slice(0, setting.indexOf('='))
    const value = client.escapeLiteral(setting.slice(name.length + 1))
    const alter =
      role === null ? `ALTER DATABASE ${quoted(to)}` : `ALTER ROLE ${quoted(role)} IN DATABASE ${quoted(to)}`
    // A name may have a prefix: auto_explain.log_min_duration.
    const parameter = name.split('.').map(quoted).join('.')
    await client.query(
      lists.has(name)
        ? `BEGIN; SELECT set_config(${client.escapeLiteral(name)}, ${value}, true); ${alter} SET ${parameter} FROM CURRENT; COMMIT`
        : `${alter} SET ${parameter} TO ${value}`,
    )
  }
  await client.query(`ALTER DATABASE ${quoted(to)} CONNECTION LIMIT ${String(datconnlimit)}`)
  if (comment !== null) await client.query(`COMMENT ON DATABASE ${quoted(to)} IS ${client.escapeLiteral(comment)}`)
}

const carryPrivileges = async (client: pg.Client, { oid, ownerName }: Row, to: string): Promise<void> => {
  const { rows } = await client.query<{ grantee: string | null; privilege: string; grantable: boolean }>(
    `SELECT CASE a.grantee WHEN 0 THEN NULL ELSE a.grantee::regrole::text END AS grantee, a.privilege_type AS privilege,
            a.is_grantable AS grantable
     FROM pg_database d, aclexplode(d.datacl) a WHERE d.oid = $1::oid`,
    [oid],
  )
  if (rows.length === 0) return
  const database = quoted(to)
  await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC, ${quoted(ownerName)}`)
  for (const { grantee, privilege, grantable } of rows)
    // `regrole` comes quoted where it needs to be.
    await client.query(
      `GRANT ${privilege} ON DATABASE ${database} TO ${grantee ?? 'PUBLIC'}${grantable ? ' WITH GRANT OPTION' : ''}`,
    )
}
