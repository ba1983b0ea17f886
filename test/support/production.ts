import pg from 'pg'
import { inject, onTestFinished } from 'vitest'
import { newDatabase, query, urlOf } from './postgres.ts'

/**
 * A database as production has it: owned by the application's role, which has no other power; with a role for reports that
 * sees some columns, settings of its own, a comment, and closed to everybody else.
 */
export interface Production {
  readonly database: string
  /** As superuser, as the application, as the reports' role. */
  readonly url: string
  readonly appUrl: string
  readonly reportUrl: string
  readonly app: string
  readonly report: string
}

let made = 0
/** `app` may create databases only where that is asked for. Roles and databases go when the test is over. */
export const newProduction = async ({ createdb = false } = {}): Promise<Production> => {
  const port = inject('pgPort')
  const server = urlOf(port, 'postgres')
  const id = `${String(process.pid)}_${String(++made)}`
  const [app, report] = [`app_${id}`, `Report "${id}"`]
  const quotedReport = `"Report ""${id}"""`
  await query(server, `CREATE ROLE ${app} LOGIN ${createdb ? 'CREATEDB' : ''}; CREATE ROLE ${quotedReport} LOGIN`)
  const url = await newDatabase(port, { template: inject('registryTemplate') })
  const database = new URL(url).pathname.slice(1)
  onTestFinished(async () => {
    const rows = await query<{ datname: string }>(
      server,
      `SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE rolname = $1`,
      [app],
    )
    for (const { datname } of rows) await query(server, `DROP DATABASE "${datname}" WITH (FORCE)`)
    await query(server, `DROP ROLE ${app}; DROP ROLE ${quotedReport}`)
  })
  await query(
    url,
    `ALTER DATABASE ${database} OWNER TO ${app};
     ALTER DATABASE ${database} SET search_path = public, "$user", "odd, schema";
     ALTER DATABASE ${database} SET work_mem = '5MB';
     ALTER DATABASE ${database} CONNECTION LIMIT 77;
     ALTER ROLE ${quotedReport} IN DATABASE ${database} SET statement_timeout = '33s';
     REVOKE ALL ON DATABASE ${database} FROM PUBLIC;
     GRANT CONNECT ON DATABASE ${database} TO ${quotedReport};
     COMMENT ON DATABASE ${database} IS 'the registry';
     DO $$ DECLARE what record; BEGIN
       FOR what IN SELECT format('ALTER %s %s OWNER TO ${app}', CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass) AS sql
         FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') LOOP EXECUTE what.sql; END LOOP;
     END $$;
     ALTER FUNCTION forbid_change() OWNER TO ${app}; ALTER TYPE user_status OWNER TO ${app};
     SET ROLE ${app};
     GRANT SELECT ON respondents, submissions TO ${quotedReport};
     GRANT SELECT (id, status), UPDATE (status) ON users TO ${quotedReport};
     GRANT USAGE ON SEQUENCE submissions_id_seq TO ${quotedReport};
     REVOKE EXECUTE ON FUNCTION forbid_change() FROM PUBLIC;
     ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO ${quotedReport};`,
  )
  return {
    database,
    url,
    appUrl: urlOf(port, database, app),
    reportUrl: urlOf(port, database, encodeURIComponent(report)),
    app,
    report,
  }
}

/** All that a restore must keep of a database besides its contents, as text; names of the database itself left out. */
export const settingsOf = async ({ database }: Production): Promise<unknown[]> =>
  query(
    urlOf(inject('pgPort'), 'postgres'),
    `SELECT o.rolname, pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, datconnlimit, datacl::text[] AS acl,
            shobj_description(d.oid, 'pg_database') AS comment,
            (SELECT json_agg(json_build_array(setrole::regrole, setconfig) ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid) AS settings
     FROM pg_database d JOIN pg_roles o ON o.oid = datdba WHERE datname = $1`,
    [database],
  )

/** Every database whose name begins with this one's. */
export const databasesBeside = async ({ database }: Production): Promise<string[]> =>
  (
    await query<{ datname: string }>(
      urlOf(inject('pgPort'), 'postgres'),
      'SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1',
      [`${database}_`],
    )
  ).map(({ datname }) => datname)

/** The application at work: it writes all the time, and connects again whenever it is thrown out, as a pool does. */
export const working = (url: string): { readonly end: () => Promise<{ written: number; thrownOut: number }> } => {
  const state = { ended: false, written: 0, thrownOut: 0 }
  // A function, so that the compiler does not take it for settled.
  const isEnded = (): boolean => state.ended
  const work = async (): Promise<void> => {
    while (!isEnded()) {
      const client = new pg.Client({ connectionString: url })
      client.on('error', () => undefined)
      try {
        await client.connect()
        for (; !isEnded(); state.written += 1)
          await client.query(
            'UPDATE submissions SET score = coalesce(score, 0) + 1 WHERE id = (SELECT min(id) FROM submissions)',
          )
      } catch {
        state.thrownOut += 1
      } finally {
        await client.end().catch(() => undefined)
      }
    }
  }
  const done = Promise.all([work(), work()])
  return {
    end: async () => {
      state.ended = true
      await done
      return { written: state.written, thrownOut: state.thrownOut }
    },
  }
}
