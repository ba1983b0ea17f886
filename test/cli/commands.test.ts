import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { newDatabase, query, urlOf } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import {
  filesUnder,
  manifestsOf,
  newFolder,
  newSite,
  runTool,
  runToolJson,
  withIdentity,
  type Site,
} from '../support/tool.ts'

const smallSite = async (): Promise<Site> =>
  newSite(
    await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2);' }),
  )

/** A site with one backup in it. */
const backedUp = async (): Promise<Site> => {
  const site = await smallSite()
  expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
  return site
}

const today = (): string => new Date().toISOString().slice(0, 10)

describe('usage', () => {
  test.each([
    [['restore', '--latest', '--target-bd', 'x'], 'Did you mean --target-db?'],
    [['lsit'], "Unknown command 'lsit'"],
    [[], 'No command was given'],
    [['list', 'extra'], 'Too many arguments'],
    [['list', '--max-age', 'tomorrow'], '--max-age tomorrow is not a duration'],
    [['list', '--tier', 'weekly'], 'weekly'],
    [['restore'], 'Which backup?'],
    [['restore', '--latest', '--date', '2026-01-01'], 'More than one backup was named'],
    [['restore', '--date', '2026-02-30'], '--date 2026-02-30 is not a day'],
    [['restore', '--monthly', '2026-13'], '--monthly 2026-13 is not a month'],
    [['restore', '--latest', '--target-db', 'mysql://x'], 'The URL given with --target-db'],
    [['verify', '--depth', 'deep'], 'deep'],
    [['verify', '--all', '--latest'], 'More than one backup was named'],
    [['verify', '--all', '--target-db', 'postgres://me@h/d'], '--target-db takes one backup'],
    [['verify', '--depth', 'archive', '--target-db', 'postgres://me@h/d'], 'it restores nothing'],
    [['verify', '--target-db', 'mysql://x'], 'The URL given with --target-db'],
    [['run', '--no-such'], "Unknown option '--no-such'"],
    [['run', '--scheduled', '--replace'], '--scheduled does not go with --replace or --dry-run'],
    [['run', '--scheduled', '--dry-run'], '--scheduled does not go with --replace or --dry-run'],
    [['run', '--unit', 'x.service'], '--unit belongs to --scheduled'],
    [['retry-wait'], "Missing required argument 'unit'"],
    [['alert', 'ssh.service'], 'ssh.service is no unit that people are alerted about'],
    [['env-value', 'DATABASE_URL'], 'DATABASE_URL is a secret'],
    [['env-value', 'BACKUP_NMAE'], 'BACKUP_NMAE is not a name of the configuration'],
    [['env-template', '--set', 'BACKUP_NMAE=x'], 'BACKUP_NMAE is not a name of the configuration'],
  ])('%j is refused with 64 and the next step', async (args, sentence) => {
    const ended = await runTool(args, { BACKUP_STORE_DIR: '/nonexistent' })
    expect(ended.exitCode).toBe(64)
    expect(ended.stderr).toContain(sentence)
    expect(ended.stderr).toContain('→')
    expect(ended.stdout).toBe('')
  })

  test.each(['run', 'list', 'restore', 'verify', 'promote', 'prune'])(
    '%s --help shows examples and every exit status',
    async (command) => {
      const { exitCode, stdout } = await runTool([command, '--help'], {})
      expect(exitCode).toBe(0)
      expect(stdout).toContain('Examples:')
      for (const status of [0, 64, 65, 66, 69, 70, 73, 75, 78, 130, 143])
        expect(stdout).toContain(` ${String(status)}  `)
    },
  )

  test('a failure under --json is one JSON document as well', async () => {
    const { exitCode, document } = await runToolJson(['list', '--frob'], {})
    expect(exitCode).toBe(64)
    expect(document).toMatchObject({ formatVersion: 1, ok: false, exitStatus: 64, error: { code: 'usage' } })
  })
})

