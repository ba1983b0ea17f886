import { chmod, mkdir, readFile, readlink, rename, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { expectFault, expectNothingLeft, runAt } from '../support/faults.ts'
import { pathOf } from '../support/faulty-programs.ts'
import { newDatabase, query } from '../support/postgres.ts'
import { completeKeys, expectSound } from '../support/soundness.ts'
import { filesUnder, manifestsOf, newSite, runTool, runToolJson, withIdentity, type Site } from '../support/tool.ts'

/** What lies about on the machine where it runs: none of it may change a backup, be changed by one, or be run. */

let url: string
beforeAll(async () => {
  url = await newDatabase(inject('pgPort'), {
    sql: `CREATE TABLE users (id int, name text, at timestamptz, share numeric, raw bytea, worth float8);
          INSERT INTO users SELECT g, 'Ọ̀ṣúnlékè İstanbul ' || g, timestamptz '2026-02-24 23:59:59.123456Z' + g * interval '1 hour',
            g / 3.0, decode(md5(g::text), 'hex'), g / 7.0::float8 FROM generate_series(1, 50) g;
          CREATE SCHEMA evil; CREATE TABLE evil.users (id int)`,
  })
})

const nothing = { files: [], complete: [] }

const contentOf = async (site: Site) =>
  (await manifestsOf(site)).map(({ tables, largeObjects, tableCounts }) => ({ tables, largeObjects, tableCounts }))[0]

describe('the environment of the caller changes nothing in a backup, and nothing in it is run', () => {
  let expected: Awaited<ReturnType<typeof contentOf>>
  const postgres = {
    PGOPTIONS: '-c search_path=evil -c statement_timeout=1 -c TimeZone=Asia/Kolkata -c bytea_output=escape',
    PGHOST: '/nonexistent',
    PGHOSTADDR: '192.0.2.1',
    PGPORT: '1',
    PGUSER: 'nobody',
    PGPASSWORD: 'wrong',
    PGDATABASE: 'no_such_database',
    PGSERVICE: 'none',
    PGSSLMODE: 'verify-full',
    PGCLIENTENCODING: 'LATIN1',
    PGDATESTYLE: 'German',
    PGTZ: 'Asia/Kolkata',
    PGTARGETSESSIONATTRS: 'standby',
    PGCHANNELBINDING: 'require',
    PGAPPNAME: 'somebody else',
  }
  const node = {
    NODE_DEBUG: 'http,https,net,tls,fs,child_process',
    NODE_DEBUG_NATIVE: 'PERMISSION_MODEL',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
    NODE_PENDING_DEPRECATION: '1',
    DEBUG: '*',
  }
  const amazon = {
    AWS_PROFILE: 'none',
    AWS_CONFIG_FILE: '/nonexistent',
    AWS_ENDPOINT_URL: 'http://192.0.2.1',
    AWS_ACCESS_KEY_ID: 'somebody',
    AWS_SECRET_ACCESS_KEY: 'else',
  }
  test.each<[string, Readonly<Record<string, string>>]>([
    ['PG*', postgres],
    ['what node listens to', node],
    ["what Amazon's programs listen to", amazon],
    ['Turkish letters', { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8', LANGUAGE: 'tr' }],
    ['German numbers, bytes for letters', { LC_ALL: 'de_DE.ISO-8859-1', LC_NUMERIC: 'de_DE' }],
    ['no locale at all', { LC_ALL: 'C', LANG: '' }],
    ['a locale that does not exist', { LC_ALL: 'xx_YY.nonsense' }],
    ['half past every hour', { TZ: 'Asia/Kathmandu' }],
    ['a day later', { TZ: 'Pacific/Kiritimati' }],
    ['a day earlier', { TZ: 'Etc/GMT+12' }],
    ['a time zone that does not exist', { TZ: 'Nowhere/Land' }],
    ['no HOME', { HOME: '' }],
  ])('%s', async (_what, foreign) => {
    if (expected === undefined) {
      const bare = await newSite(url)
      expect(await runTool(['run'], bare.environment)).toMatchObject({ exitCode: 0 })
      expected = await contentOf(bare)
    }
    const site = await newSite(url)
    const ended = await runAt(site, ['run'], foreign)
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 })
    expect(ended.stderr).not.toMatch(/TLS|HTTP|CHILD|insecure/)
    expect(await contentOf(site)).toEqual(expected)
  })

  test('files in the home folder, and code that node or psql would load', async () => {
    const site = await newSite(url)
    const home = join(site.folder, 'home')
    await mkdir(home)
    const run = join(site.folder, 'was-run')
    await writeFile(join(home, '.psqlrc'), `\\! touch ${run}\nCREATE TABLE was_run ();\n`)
    await writeFile(join(home, '.pgpass'), '*:*:*:*:wrong\n', { mode: 0o600 })
    await writeFile(join(home, '.pg_service.conf'), '[none]\nhost=192.0.2.1\n')
    await writeFile(join(home, 'evil.cjs'), `require('node:fs').writeFileSync(${JSON.stringify(run)}, '')`)
    const foreign = {
      HOME: home,
      PSQLRC: join(home, '.psqlrc'),
      PGPASSFILE: join(home, '.pgpass'),
      PGSERVICEFILE: join(home, '.pg_service.conf'),
      PGSYSCONFDIR: home,
      NODE_OPTIONS: `--require ${join(home, 'evil.cjs')}`,
      NODE_PATH: home,
      NODE_REDIRECT_WARNINGS: join(home, 'warnings'),
      NODE_V8_COVERAGE: join(home, 'coverage'),
      NODE_COMPILE_CACHE: join(home, 'cache'),
      BASH_ENV: join(home, '.psqlrc'),
      ENV: join(home, '.psqlrc'),
    }
    expect(await runAt(site, ['run'], foreign)).toMatchObject({ exitCode: 0 })
    const target = await newDatabase(inject('pgPort'))
    const restored = await runTool(['restore', '--latest', '--target-db', target], {
      ...withIdentity(site),
      ...foreign,
    })
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 })
    expect(existsSync(run)).toBe(false)
    expect(await query(target, `SELECT FROM pg_class WHERE relname = 'was_run'`)).toEqual([])
    expect(await filesUnder(home)).toEqual(['.pg_service.conf', '.pgpass', '.psqlrc', 'evil.cjs'])
  })
})

