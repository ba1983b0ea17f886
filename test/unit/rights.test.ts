import { describe, expect, test } from 'vitest'
import { rightsIn } from '../../src/pipeline/rights.ts'
import { restricted } from '../../src/pipeline/restrict.ts'
import { collected, streamOf } from '../support/builders.ts'

describe('the rights in a dump of a schema', () => {
  test('are its owners, grants and default privileges, in their order, and nothing else', async () => {
    const rights = [
      'ALTER TABLE public.users OWNER TO app;',
      'ALTER FUNCTION public.f(a integer, b text) OWNER TO "The App";',
      'ALTER TEXT SEARCH CONFIGURATION public.yoruba OWNER TO app;',
      'REVOKE USAGE ON SCHEMA public FROM PUBLIC;',
      'GRANT SELECT(id),UPDATE(status) ON TABLE public.users TO report;',
      'SET SESSION AUTHORIZATION app;',
      'GRANT SELECT ON TABLE public.users TO report WITH GRANT OPTION;',
      'RESET SESSION AUTHORIZATION;',
      'ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES  TO report;',
    ]
    const others = [
      'SET statement_timeout = 0;',
      "SELECT pg_catalog.set_config('search_path', '', false);",
      'CREATE TABLE public.users (id integer);',
      // Its owner must be a superuser, who has made it again.
      'ALTER EVENT TRIGGER watch OWNER TO postgres;',
      'ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);',
      `CREATE FUNCTION public.evil() RETURNS text LANGUAGE sql AS $$ GRANT ALL ON x TO y; ALTER TABLE x OWNER TO y; $$;`,
      "COMMENT ON TABLE public.users IS 'GRANT ALL; ALTER TABLE public.users OWNER TO evil;';",
    ]
    const dump = [...others, ...rights].map((statement) => `--\n-- Name\n--\n\n${statement}\n\n`)
    expect(await rightsIn(streamOf(...dump))).toEqual(rights)
  })
})

describe('a script in the name of an owner', () => {
  const given = async (text: string, options: Parameters<typeof restricted>[1]): Promise<string> =>
    String(await collected(restricted(streamOf(text), options))).replace(/^\\restrict [0-9a-f]{48}\n/, '')
  const dump = `CREATE TABLE t ();\nCREATE EXTENSION IF NOT EXISTS x;\nCOMMENT ON EXTENSION x IS 'y';\nCREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f();\n`

  test('makes in that name all but what only a superuser may make', async () => {
    const set = 'SET ROLE "o""wner";'
    expect(await given(dump, { oneTransaction: false, owner: 'o"wner' })).toBe(
      `${set}\nCREATE TABLE t ();\nRESET ROLE; CREATE EXTENSION IF NOT EXISTS x; ${set}\nRESET ROLE; COMMENT ON EXTENSION x IS 'y'; ${set}\nRESET ROLE; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f(); ${set}\n`,
    )
  })

  test('leaves out comments on extensions where the session has no power', async () => {
    const plain = dump.replace("COMMENT ON EXTENSION x IS 'y';", '')
    expect(await given(dump, { oneTransaction: false, owner: 'me', isSuperuser: false })).toBe(
      `SET ROLE "me";\n${plain}`,
    )
    expect(await given(dump, { oneTransaction: false, isSuperuser: false })).toBe(plain)
  })
})