describe('run', () => {
  test('a second backup of the day is refused, and --replace makes one beside the first', async () => {
    const site = await backedUp()
    const refused = await runTool(['run'], site.environment)
    expect(refused.exitCode).toBe(73)
    expect(refused.stderr).toContain('--replace')

    expect(await runTool(['run', '--replace'], site.environment)).toMatchObject({ exitCode: 0 })
    expect(await filesUnder(join(site.store, 'backups/daily'))).toEqual([
      `${today()}-app_db.r2.sql.gz.age`,
      `${today()}-app_db.sql.gz.age`,
    ])
    const { document } = await runToolJson(['list'], site.environment)
    expect(document).toMatchObject({
      backups: [
        { tier: 'daily', state: 'complete' },
        { tier: 'daily', state: 'orphan' },
        { tier: 'monthly', state: 'complete' },
      ],
    })
    await expectSound(site)
  })

  test('an orphan of an interrupted run is not written over, and hinders nothing', async () => {
    const site = await smallSite()
    const orphan = join(site.store, `backups/daily/${today()}-app_db.sql.gz.age`)
    await mkdir(join(site.store, 'backups/daily'), { recursive: true, mode: 0o700 })
    await chmod(join(site.store, 'backups'), 0o700)
    await writeFile(orphan, 'half a backup', { mode: 0o600 })
    expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
    expect(await readFile(orphan, 'utf8')).toBe('half a backup')
    await expectSound(site)
  })

  test('another cluster or environment under the same name is refused, and --adopt accepts it', async () => {
    const site = await backedUp()
    const elsewhere = { ...site.environment, BACKUP_ENVIRONMENT: 'laptop' }
    const refused = await runTool(['run', '--replace'], elsewhere)
    expect(refused.exitCode).toBe(73)
    expect(refused.stderr).toContain('the environment was production, and here is laptop')
    expect(refused.stderr).toContain('oslrs-backup run --adopt')
    expect(await runTool(['run', '--replace', '--adopt'], elsewhere)).toMatchObject({ exitCode: 0 })
  })

  test('the signature covers every field, and binds the manifest to its own day', async () => {
    const site = await backedUp()
    const folder = join(site.store, 'backups/manifests')
    const text = await readFile(join(folder, `${today()}-manifest.json`), 'utf8')
    await copyFile(join(folder, `${today()}-manifest.json`), join(folder, '2020-01-01-manifest.json'))
    await writeFile(join(folder, `${today()}-manifest.json`), text.replace('"rows": 2', '"rows": 3'))
    const { document } = await runToolJson(['list'], site.environment)
    expect(document).toMatchObject({
      backups: [
        { period: today(), state: 'damaged', why: 'its manifest was altered after it was signed' },
        { period: today().slice(0, 7), state: 'complete' },
        { period: '2020-01-01', state: 'damaged', why: 'its manifest speaks of another backup' },
      ],
    })
  })

  test('without a signing key it works, and says so', async () => {
    const site = await smallSite()
    const { BACKUP_SIGNING_KEY_FILE: _, BACKUP_TRUSTED_KEYS: __, ...environment } = site.environment
    const ran = await runTool(['run'], environment)
    expect(ran.exitCode).toBe(0)
    expect(ran.stdout).toContain('Note: The manifest is not signed')
    // Where keys are trusted, the same backup does not count.
    const { document } = await runToolJson(['list'], site.environment)
    const unsigned = { state: 'damaged', why: 'its manifest is not signed' }
    expect(document).toMatchObject({ backups: [unsigned, unsigned] })
  })

  test.each([
    ['with no key', { BACKUP_SIGNING_KEY_FILE: '' }, 'A backup must be signed here'],
    [
      'with a key that is not trusted',
      { BACKUP_TRUSTED_KEYS: Buffer.alloc(32, 7).toString('base64') },
      'does not itself trust',
    ],
  ])(
    'where keys are trusted, %s none is made: it would count as damaged, in the place of a good one',
    async (_what, change, sentence) => {
      const site = await smallSite()
      expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
      const before = await filesUnder(site.store)
      const { exitCode, stderr } = await runTool(['run', '--replace'], { ...site.environment, ...change })
      expect(exitCode).toBe(78)
      expect(stderr).toContain(sentence)
      expect(stderr).toContain('→')
      expect(await filesUnder(site.store)).toEqual(before)
      expect(await runTool(['list', '--max-age', '1h'], site.environment)).toMatchObject({ exitCode: 0 })
    },
  )

  test('encryption is switched off only in so many words, and then the name tells it', async () => {
    const site = await smallSite()
    const { BACKUP_AGE_RECIPIENTS: _, ...environment } = site.environment
    expect(await runTool(['run'], environment)).toMatchObject({ exitCode: 78 })
    expect(await filesUnder(site.store)).toEqual([])
    const ran = await runTool(['run'], { ...environment, BACKUP_ENCRYPTION: 'none' })
    expect(ran.exitCode).toBe(0)
    expect(ran.stdout).toContain('Note: The backup is not encrypted')
    expect((await manifestsOf(site))[0]?.filename).toBe(`${today()}-app_db.sql.gz`)
  })

  test('journald gets priorities, and one line for each message', async () => {
    const site = await smallSite()
    const { stderr } = await runTool(['run'], { ...site.environment, JOURNAL_STREAM: '8:1234' })
    expect(stderr.split('\n').filter((line) => !/ stage=\w+ duration_ms=\d+/.test(line))).toEqual([
      expect.stringMatching(/^<6>Backing up the database .* server=15/),
      expect.stringMatching(/^<6>The backup .* is complete\. size_bytes=\d+ duration_ms=\d+ sha256=[0-9a-f]{64}$/),
      expect.stringMatching(/^<6>The backup of .* is now the monthly of .* key=/),
      '<6>There is no audit row: there is no table public.audit_logs.',
      '<6>Nobody is told by mail: neither SMTP_URL nor RESEND_API_KEY is set.',
    ])
  })
})