describe('a program of that name that is not what its name says', () => {
  const foreign = async (site: Site, script: string): Promise<string> => {
    const folder = join(site.folder, 'programs')
    await mkdir(folder)
    const body = `#!/bin/sh\ncase "$1" in --version) echo 'pg_dump (PostgreSQL) 15.99' ;; *) ${script} ;; esac\n`
    await writeFile(join(folder, 'pg_dump'), body, { mode: 0o755 })
    return folder
  }
  const scripts: readonly [string, string][] = [
    ['writes nothing', 'exit 0'],
    ['writes the last words of a dump', 'echo "-- PostgreSQL database dump complete"'],
    ['writes a page', 'echo "<html>Not found</html>"'],
  ]
  test.each(scripts)("a pg_dump in PATH that %s: the server's own is taken", async (_what, script) => {
    const site = await newSite(url)
    await foreign(site, script)
    expect(await runAt(site, ['run'], pathOf(site))).toMatchObject({ exitCode: 0 })
    await expectSound(site)
  })

  test.each(scripts)('a pg_dump that was asked for and %s: it makes no backup', async (_what, script) => {
    const site = await newSite(url)
    const folder = await foreign(site, script)
    expectFault(await runAt(site, ['run'], { BACKUP_PG_COMMAND: `env PATH=${folder}:/usr/bin:/bin` }), 75, /dump/)
    await expectNothingLeft(site, nothing)
  })

  test('says nothing of a version: the other one is taken', async () => {
    const site = await newSite(url)
    const folder = join(site.folder, 'programs')
    await mkdir(folder)
    await writeFile(join(folder, 'pg_dump'), '#!/bin/sh\necho hello\n', { mode: 0o755 })
    expect(await runAt(site, ['run'], pathOf(site))).toMatchObject({ exitCode: 0 })
    await expectSound(site)
  })
})

describe('links in the store', () => {
  test.each(['backups', 'backups/daily', 'backups/manifests'])(
    '%s: nothing is written behind it, for nothing there would be found',
    async (name) => {
      const site = await newSite(url)
      const elsewhere = join(site.folder, 'elsewhere')
      await mkdir(elsewhere)
      await mkdir(join(site.store, name, '..'), { recursive: true, mode: 0o700 })
      await symlink(elsewhere, join(site.store, name))
      const ended = await runAt(site, ['run'])
      expectFault(ended, 78, `${join(site.store, name)} is a link, and links in the store are not followed.`)
      expect(await filesUnder(elsewhere)).toEqual([])
      expect(await completeKeys(site)).toEqual([])
    },
  )

  test('to where the backups were moved: said to be a link, and what lies behind it stays as it is', async () => {
    const site = await newSite(url)
    expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
    const [folder, moved] = [join(site.store, 'backups/daily'), join(site.folder, 'moved')]
    await rename(folder, moved)
    await symlink(moved, folder)
    const files = await filesUnder(moved)
    expectFault(await runAt(site, ['run', '--replace']), 78, `${folder} is a link`)
    expect(await filesUnder(moved)).toEqual(files)
  })

  test('in place of an archive: it is no backup, and what it points to is not read', async () => {
    const site = await newSite(url)
    expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
    const key = (await completeKeys(site)).find((found) => found.includes('/daily/')) ?? ''
    const away = join(site.folder, 'away')
    await rename(join(site.store, key), away)
    await symlink(away, join(site.store, key))
    expect(await completeKeys(site)).not.toContain(key)
    const { exitCode, stderr } = await runToolJson(['verify', '--depth', 'stored', '--key', key], withIdentity(site))
    expect(exitCode, stderr).not.toBe(0)
  })

  test('the folder of the store itself may be one, as where a disk is mounted elsewhere', async () => {
    const site = await newSite(url)
    const link = join(site.folder, 'link')
    await symlink(site.store, link)
    expect(await runAt(site, ['run'], { BACKUP_STORE_DIR: link })).toMatchObject({ exitCode: 0 })
    await expectSound(site)
  })
})

