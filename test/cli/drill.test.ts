import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { decodeReport } from '../../src/domain/drill-report.ts'
import type { Status } from '../../src/domain/status.ts'
import {
  backedUpDrillSite,
  copyOf,
  drillAt,
  drillSiteFor,
  failedIn,
  hostOf,
  keptRegistrySite,
  reportsOf,
  type DrillSite,
} from '../support/drills.ts'
import { dumpOfWorker, intoFolder, olderDaily, putAll } from '../support/older-backups.ts'
import { newMailbox } from '../support/mailbox.ts'
import { newDatabase, query, urlOf } from '../support/postgres.ts'
import { manifestsOf, newSite, runTool, runToolJson, withIdentity } from '../support/tool.ts'
import { newStateFolder, processesIn } from '../support/state-folder.ts'

let kept: Awaited<ReturnType<typeof keptRegistrySite>>
beforeAll(async () => {
  // Everybody else in it has an address that no mail can reach.
  kept = await keptRegistrySite(
    `UPDATE users SET email = 'admin@oyo.gov.ng' WHERE id = (
       SELECT u.id FROM users u JOIN roles r ON r.id = u.role_id WHERE r.name = 'super_admin' AND u.status = 'active' LIMIT 1)`,
  )
})
afterAll(() => kept.remove())

const registryPlace = async (): Promise<DrillSite> => drillSiteFor(await copyOf(kept.site))

/** However busy the machine is: a drill is several programs and a server's work. */
const patient = { timeout: 300_000 }

describe('a drill', patient, () => {
  test('of a registry is green, and its report says what was done, to what, by what, and with which figures', async () => {
    const { site, environment, leftovers } = await registryPlace()
    const [manifest] = await manifestsOf(site)
    const mailbox = await newMailbox()
    const drilled = await drillAt({
      ...environment,
      SMTP_URL: mailbox.url,
      EMAIL_FROM: 'backup@oyo.gov.ng',
      BACKUP_ALERT_EMAILS: 'auditor@oyo.gov.ng',
    })
    expect(drilled.exitCode, drilled.stderr).toBe(0)
    expect(drilled.report).toMatchObject({
      formatVersion: 1,
      verdict: 'green',
      exitStatus: 0,
      backup: { key: manifest?.s3Key, sha256: manifest?.checksumSha256, signedBy: manifest?.signature?.keyId },
      by: { pgDump: manifest?.tool.pgDump, tool: manifest?.tool.version },
      restoredInto: { kind: 'verify-server', kept: false },
      figures: { tables: 5, rows: 4527, plainBytes: manifest?.plain.sizeBytes, largeObjects: 0 },
      auditChain: { rows: 500, tailHash: manifest?.auditChain?.tailHash, selfHashFailures: 0, forks: 0, gaps: 0 },
      recovery: { objectiveMs: 3_600_000 },
    })
    expect(drilled.states).toEqual({
      manifest: 'ok',
      archive: 'ok',
      restore: 'ok',
      'recovery time': 'ok',
      tables: 'ok',
      definitions: 'ok',
      sequences: 'ok',
      'large objects': 'ok',
      'audit chain': 'ok',
      roles: 'ok',
      alarm: 'ok',
    })
    expect(drilled.details['tables']).toContain('5 with 4,527 rows, measured again')
    expect(drilled.report.stages.map(({ name }) => name)).toEqual([
      'archive',
      'open the place',
      'restore',
      'compare',
      'application',
      'clean up',
    ])

    // It lies in the store, whole and signed with this host's key.
    const text = await readFile(join(site.store, drilled.reportKey ?? ''), 'utf8')
    const key = createPublicKey(createPrivateKey(await readFile(site.signingKeyFile)))
    expect(decodeReport('', text, [key])).toMatchObject({
      signature: 'valid',
      report: { sentence: drilled.report.sentence },
    })
    expect(decodeReport('', text.replace('"rows": 4527', '"rows": 4528'), [key])?.signature).toBe('wrong')

    // It was mailed to the administrators whom the restored database names, for there is no other here, and to the auditor.
    expect(mailbox.received.map(({ to }) => to).toSorted()).toEqual(['admin@oyo.gov.ng', 'auditor@oyo.gov.ng'])
    for (const { text } of mailbox.received) expect(text).toMatch(/^Subject: .*Drill/im)

    // Nothing of the restored data is left, and `list` shows the drill beside its backup.
    expect(await leftovers()).toEqual([])
    const { document } = await runToolJson(['list'], environment)
    expect(document).toMatchObject({
      backups: [
        { tier: 'daily', lastDrill: { verdict: 'green', reportKey: drilled.reportKey, signature: 'valid' } },
        { tier: 'monthly', lastDrill: null },
      ],
    })
    const listed = await runTool(['list'], environment)
    expect(listed.stdout).toContain('complete, drilled')
    expect(listed.stdout).toMatch(/Last drill, \d.* ago: GREEN: /)
  })

  test('of every backup reads like reports to an auditor, and a later one knows what the first found', async () => {
    const { site, environment } = await registryPlace()
    const { stdout, exitCode, stderr } = await runTool(['verify', '--all'], environment)
    expect(exitCode, stderr).toBe(0)
    for (const line of [
      /^Report of a restore drill\n\nbackup +backups\/daily\//,
      /^backup +backups\/monthly\//m,
      /^signed by +[0-9a-f]{16}$/m,
      /^into +a scratch database on 127\.0\.0\.1, PostgreSQL 15.*removed again$/m,
      /^ok +tables +5 with 4,527 rows, measured again: 5 with the same digest$/m,
      /^ok +audit chain +500 rows, 0 altered; 0 forks, 0 gaps$/m,
      /^ok +audit chain +500 rows, 0 altered; 0 forks, 0 gaps \(0 and 0 at the drill before\)$/m,
      /^ok +roles +all 7 of the application's are there$/m,
      /^ok +alarm +the comparison turned red/m,
      /^GREEN: backups\/monthly\/.* was brought back, and is what was recorded\.$/m,
      /^The report of this drill is backups\/drills\/.*-drill\.json\.$/m,
      /^2 of 2 drills are green\.$/m,
    ])
      expect(stdout).toMatch(line)
    expect((await reportsOf(site)).map(({ backup }) => backup.tier).toSorted()).toEqual(['daily', 'monthly'])
  })
})