describe('run --dry-run', () => {
  test('exercises every part and leaves nothing', async () => {
    const site = await smallSite()
    const { exitCode, document } = await runToolJson(['run', '--dry-run'], site.environment)
    expect(exitCode).toBe(0)
    const { checks } = document as { checks: { name: string; state: string }[] }
    expect(checks.map((check) => check.name)).toEqual([
      'database',
      'rights',
      'lock',
      'snapshot',
      'dump, seal',
      'encryption',
      'signature',
      'store',
      'store habits',
      'source',
      'state folder',
      'mail',
      'audit trail',
    ])
    // There is neither a mail server nor an audit trail there.
    expect(checks.filter((check) => check.state !== 'ok').map((check) => check.name)).toEqual(['mail', 'audit trail'])
    expect(await filesUnder(site.store)).toEqual([])
  })

  test.each([
    ['the server is down', { DATABASE_URL: urlOf(1, 'x') }, 75, 'database'],
    ['age is missing', { PATH: '/nonexistent' }, 78, 'dump, seal'],
    ['the folder is missing', { BACKUP_STORE_DIR: '/nonexistent/backups' }, 78, 'store'],
    ['what is signed is not trusted', { BACKUP_TRUSTED_KEYS: Buffer.alloc(32, 7).toString('base64') }, 78, 'signature'],
  ])('says so when %s', async (_what, change, status, failing) => {
    const site = await smallSite()
    const { exitCode, document } = await runToolJson(['run', '--dry-run'], { ...site.environment, ...change })
    expect(exitCode).toBe(status)
    const { checks } = document as { checks: { name: string; state: string; hint: string | null }[] }
    expect(checks.filter((check) => check.state === 'failed').map((check) => check.name)).toContain(failing)
    expect(await filesUnder(site.store)).toEqual([])
  })
})

describe('list', () => {
  test('of nothing says so, and is stale for a watchman', async () => {
    const site = await smallSite()
    expect(await runTool(['list'], site.environment)).toMatchObject({ exitCode: 0 })
    const stale = await runTool(['list', '--max-age', '26h'], site.environment)
    expect(stale.exitCode).toBe(65)
    expect(stale.stdout).toContain('STALE: there is no complete backup.')
  })

  test('needs no database, no keys for opening, and judges by the time in the manifest', async () => {
    const site = await backedUp()
    const watchman = { BACKUP_STORE_DIR: site.store, BACKUP_TRUSTED_KEYS: site.publicKeyFile }
    expect(await runTool(['list', '--max-age', '1h'], watchman)).toMatchObject({ exitCode: 0 })
    expect(await runTool(['list', '--max-age', '0s'], watchman)).toMatchObject({ exitCode: 65 })
  })

  test('an archive that is missing, or of another size, is damaged and does not count', async () => {
    const site = await backedUp()
    const archive = join(site.store, `backups/daily/${today()}-app_db.sql.gz.age`)
    await rename(archive, `${archive}.gone`)
    // The monthly is a good backup of the same night; without it there is none.
    expect(await runTool(['list', '--max-age', '26h'], site.environment)).toMatchObject({ exitCode: 0 })
    await rm(join(site.store, 'backups/monthly'), { recursive: true })
    const missing = await runTool(['list', '--max-age', '26h'], site.environment)
    expect(missing).toMatchObject({ exitCode: 65 })
    expect(missing.stdout).toContain('damaged: its object is missing')
    await writeFile(archive, 'short')
    expect((await runTool(['list'], site.environment)).stdout).toContain('damaged: its object has 5 bytes')
  })
})