test('a link in the place of what is remembered is replaced, and what it points to is not written over', async () => {
  const site = await newSite(url)
  const victim = join(site.folder, 'victim')
  await writeFile(victim, 'precious')
  for (const name of ['status.json', 'oslrs-backup.prom']) await symlink(victim, join(site.state, name))
  expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
  expect(await readFile(victim, 'utf8')).toBe('precious')
  await expect(readlink(join(site.state, 'status.json'))).rejects.toThrow()
  expect(JSON.parse(await readFile(join(site.state, 'status.json'), 'utf8'))).toBeTypeOf('object')
})

describe('what every user of the machine could read or change is told, with how to mend it, and the backup is made', () => {
  const envFile = (site: Site): string => join(site.folder, 'the.env')
  /** In a folder that is open to all, with the password in a file. */
  const openSite = async (): Promise<Site & { readonly args: readonly string[] }> => {
    const site = await newSite(url)
    await chmod(site.folder, 0o755)
    const { DATABASE_URL = '', ...environment } = site.environment
    await writeFile(envFile(site), `DATABASE_URL=${DATABASE_URL}\n`, { mode: 0o600 })
    return { ...site, environment, args: ['--env-file', envFile(site)] }
  }
  const said = async (site: Awaited<ReturnType<typeof openSite>>): Promise<readonly string[]> => {
    const ended = await runAt(site, ['run', ...site.args])
    expect(ended.exitCode, ended.stderr).toBe(0)
    const [warnings = []] = (await manifestsOf(site)).map((manifest) => manifest.warnings)
    for (const warning of warnings) expect(ended.stdout).toContain(warning)
    return warnings
  }

  test.each<[string, (site: Site) => string, number, string]>([
    ['the configuration with a password, read', envFile, 0o644, 'read PATH, which holds a secret: chmod o= PATH'],
    ['the configuration, changed', envFile, 0o602, 'change PATH, which holds a secret: chmod o= PATH'],
    ['both', envFile, 0o606, 'read and change PATH, which holds a secret: chmod o= PATH'],
    ['the key that signs', (site) => site.signingKeyFile, 0o604, 'read PATH, which holds a secret: chmod o= PATH'],
    ['a trusted key, changed', (site) => site.publicKeyFile, 0o646, 'change PATH: chmod o-w PATH'],
    ['the folder of the store, changed', (site) => site.store, 0o703, 'change PATH: chmod o-w PATH'],
    ['what is remembered, changed', (site) => site.state, 0o757, 'change PATH: chmod o-w PATH'],
  ])('%s', async (_what, path, mode, sentence) => {
    const site = await openSite()
    await chmod(path(site), mode)
    expect(await said(site)).toEqual([`Every user of this machine can ${sentence.replaceAll('PATH', path(site))}`])
    await expectSound(site)
  })

  test('what they may read, and what a closed folder keeps from them, is no word worth', async () => {
    const site = await openSite()
    await chmod(site.publicKeyFile, 0o644)
    await chmod(site.state, 0o755)
    expect(await said(site)).toEqual([])
    await chmod(site.folder, 0o700)
    for (const path of [envFile(site), site.signingKeyFile, site.store]) await chmod(path, 0o777)
    expect(await said({ ...site, args: [...site.args, '--replace'] })).toEqual([])
  })

  test.each([
    ['verify', '--depth', 'archive'],
    ['restore', '--latest', '--dry-run'],
  ])('the key that opens backups: told by %s', async (...command) => {
    const site = await openSite()
    expect(await said(site)).toEqual([])
    await chmod(site.identityFile, 0o644)
    const ended = await runTool([...command, ...site.args], withIdentity(site))
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect(ended.stderr).toContain(
      `Every user of this machine can read ${site.identityFile}, which holds a secret: chmod o= ${site.identityFile}`,
    )
  })
})
