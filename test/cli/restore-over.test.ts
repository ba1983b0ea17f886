import { execa } from 'execa'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { newProduction, databasesBeside, settingsOf, working, type Production } from '../support/production.ts'
import { asking, newDatabase, query, urlOf } from '../support/postgres.ts'
import { eventually } from '../support/faulty-programs.ts'
import {
  newFolder,
  newSite,
  runTool,
  runToolJson,
  startTool,
  toolPath,
  withIdentity,
  type Environment,
  type Site,
} from '../support/tool.ts'

/** In the place of a database that holds anything: the old one whole or the new one whole, and nobody locked out. */

const rightsAndSchema = async (url: string): Promise<string> =>
  (await execa('pg_dump', ['--schema-only', url])).stdout.replaceAll(/^\\(un)?restrict .*$/gm, '')

const backedUp = async (production: Production): Promise<{ site: Site; environment: Environment }> => {
  const site = await newSite(production.url)
  expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
  return { site, environment: withIdentity(site) }
}

/** What somebody did by mistake: tables emptied, one dropped, one made. */
const ruin = (production: Production): Promise<unknown> =>
  query(
    production.url,
    `ALTER TABLE submissions DISABLE TRIGGER USER; DELETE FROM submissions WHERE id > 10; DROP VIEW active_users;
     CREATE TABLE of_today (x int); ALTER TABLE of_today OWNER TO ${production.app}; GRANT SELECT ON of_today TO "${production.report.replaceAll('"', '""')}"`,
  )
const rowsOf = async (url: string): Promise<unknown> =>
  query(
    url,
    `SELECT (SELECT count(*)::int FROM respondents) AS respondents, (SELECT count(*)::int FROM submissions) AS submissions`,
  )
const whole = [{ respondents: 2000, submissions: 2000 }]
const ruined = [{ respondents: 2000, submissions: 10 }]

/** A PATH whose psql finds, the first time, that somebody has connected after all sessions were ended, and stays. */
const pathWithLatecomer = async (url: string): Promise<string> => {
  const folder = await newFolder()
  const script = `#!/bin/bash
PATH=/usr/bin:/bin
[ -e '${folder}/came' ] && exec psql "$@"
psql -q -o /dev/null -d '${url}' -c 'SELECT pg_sleep(60)' 2> /dev/null & echo $! > '${folder}/came'
until [ "$(psql -XAtd '${url}' -c "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'")" = 1 ]; do :; done
exec psql "\${@/*pg_terminate_backend*/SELECT 1}"
`
  await writeFile(join(folder, 'psql'), script, { mode: 0o755 })
  return `${folder}:/usr/bin:/bin`
}

interface Restored {
  readonly before: string
  readonly swapBack: string
  readonly warnings: readonly string[]
}

describe('a ruined production with its application at work', () => {
  test('is replaced, undone by the line that was printed, and replaced again', async () => {
    const production = await newProduction()
    const { environment } = await backedUp(production)
    const [settings, schema] = [await settingsOf(production), await rightsAndSchema(production.url)]
    await ruin(production)
    const application = working(production.appUrl)

    const refused = await runTool(['restore', '--latest'], environment)
    expect(refused).toMatchObject({ exitCode: 73, stdout: '' })
    expect(refused.stderr).toContain(
      `The database ${production.database} on 127.0.0.1 is not empty: it holds 6 tables.`,
    )
    expect(refused.stderr).toMatch(/kept as \S+_before_\d{8}t\d{6}z[\s\S]*add --confirm/)
    expect(await databasesBeside(production)).toEqual([])

    const first = await runToolJson(['restore', '--latest', '--confirm'], environment)
    expect(first.exitCode, first.stderr).toBe(0)
    const { before, swapBack, warnings } = first.document as Restored
    expect(await rowsOf(production.appUrl)).toEqual(whole)
    expect(await settingsOf(production)).toEqual(settings)
    expect(await rightsAndSchema(production.url)).toBe(schema)
    expect(await databasesBeside(production)).toEqual([before])
    const listed = await runTool(['list'], environment)
    expect(listed.stdout).toContain(`The database ${before}, which a restore has replaced, is still there`)
    expect(await rowsOf(urlOf(inject('pgPort'), before))).toEqual(ruined)
    expect(
      await query(
        production.url,
        `SELECT details->>'rows' AS rows, target_resource FROM audit_logs WHERE action = 'system.restore'`,
      ),
    ).toEqual([{ rows: '4527', target_resource: 'database' }])
    expect(warnings.join('\n')).toMatch(/could not be given again: .*public\.of_today/)
    // The roles are not only written down, they work.
    expect(
      await query(production.reportUrl, 'SELECT count(*)::int AS n, current_setting($1) AS t FROM respondents', [
        'statement_timeout',
      ]),
    ).toEqual([{ n: 2000, t: '33s' }])
    await expect(query(production.reportUrl, 'SELECT email FROM users')).rejects.toThrow('permission denied')

    const { stderr } = await execa('bash', ['-c', swapBack], { env: { PATH: await pathWithLatecomer(production.url) } })
    expect(stderr).toContain('is being accessed by other users')
    expect(await rowsOf(production.url)).toEqual(ruined)
    expect(await databasesBeside(production)).toEqual([before.replace('_before_', '_undone_')])

    const again = await runTool(['restore', '--latest', '--confirm'], environment)
    expect(again.exitCode, again.stderr).toBe(0)
    expect(again.stdout).toContain('Next: restart the application')
    expect(await rowsOf(production.url)).toEqual(whole)
    const { written, thrownOut } = await application.end()
    expect(written).toBeGreaterThan(0)
    expect(thrownOut).toBeGreaterThan(2)
  })

  test('by its own role, which may create databases', async () => {
    const production = await newProduction({ createdb: true })
    const { environment } = await backedUp(production)
    const [settings, schema] = [await settingsOf(production), await rightsAndSchema(production.url)]
    // What only a superuser may carry over stands in the way, with everything else that does.
    await asking(production.url, async (superuser) => {
      await superuser.query('SELECT 1')
      const ended = await runTool(['restore', '--latest', '--confirm', '--target-db', production.appUrl], environment)
      expect(ended.exitCode).toBe(78)
      expect(ended.stderr).toContain(`may not end a session of postgres`)
      expect(ended.stderr).toContain('only a superuser may carry over the settings that')
    })
    await query(
      production.url,
      `ALTER ROLE "${production.report.replaceAll('"', '""')}" IN DATABASE ${production.database} RESET ALL`,
    )
    const withoutRoleSettings = await settingsOf(production)
    expect(withoutRoleSettings).not.toEqual(settings)
    await query(production.appUrl, 'DELETE FROM submissions WHERE id > 10')
    const ended = await runTool(['restore', '--latest', '--confirm', '--target-db', production.appUrl], environment)
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect(await rowsOf(production.appUrl)).toEqual(whole)
    expect(await settingsOf(production)).toEqual(withoutRoleSettings)
    expect(await rightsAndSchema(production.url)).toBe(schema)
  })
})