describe('verify', () => {
  test('the stored bytes need no key; the archive does, and a wrong one is no pass', async () => {
    const site = await backedUp()
    expect(await runTool(['verify', '--depth', 'stored'], site.environment)).toMatchObject({ exitCode: 0 })
    expect(await runTool(['verify', '--depth', 'archive'], site.environment)).toMatchObject({ exitCode: 78 })
    const other = await smallSite()
    const wrong = await runTool(['verify', '--depth', 'archive'], {
      ...site.environment,
      BACKUP_AGE_IDENTITY_FILE: other.identityFile,
    })
    expect(wrong.exitCode).toBe(78)
    expect(wrong.stdout).toContain('does not open this backup')
  })

  test('a damaged one among several is named, and the status is 65', async () => {
    const site = await backedUp()
    await runTool(['run', '--replace'], site.environment)
    const [manifest] = await manifestsOf(site)
    const archive = join(site.store, manifest?.s3Key ?? '')
    const bytes = await readFile(archive)
    bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1
    await writeFile(archive, bytes)
    for (const depth of ['stored', 'archive']) {
      const ended = await runTool(['verify', '--all', '--depth', depth], withIdentity(site))
      expect(ended.exitCode).toBe(65)
      expect(ended.stdout).toContain('NOT good')
    }
  })
})

describe('restore', () => {
  test('a database that holds anything is refused and untouched', async () => {
    const site = await backedUp()
    const target = await newDatabase(inject('pgPort'), { sql: 'CREATE VIEW only_a_view AS SELECT 1' })
    const ended = await runTool(
      ['restore', '--latest', '--target-db', target, '--owner', 'postgres'],
      withIdentity(site),
    )
    expect(ended.exitCode).toBe(73)
    expect(await query(target, "SELECT to_regclass('users') AS t")).toEqual([{ t: null }])
    // No --target-db means DATABASE_URL, which here is the live database: refused as well.
    expect(await runTool(['restore', '--latest'], withIdentity(site))).toMatchObject({ exitCode: 73 })
  })

  test('of a day without backup names the nearest ones', async () => {
    const site = await backedUp()
    const ended = await runTool(
      ['restore', '--date', '2020-05-05', '--target-db', urlOf(inject('pgPort'), 'nope')],
      withIdentity(site),
    )
    expect(ended.exitCode).toBe(66)
    expect(ended.stderr).toContain(`Nearest: ${today()}`)
  })

  test('with more than one thing in the way: a line for each, and one for what to do about it', async () => {
    const site = await backedUp()
    const target = 'postgres://nobody@127.0.0.1:1/nope'
    const ended = await runTool(['restore', '--date', '2020-05-05', '--target-db', target], withIdentity(site))
    expect(ended.exitCode).toBe(66)
    expect(ended.stderr.trimEnd().split('\n')).toEqual([
      'The restore cannot begin.',
      '  - There is no backup of the day 2020-05-05.',
      '  - The database server at 127.0.0.1, port 1 does not answer (connection refused).',
      `  → Nearest: ${today()}. See all: oslrs-backup list`,
      '  → Is it running? See: systemctl status postgresql, or docker ps.',
    ])
  })

  test('a role that may not create databases is told before anything is written', async () => {
    const site = await backedUp()
    await query(urlOf(inject('pgPort'), 'postgres'), 'DROP ROLE IF EXISTS plain_role')
    await query(urlOf(inject('pgPort'), 'postgres'), 'CREATE ROLE plain_role LOGIN')
    const target = urlOf(inject('pgPort'), 'not_there', 'plain_role')
    const ended = await runTool(
      ['restore', '--latest', '--target-db', target, '--owner', 'postgres'],
      withIdentity(site),
    )
    expect(ended.exitCode).toBe(78)
    expect(ended.stderr).toContain('may not create databases')
  })
})

