import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { expectFault, expectNothingLeft, runAt } from '../support/faults.ts'
import { newDatabase, query, startCluster, urlOf } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { newSite, type Site } from '../support/tool.ts'

const nothing = { files: [], complete: [] }

/** A site on a server of its own, on which the role `locked` needs a password; the URL holds it percent-encoded. */
const siteWithPassword = async (password: string): Promise<Site> => {
  const cluster = await startCluster()
  onTestFinished(() => cluster.stop())
  const admin = urlOf(cluster.port, 'postgres')
  await query(admin, `CREATE ROLE locked SUPERUSER LOGIN PASSWORD '${password}'`)
  await writeFile(
    join(cluster.folder, 'data/pg_hba.conf'),
    'host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n',
  )
  await query(admin, 'SELECT pg_reload_conf()')
  await query(admin, 'CREATE TABLE users AS SELECT 1 AS id')
  return newSite(urlOf(cluster.port, 'postgres', `locked:${encodeURIComponent(password)}`))
}

describe('the password', () => {
  const right = 'Canary/of+the=right@one#%41'
  const wrong = 'Canary/of+the=wrong@one#%41'

  test('is wrong, or not passed on to pg_dump: 78, and it is told to nobody', async () => {
    const site = await siteWithPassword(right)
    const url = site.environment['DATABASE_URL'] ?? ''
    const encodings = (password: string) => [password, encodeURIComponent(password), encodeURI(password)]
    const expectUntold = (text: string): void => {
      for (const told of [...encodings(right), ...encodings(wrong)]) expect(text).not.toContain(told)
      expect(text).not.toContain('Canary')
    }

    for (const given of [encodeURIComponent(wrong), wrong])
      for (const flags of [[], ['--verbose'], ['--json', '--verbose'], ['--dry-run', '--verbose']]) {
        const changed = { DATABASE_URL: url.replace(encodeURIComponent(right), given) }
        const ended = await runAt(site, ['run', ...flags], changed)
        expect(ended).toMatchObject({ exitCode: 78 })
        expect(ended.stderr + ended.stdout).toContain('refused the login of locked')
        expectUntold(ended.stderr + ended.stdout)
      }
    await expectNothingLeft(site, nothing)

    const notPassedOn = await runAt(site, ['run'], { BACKUP_PG_COMMAND: 'env -u PGPASSWORD' })
    expectFault(notPassedOn, 78, /^pg_dump failed \(exit status 1\): .*no password supplied/m)
    expectUntold(notPassedOn.stderr)
    await expectNothingLeft(site, nothing)

    const ended = await runAt(site, ['run', '--verbose'])
    expect(ended).toMatchObject({ exitCode: 0 })
    expectUntold(ended.stderr + ended.stdout)
    await expectSound(site)
  })
})

describe('a role that may not read everything', () => {
  test('is told all that it lacks, before a byte is dumped', async () => {
    const url = await newDatabase(inject('pgPort'), {
      sql: `CREATE ROLE reader_of_little LOGIN;
            CREATE SCHEMA closed;
            CREATE TABLE users (id int); GRANT SELECT ON users TO reader_of_little;
            CREATE TABLE secret (id int);
            CREATE SEQUENCE numbers;
            CREATE TABLE hidden (id int); GRANT SELECT ON hidden TO reader_of_little;
            ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
            SELECT lo_from_bytea(0, 'somebody else''s');`,
    })
    onTestFinished(async () => {
      await query(url, 'DROP OWNED BY reader_of_little; DROP ROLE reader_of_little')
    })
    const site = await newSite(url.replace('postgres@', 'reader_of_little@'))
    const ended = await runAt(site, ['run'])
    expectFault(ended, 78, 'cannot be dumped by this role')
    expect(ended.stderr.split('\n').filter((line) => line.startsWith('  - '))).toEqual([
      '  - the role reader_of_little has no USAGE on the schema closed',
      '  - the role reader_of_little may not read the sequence public.numbers',
      '  - the role reader_of_little may not read the table public.secret',
      '  - row security hides rows of public.hidden from the role reader_of_little',
      '  - the role reader_of_little may not read 1 large objects; they need a role that owns them, or is superuser',
    ])
    expect(ended.stderr).not.toContain('Backing up')
    await expectNothingLeft(site, nothing)
  })

  test('and has no connections left: worth retrying', async () => {
    const url = await newDatabase(inject('pgPort'), {
      sql: `CREATE ROLE crowded LOGIN CONNECTION LIMIT 1 IN ROLE pg_read_all_data; CREATE TABLE users (id int)`,
    })
    onTestFinished(async () => {
      await query(url, 'DROP ROLE crowded')
    })
    const site = await newSite(url.replace('postgres@', 'crowded@'))
    expectFault(await runAt(site, ['run']), 75, 'does not answer (too many connections)')
    await expectNothingLeft(site, nothing)
  })
})