describe('by a role that may not create databases', () => {
  test('what holds anything is refused with every reason, and what is empty is filled, whoever made its extensions', async () => {
    const production = await newProduction()
    await query(production.url, 'CREATE EXTENSION pg_trgm; CREATE EXTENSION pg_buffercache')
    const { environment } = await backedUp(production)
    const refused = await runTool(['restore', '--latest', '--confirm', '--target-db', production.appUrl], environment)
    expect(refused).toMatchObject({ exitCode: 78, stdout: '' })
    expect(refused.stderr).toContain(
      `${production.database} is not empty, and the role ${production.app} may not create the database`,
    )
    expect(refused.stderr).toContain(`may not create the extension pg_buffercache; a superuser may`)
    expect(await rowsOf(production.url)).toEqual(whole)

    // Even a trusted one takes a right on the database. Then somebody who has it makes all ready.
    const empty = await newDatabase(inject('pgPort'), { sql: 'CREATE EXTENSION pg_buffercache' })
    const database = new URL(empty).pathname.slice(1)
    const into = ['--target-db', urlOf(inject('pgPort'), database, production.app)]
    const notYet = await runTool(['restore', '--latest', ...into], environment)
    expect(notYet).toMatchObject({ exitCode: 78, stdout: '' })
    expect(notYet.stderr).toContain(`may create nothing in the schema public of ${database}`)
    expect(notYet.stderr).toContain('may not create the extension pg_trgm; a superuser may')
    expect(notYet.stderr).not.toContain('pg_buffercache')
    await query(empty, `CREATE EXTENSION pg_trgm; GRANT CREATE ON SCHEMA public TO ${production.app}`)
    const ended = await runTool(['restore', '--latest', ...into], environment)
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect(await rowsOf(empty)).toEqual(whole)
    await query(urlOf(inject('pgPort'), 'postgres'), `DROP DATABASE ${database}`)
  })
})

describe('nobody is locked out', () => {
  test('a restore after which a role could no longer read a key table is not done', async () => {
    const production = await newProduction()
    const { environment } = await backedUp(production)
    // Its only right on users is on a column that the backup does not have.
    const report = `"${production.report.replaceAll('"', '""')}"`
    await query(
      production.url,
      `ALTER TABLE users ADD COLUMN ward text; REVOKE ALL ON users FROM ${report}; REVOKE SELECT (id, status), UPDATE (status) ON users FROM ${report}; GRANT SELECT (ward) ON users TO ${report}`,
    )
    const ended = await runTool(['restore', '--latest', '--confirm'], environment)
    expect(ended).toMatchObject({ exitCode: 78, stdout: '' })
    expect(ended.stderr).toContain(`${production.report} may SELECT public.users now, and could not afterwards`)
    expect(await databasesBeside(production)).toEqual([])
    expect(await query(production.reportUrl, 'SELECT count(ward)::int AS n FROM users')).toEqual([{ n: 0 }])
  })
})