describe('what comes back otherwise and is yet the same', patient, () => {
  test('rows that lie elsewhere, columns in another place, casts that the server moves: green, and each is said', async () => {
    const url = await newDatabase(inject('pgPort'), {
      sql: `
        -- A long row leaves room on its page that a later, shorter one takes when it is restored.
        CREATE TABLE uneven AS SELECT g AS id, repeat(md5(g::text), g * 7919 % 60) AS words FROM generate_series(1, 5000) g;
        -- Restored, the parent's new column comes before the child's own.
        CREATE TABLE parent (a int);
        CREATE TABLE child (b text) INHERITS (parent);
        ALTER TABLE parent ADD COLUMN c timestamptz;
        INSERT INTO child VALUES (1, E'x\\ty', '2026-01-01 00:00:00+01'), (2, NULL, 'infinity');
        -- Its condition is written with the casts in other places when it has been read back.
        CREATE TABLE statuses (s varchar(20) CHECK (s IN ('new', 'done')));
        INSERT INTO statuses VALUES ('new');`,
    })
    const { environment } = await backedUpDrillSite(url, { BACKUP_KEY_TABLES: 'uneven' })
    const drilled = await drillAt(environment)
    expect(drilled.exitCode, drilled.details['tables']).toBe(0)
    expect(drilled.details['tables']).toMatch(
      /measured again: 3 with the same digest, 1 with the same rows in another order/,
    )
    expect(drilled.details['definitions']).toMatch(/2 of them the server writes otherwise, as a second restore shows/)
    expect(drilled.report.stages.map(({ name }) => name)).toContain('second restore, of the definitions')
  })
})