describe('configuration', () => {
  test('from a file, a credential and the environment, which wins', async () => {
    const site = await smallSite()
    const folder = await newFolder()
    await writeFile(join(folder, 'DATABASE_URL'), `${site.environment['DATABASE_URL'] ?? ''}\n`)
    await writeFile(
      join(folder, 'env'),
      `# comment\nBACKUP_STORE_DIR="/nonexistent"\nBACKUP_AGE_RECIPIENTS='${site.environment['BACKUP_AGE_RECIPIENTS'] ?? ''}'\nBACKUP_NAME=registry\n`,
    )
    const ended = await runTool(['run', '--env-file', join(folder, 'env')], {
      CREDENTIALS_DIRECTORY: folder,
      BACKUP_STORE_DIR: site.store,
    })
    expect(ended).toMatchObject({ exitCode: 0 })
    expect(await filesUnder(join(site.store, 'backups/daily'))).toEqual([`${today()}-registry.sql.gz.age`])
  })

  test('all faults at once, each naming its setting, none its value', async () => {
    const folder = await newFolder()
    await writeFile(
      join(folder, 'env'),
      'BACKUP_NMAE=x\nDATABASE_URL=mysql://secret-word\nBACKUP_AGE_RECIPIENTS=age1secret-word\nBACKUP_DAILY_DAYS=many\n',
    )
    const { exitCode, stderr } = await runTool(['run', '--env-file', join(folder, 'env')], {})
    expect(stderr).toContain(`Mend them in ${join(folder, 'env')} (or`)
    expect(exitCode).toBe(78)
    for (const name of [
      'BACKUP_NMAE',
      'DATABASE_URL',
      'BACKUP_AGE_RECIPIENTS',
      'BACKUP_DAILY_DAYS',
      'BACKUP_STORE_DIR',
    ])
      expect(stderr).toContain(name)
    expect(stderr).not.toContain('secret-word')
  })
})

test('a newer backup that is damaged is told when an older one is restored', async () => {
  const site = await backedUp()
  await writeFile(join(site.store, 'backups/manifests/2999-01-01-manifest.json'), '{', { mode: 0o600 })
  const target = urlOf(inject('pgPort'), `older_${String(process.pid)}`)
  const { exitCode, document } = await runToolJson(
    ['restore', '--latest', '--target-db', target, '--owner', 'postgres'],
    withIdentity(site),
  )
  expect(exitCode).toBe(0)
  expect(document).toMatchObject({
    warnings: expect.arrayContaining([
      expect.stringContaining('a newer backup, of 2999-01-01, that cannot be used'),
    ]) as string[],
  })
})

describe('run --scheduled', () => {
  test('makes the backup that is due, and nothing more when it is there', async () => {
    const site = await smallSite()
    const due = new Date(Date.now() - 3_600_000).toISOString().slice(0, 10)
    expect(await runToolJson(['run', '--scheduled'], site.environment)).toMatchObject({
      exitCode: 0,
      document: { ok: true },
    })
    const files = await filesUnder(site.store)
    const again = await runToolJson(['run', '--scheduled'], { ...site.environment, DATABASE_URL: urlOf(1, 'gone') })
    // Between midnight and 01:00 UTC, today's is later than what is due, and satisfies it.
    expect(again).toMatchObject({
      exitCode: 0,
      document: { ok: true, due, existing: { key: expect.any(String) as string } },
    })
    expect(await filesUnder(site.store)).toEqual(files)
    const { stdout } = await runTool(['run', '--scheduled'], site.environment)
    expect(stdout).toContain(`Nothing to do: the backup that is due, of ${due}, is there`)
  })

  test('under a unit that systemd does not know of counts as a first attempt, which does not wait', async () => {
    const site = await smallSite()
    const environment = {
      ...site.environment,
      DATABASE_URL: urlOf(1, 'gone'),
      JOURNAL_STREAM: '1:1',
      PATH: '/nonexistent',
    }
    const waited = await runTool(['retry-wait', 'oslrs-backup.service'], environment)
    expect(waited).toMatchObject({ exitCode: 0, stdout: '' })
    expect(waited.stderr).toContain('<4>systemctl does not say what has become of oslrs-backup.service.')
    const ran = await runTool(['run', '--scheduled', '--unit', 'oslrs-backup.service'], environment)
    expect(ran.exitCode).toBe(75)
    expect(ran.stderr).toContain('<6>Attempt 1 of 4.')
  })
})