describe('a database that cannot be had', () => {
  test('is left as it is after the time allowed, with what was restored beside it, which the next restore removes', async () => {
    const production = await newProduction({ createdb: true })
    await query(
      production.url,
      `ALTER ROLE "${production.report.replaceAll('"', '""')}" IN DATABASE ${production.database} RESET ALL`,
    )
    const { environment } = await backedUp(production)
    const args = ['restore', '--latest', '--confirm', '--target-db', production.appUrl]
    const started = startTool(args, { ...environment, BACKUP_GIVE_WAY_SECONDS: '1' })
    // A superuser comes while the restore is at work; the owner of the database may not end his session.
    await eventually('the scratch database', async () => (await databasesBeside(production)).length > 0)
    await asking(production.url, async (superuser) => {
      await superuser.query('SELECT 1')
      const ended = await started
      expect(ended.stderr).toContain('sessions in it did not end in time. It is as it was')
      expect(ended.exitCode).toBe(75)
    })
    const [scratch = ''] = await databasesBeside(production)
    expect(scratch).toContain('_restore_')
    expect(await rowsOf(urlOf(inject('pgPort'), scratch))).toEqual(whole)
    const again = await runTool(args, environment)
    expect(again.exitCode, again.stderr).toBe(0)
    expect(again.stderr).toContain(`Removed the database ${scratch}, which an unfinished restore had left.`)
    expect((await databasesBeside(production)).map((name) => name.replace(/\d{8}t\d{6}z$/, ''))).toEqual([
      `${production.database}_before_`,
    ])
  })
})

describe('at a terminal', () => {
  const typing = (line: string, environment: Environment) => {
    const command = `${toolPath} restore --latest`
    return execa('script', ['-qefc', command, '/dev/null'], {
      env: { ...environment, PATH: '/usr/local/bin:/usr/bin:/bin', NO_COLOR: '1' },
      extendEnv: false,
      reject: false,
      input: `${line}\n`,
    })
  }
  test('the name of the database is asked for, and only the right one goes on', async () => {
    const production = await newProduction()
    const { environment } = await backedUp(production)
    await ruin(production)
    const wrong = await typing('app_db', environment)
    expect(wrong.stdout).toContain('To go on, type the name of the database: ')
    expect(wrong.exitCode).toBe(73)
    expect(await rowsOf(production.url)).toEqual(ruined)
    const right = await typing(production.database, environment)
    expect(right.exitCode, right.stdout).toBe(0)
    expect(await rowsOf(production.url)).toEqual(whole)
  })
})

describe('what can be known before the first write is told together', () => {
  test('a backup that is not signed as it should be, a server that does not have the role', async () => {
    const production = await newProduction()
    const { site, environment } = await backedUp(production)
    const other = await newSite(production.url)
    const ended = await runTool(['restore', '--latest', '--owner', 'nobody', '--target-db', urlOf(1, 'app_db')], {
      ...environment,
      BACKUP_TRUSTED_KEYS: other.publicKeyFile,
    })
    expect(ended).toMatchObject({ exitCode: 65, stdout: '' })
    expect(ended.stderr).toContain('signed')
    expect(ended.stderr).toContain('port 1 does not answer')
    const absent = ['--target-db', urlOf(inject('pgPort'), `${production.database}_new`)]
    const ownerless = await runTool(['restore', '--latest', ...absent], environment)
    expect(ownerless).toMatchObject({ exitCode: 73, stdout: '' })
    expect(ownerless.stderr).toContain('say whose it shall be, with --owner ROLE')
    const nobody = await runTool(['restore', '--latest', ...absent, '--owner', 'nobody_at_all'], environment)
    expect(nobody).toMatchObject({ exitCode: 73 })
    expect(nobody.stderr).toContain('there is no role nobody_at_all on the server')
    expect(await databasesBeside(production)).toEqual([])
    expect(site.store).not.toBe('')
  })

  test('a disk that is too small', async () => {
    const production = await newProduction()
    const site = await newSite(production.url)
    const { BACKUP_SIGNING_KEY_FILE: _, BACKUP_TRUSTED_KEYS: __, ...unsigned } = withIdentity(site)
    expect(await runTool(['run'], unsigned)).toMatchObject({ exitCode: 0 })
    const path = join(site.store, `backups/manifests/${new Date().toISOString().slice(0, 10)}-manifest.json`)
    const manifest = JSON.parse(await readFile(path, 'utf8')) as { plain: { sizeBytes: number } }
    manifest.plain.sizeBytes = 9e15
    await writeFile(path, JSON.stringify(manifest))
    const ended = await runTool(['restore', '--latest', '--confirm'], unsigned)
    expect(ended).toMatchObject({ exitCode: 73, stdout: '' })
    expect(ended.stderr).toMatch(
      /the server's disk has \S+ \S+ free, and the restored database needs more than 9\.0 PB/,
    )
  })
})