describe('where a drill restores', patient, () => {
  test('a private cluster of its own, with every awkward thing, is gone afterwards', async () => {
    const site = await newSite(await newDatabase(inject('pgPort'), { file: 'awkward.sql' }))
    expect(await runTool(['run'], { ...site.environment, BACKUP_KEY_TABLES: 'parent' })).toMatchObject({ exitCode: 0 })
    const state = await newStateFolder()
    const drilled = await drillAt(hostOf(site, { BACKUP_STATE_DIR: state }))
    expect(drilled.exitCode, drilled.stderr).toBe(0)
    expect(drilled.report.restoredInto).toMatchObject({ kind: 'private-cluster' })
    expect(drilled.details['large objects']).toBe('2, with the same content')
    expect(drilled.states['audit chain']).toBe('warning')
    expect(await processesIn(state)).toEqual([])
    // What is remembered is the verdict alone.
    expect((await readdir(state)).toSorted()).toEqual(['oslrs-backup.prom', 'status.json'])
    const { lastDrill } = JSON.parse(await readFile(join(state, 'status.json'), 'utf8')) as Status
    expect(lastDrill).toEqual({
      at: drilled.report.startedAt,
      passed: true,
      key: drilled.report.backup.key,
      sentence: drilled.report.sentence,
    })
    const metrics = await readFile(join(state, 'oslrs-backup.prom'), 'utf8')
    expect(metrics).toMatch(/^backup_last_drill_success 1$/m)
  })

  test('--target-db: a new database is kept and belongs to the role of the URL; one that holds anything is refused', async () => {
    const { environment, leftovers } = await registryPlace()
    const { VERIFY_DATABASE_URL: _, ...host } = environment
    const target = urlOf(inject('pgPort'), `kept_${String(process.pid)}`)
    const drilled = await drillAt(host, '--target-db', target)
    expect(drilled.exitCode, drilled.stderr).toBe(0)
    expect(drilled.report.restoredInto).toMatchObject({ kind: 'target-db', kept: true })
    expect(await query(target, 'SELECT count(*)::int AS count FROM respondents')).toEqual([{ count: 2000 }])
    expect(await query(target, `SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class`)).toEqual([
      { owner: 'postgres' },
    ])
    expect(await leftovers()).toEqual([])

    const again = await drillAt(host, '--target-db', target)
    expect(again.exitCode).toBe(73)
    expect(again.report).toMatchObject({ verdict: 'not-made', exitStatus: 73 })
    expect(again.details['open the place']).toContain('is not empty')
    expect(await query(target, 'SELECT count(*)::int AS count FROM respondents')).toEqual([{ count: 2000 }])
  })

  test('a role that may create databases and nothing else will do; what a killed drill left is swept', async () => {
    const site = await copyOf(kept.site)
    const role = `drill_${String(process.pid)}`
    await query(urlOf(inject('pgPort'), 'postgres'), `CREATE ROLE ${role} LOGIN CREATEDB`)
    const { environment, leftovers, prefix } = await drillSiteFor(site, role)
    await query(urlOf(inject('pgPort'), 'postgres', role), `CREATE DATABASE ${prefix}left_behind`)
    expect(await leftovers()).toHaveLength(1)
    const drilled = await drillAt(environment)
    expect(drilled.exitCode, drilled.stderr).toBe(0)
    expect(drilled.stderr).toContain(`${prefix}left_behind, which a killed drill had left`)
    expect(await leftovers()).toEqual([])
  })

  test.each<[string, Record<string, string>, number, RegExp]>([
    [
      'a server that does not answer',
      { VERIFY_DATABASE_URL: 'postgres://postgres@127.0.0.1:1/postgres' },
      75,
      /does not answer/,
    ],
    ['a state folder that is not there', { BACKUP_STATE_DIR: '/nonexistent/state' }, 78, /there is no folder/],
  ])('%s: not made, not a pass, and reported', async (_what, place, exitStatus, sentence) => {
    const site = await copyOf(kept.site)
    const drilled = await drillAt(hostOf(site, place))
    expect(drilled.exitCode).toBe(exitStatus)
    expect(drilled.report).toMatchObject({ verdict: 'not-made', exitStatus, recovery: null })
    expect(drilled.report.sentence).toMatch(/^NOT MADE: /)
    expect(failedIn(drilled)).toEqual(['open the place'])
    expect(drilled.details['open the place']).toMatch(sentence)
    expect(await reportsOf(site)).toHaveLength(1)
    const listed = await runTool(['list'], withIdentity(site))
    expect(listed.stdout).toMatch(/Last drill, .* ago: NOT MADE: /)
    expect(listed.stdout).not.toContain('complete, drilled')
  })

  test('an extension that only a superuser may create is created by name, for an archive that is vouched for, and for no other', async () => {
    const url = await newDatabase(inject('pgPort'), {
      sql: `CREATE SCHEMA inspection; CREATE EXTENSION pageinspect SCHEMA inspection; CREATE EXTENSION pg_trgm; CREATE TABLE users (id int);`,
    })
    const { environment, leftovers } = await backedUpDrillSite(url)
    const drilled = await drillAt(environment)
    expect(drilled.exitCode, JSON.stringify(drilled.details)).toBe(0)
    const { BACKUP_TRUSTED_KEYS: _, ...believing } = environment
    const refused = await drillAt(believing)
    expect(refused.exitCode).toBe(78)
    expect(refused.details['open the place']).toContain('pageinspect, which only a superuser may create')
    expect(await leftovers()).toEqual([])
  })
})

describe('a backup of the previous system', patient, () => {
  test('is drilled with the checks that it allows, and the report says what nothing shows', async () => {
    const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
    const place = await drillSiteFor(await newSite(url))
    const encryption = '7'.repeat(64)
    const night = { date: new Date().toISOString().slice(0, 10), sql: await dumpOfWorker(url), encryption }
    await putAll(olderDaily(night), intoFolder(place.site.store))
    const drilled = await drillAt({ ...place.environment, BACKUP_ENCRYPTION_KEY: encryption })
    expect(drilled.exitCode, JSON.stringify(drilled.details)).toBe(0)
    expect(drilled.states).toMatchObject({ manifest: 'warning', tables: 'ok', definitions: 'ok', alarm: 'ok' })
    expect(drilled.report.sentence).toMatch(/^GREEN: .* was brought back, and is what the archive holds \(1 note\)\.$/)
    expect(drilled.report.backup).toMatchObject({ encryption: 'aes-256-gcm', signedBy: null })

    const other = await drillAt({ ...place.environment, BACKUP_ENCRYPTION_KEY: '8'.repeat(64) })
    expect(other.exitCode).toBe(78)
    expect(other.report.verdict).toBe('not-made')
    expect(other.details['archive']).toContain('does not open this backup')
  })
})
