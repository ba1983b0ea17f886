import { execa } from 'execa'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { decodeStatus, type Status } from '../../src/domain/status.ts'
import { send, startAt } from '../support/faults.ts'
import { harmPg } from '../support/faulty-programs.ts'
import { newPingServer } from '../support/ping-server.ts'
import { freePort, newDatabase, query, urlOf } from '../support/postgres.ts'
import { newMute, newSmtp, type Smtp } from '../support/smtp.ts'
import { newSite, runTool, runToolJson, type Environment, type Site } from '../support/tool.ts'

/** Administrators who can be reached, and some who cannot; nobody else of the registry's people is told anything. */
const people = (more: readonly string[] = []): string =>
  ['ade@oyo.ng', 'bola@oyo.ng', 'former@oyo.ng', 'nobody@example.com', 'root@localhost', ...more]
    .map(
      (email, n) =>
        `INSERT INTO users SELECT md5('admin ${String(n)}')::uuid, convert_from(decode('${Buffer.from(email).toString('hex')}', 'hex'), 'UTF8'), 'A', '${email.startsWith('former') ? 'suspended' : 'active'}', id, now() FROM roles WHERE name = 'super_admin';`,
    )
    .join('\n')

const hostile = [
  '"quoted\\"@oyo.ng',
  'line\r\nBcc: evil@oyo.ng',
  "o'brien@oyo.ng",
  'back\\slash@oyo.ng',
  ' ',
  '<x@oyo.ng>',
]

const registryOf = async (more: readonly string[] = []): Promise<Site> => {
  const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
  await query(url, people(more))
  return newSite(url)
}
const login = { user: 'backup', password: 'canary/p+w=@#%' }
const by = (port: number): Environment => ({
  SMTP_URL: `smtp://${login.user}:${login.password}@127.0.0.1:${String(port)}`,
  EMAIL_FROM: 'OSLRS Backup <backup@oyo.ng>',
})
const statusOf = async (site: Site): Promise<Status> => {
  const status = decodeStatus(await readFile(join(site.state, 'status.json'), 'utf8'))
  if (status === undefined) throw new Error('status.json is not a status')
  return status
}
const recipientsOf = (smtp: Smtp): string[] => smtp.taken.flatMap(({ to }) => to).toSorted()
const subjectsOf = (smtp: Smtp): string[] =>
  smtp.taken.map(({ readable }) => /^Subject: (.*)$/m.exec(readable)?.[1] ?? '')

const down = { DATABASE_URL: urlOf(1, 'registry') }

describe('a night', () => {
  test('is told to everybody who can be reached, and remembered', async () => {
    const site = await registryOf(hostile)
    const [smtp, pings] = [await newSmtp({ login }), await newPingServer()]
    const environment: Environment = {
      ...site.environment,
      ...by(smtp.port),
      BACKUP_ALERT_EMAILS: 'ops@oyo.ng,ADE@oyo.ng',
      HEALTHCHECK_URL: `http://127.0.0.1:${String(pings.port)}/uuid`,
      JOURNAL_STREAM: '8:1',
    }
    const { exitCode, stderr, document } = await runToolJson(['run'], environment)
    expect(exitCode).toBe(0)
    expect(recipientsOf(smtp)).toEqual(['ade@oyo.ng', 'bola@oyo.ng', "o'brien@oyo.ng", 'ops@oyo.ng'])
    expect(document).toMatchObject({ auditNote: null, mail: { accepted: 4, refused: [] } })
    const { manifest } = document as { manifest: { filename: string; checksumSha256: string } }
    for (const mail of smtp.taken) {
      expect(mail.to).toHaveLength(1)
      for (const part of [
        'Subject: [OSLRS] Daily Backup Completed Successfully',
        manifest.filename,
        manifest.checksumSha256,
        'respondents: 2,000',
        'Next run:',
      ])
        expect(mail.readable).toContain(part)
    }
    expect(pings.heard.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(['POST /uuid/start', 'POST /uuid'])

    const status = await statusOf(site)
    expect(status).toMatchObject({
      formatVersion: 1,
      lastAttempt: { outcome: 'succeeded', attempt: 1 },
      lastSuccess: { key: `backups/daily/${manifest.filename}`, notes: [] },
      consecutiveFailures: 0,
      lastMail: { accepted: 4 },
      undelivered: null,
      sizes: { monthly: status.sizes.daily },
    })
    expect(status.recipients).toEqual(expect.arrayContaining(['ade@oyo.ng', 'bola@oyo.ng']))
    expect(status.recipients).not.toContain('former@oyo.ng')
    const metrics = await readFile(join(site.state, 'oslrs-backup.prom'), 'utf8')
    expect(metrics).toContain('backup_duration_seconds_count 1')
    expect((await execa('promtool', ['check', 'metrics'], { input: metrics })).stdout).toBe('')

    const [row] = await query(
      environment['DATABASE_URL'] ?? '',
      `SELECT action, details->>'key' AS key FROM audit_logs ORDER BY created_at DESC LIMIT 1`,
    )
    expect(row).toEqual({ action: 'system.backup', key: `backups/daily/${manifest.filename}` })

    const lines = stderr.split('\n')
    for (const stage of [
      'store',
      'lock',
      'inspect',
      'snapshot',
      'dump',
      'prove',
      'commit',
      'promote',
      'prune',
      'audit',
      'mail',
    ])
      expect(lines).toContainEqual(expect.stringMatching(new RegExp(`^<6>.* stage=${stage} duration_ms=\\d+`)))
    expect(lines).toContainEqual(expect.stringMatching(/stage=dump duration_ms=\d+ bytes=\d+ stored_bytes=\d+$/))
    expect(lines.filter((line) => !/^<[346]>/.test(line))).toEqual([])
    expect(stderr).not.toMatch(/ade@|canary/)
  })

  test('that fails with the database down is told to those of the last success, and the next one says that it works again', async () => {
    const site = await registryOf()
    const [smtp, pings] = [await newSmtp(), await newPingServer()]
    const environment = {
      ...site.environment,
      SMTP_URL: `smtp://127.0.0.1:${String(smtp.port)}`,
      EMAIL_FROM_ADDRESS: 'backup@oyo.ng',
      EMAIL_FROM_NAME: 'OSLRS',
      HEALTHCHECK_URL: `http://127.0.0.1:${String(pings.port)}/uuid`,
    }
    expect(await runTool(['run'], environment)).toMatchObject({ exitCode: 0 })
    expect(await runTool(['run', '--replace'], { ...environment, ...down })).toMatchObject({ exitCode: 75 })
    const told = smtp.taken.slice(2)
    expect(told.flatMap(({ to }) => to)).toEqual(['ade@oyo.ng', 'bola@oyo.ng'])
    for (const { readable } of told)
      for (const part of [
        'Subject: [OSLRS] CRITICAL: Daily Backup Failed',
        'does not answer (connection',
        'While: taking the lock of all backup work',
        'Yes. It was seen in the store just now',
        'Last good backup: backups/daily/',
        'Age: ',
        'What to do now',
      ])
        expect(readable).toContain(part)
    expect(pings.heard.at(-1)).toMatch(/^POST \/uuid\/fail The database server/)
    expect(await statusOf(site)).toMatchObject({
      lastAttempt: { outcome: 'failed', failure: { stage: 'lock', code: 'database-unavailable' } },
      consecutiveFailures: 1,
      failureMail: { accepted: 2 },
    })
    const listed = await runTool(['list'], environment)
    expect(listed.stdout).toMatch(/The run of .* UTC failed: The database server/)

    // The machine has lost its store as well: what it remembers is told.
    expect(await runTool(['run'], { ...environment, ...down, BACKUP_STORE_DIR: '/nonexistent/x' })).toMatchObject({
      exitCode: 78,
    })
    expect(smtp.taken.at(-1)?.readable).toContain('this machine made one and remembers it.')

    expect(await runTool(['run', '--replace'], environment)).toMatchObject({ exitCode: 0 })
    expect(subjectsOf(smtp).at(-1)).toBe('[OSLRS] RECOVERED: Daily Backup Completed Successfully')
    expect(smtp.taken.at(-1)?.readable).toContain('after 2 nights without one')
    expect(await statusOf(site)).toMatchObject({ consecutiveFailures: 0, failureMail: null })
    const metrics = await readFile(join(site.state, 'oslrs-backup.prom'), 'utf8')
    expect(metrics).toContain('backup_duration_seconds_count 2')
  })

  test('is a success though the mail server is down, and the next mail tells what could not be told', async () => {
    const site = await registryOf()
    const ran = await runTool(['run'], { ...site.environment, ...by(await freePort()) })
    expect(ran.exitCode).toBe(0)
    expect(ran.stdout).toMatch(/A mail was not delivered to a…@oyo\.ng: 127\.0\.0\.1, port \d+: connection refused\./)
    expect(await statusOf(site)).toMatchObject({ lastAttempt: { outcome: 'succeeded' }, undelivered: { accepted: 0 } })
    expect((await runTool(['list'], site.environment)).stdout).toContain('reached nobody')

    const smtp = await newSmtp({ login })
    expect(await runTool(['run', '--replace'], { ...site.environment, ...by(smtp.port) })).toMatchObject({
      exitCode: 0,
    })
    expect(smtp.taken[0]?.readable).toMatch(/reached\s+nobody: a…@oyo\.ng/)
    expect(await statusOf(site)).toMatchObject({ undelivered: null, lastMail: { accepted: 2 } })
  })

  test('ends in bounded time though the mail server hangs', async () => {
    const site = await registryOf()
    const mute = await newMute()
    const since = performance.now()
    const ran = await runTool(['run'], { ...site.environment, ...by(mute) })
    expect(ran.exitCode).toBe(0)
    expect(performance.now() - since).toBeLessThan(50_000)
    expect(await statusOf(site)).toMatchObject({
      undelivered: { refused: [expect.stringContaining('no answer in time'), expect.anything()] },
    })
  })

  test('that a wrong configuration prevents is told by what of it still holds', async () => {
    const site = await registryOf()
    const smtp = await newSmtp({ login })
    const environment = { ...site.environment, ...by(smtp.port) }
    const ended = await runTool(['run'], { ...environment, BACKUP_AGE_RECIPIENTS: 'age1wrong', BACKUP_NAME: '../x' })
    expect(ended.exitCode).toBe(78)
    expect(recipientsOf(smtp)).toEqual(['ade@oyo.ng', 'bola@oyo.ng'])
    expect(smtp.taken[0]?.readable).toContain('BACKUP_AGE_RECIPIENTS entry 1 is not an age recipient')
    expect(await statusOf(site)).toMatchObject({
      lastAttempt: { failure: { stage: 'configuration', code: 'configuration' } },
    })
  })

  test('is not told as failed when today has its backup, or a person stops it', async () => {
    const site = await registryOf()
    const smtp = await newSmtp({ login })
    const environment = { ...site.environment, ...by(smtp.port) }
    expect(await runTool(['run'], environment)).toMatchObject({ exitCode: 0 })
    expect(await runTool(['run'], environment)).toMatchObject({ exitCode: 73 })
    expect(await statusOf(site)).toMatchObject({ lastAttempt: { outcome: 'succeeded' } })

    const harmed = await harmPg(site, { call: '--section=data', stream: 'output', at: { bytes: 1000 }, then: 'wait' })
    const running = startAt(site, ['run', '--replace'], { ...by(smtp.port), ...harmed.environment })
    await harmed.firing()
    expect(await statusOf(site)).toMatchObject({ lastAttempt: { outcome: 'running' } })
    send(running, 'SIGTERM')
    expect((await running).exitCode).toBe(143)
    expect(await statusOf(site)).toMatchObject({ lastAttempt: { outcome: 'stopped' }, consecutiveFailures: 0 })
    expect(subjectsOf(smtp).filter((subject) => subject.includes('CRITICAL'))).toEqual([])
  })

  test('that was killed is known to the next one as failed', async () => {
    const site = await registryOf()
    const smtp = await newSmtp({ login })
    const harmed = await harmPg(site, { call: '--section=data', stream: 'output', at: { bytes: 1000 }, then: 'wait' })
    const running = startAt(site, ['run'], harmed.environment)
    await harmed.firing()
    send(running, 'SIGKILL')
    await running
    await harmed.release()
    expect(await statusOf(site)).toMatchObject({ lastAttempt: { outcome: 'running' } })
    expect(await runTool(['run'], { ...site.environment, ...by(smtp.port) })).toMatchObject({ exitCode: 0 })
    expect(subjectsOf(smtp)[0]).toBe('[OSLRS] RECOVERED: Daily Backup Completed Successfully')
  })

  test('needs no state folder, no audit trail and nobody to tell', async () => {
    const site = await registryOf()
    await rm(site.state, { recursive: true })
    const before = await query(site.environment['DATABASE_URL'] ?? '', 'SELECT count(*) FROM audit_logs')
    const ran = await runTool(['run'], { ...site.environment, BACKUP_AUDIT: 'off' })
    expect(ran.exitCode).toBe(0)
    expect(ran.stderr.match(/Nothing is remembered until the next night/g)).toHaveLength(1)
    expect(ran.stderr).toContain('Nobody is told by mail: neither SMTP_URL nor RESEND_API_KEY is set.')
    expect(await query(site.environment['DATABASE_URL'] ?? '', 'SELECT count(*) FROM audit_logs')).toEqual(before)
  })
})

describe('the preflight', () => {
  const checksOf = async (environment: Environment): Promise<Record<string, { state: string; detail: string }>> => {
    const { document } = await runToolJson(['run', '--dry-run'], environment)
    const { checks } = document as { checks: { name: string; state: string; detail: string }[] }
    return Object.fromEntries(checks.map((one) => [one.name, one]))
  }

  test('logs in, counts who would be told, and shows no address', async () => {
    const site = await registryOf()
    const smtp = await newSmtp({ login })
    const pings = await newPingServer()
    const checks = await checksOf({
      ...site.environment,
      ...by(smtp.port),
      HEALTHCHECK_URL: `http://127.0.0.1:${String(pings.port)}/canary`,
    })
    expect(checks['mail']).toMatchObject({ state: 'ok' })
    expect(checks['mail']?.detail).toMatch(/logged in; 2 recipient\(s\): a…@oyo\.ng, b…@oyo\.ng; 5 left out/)
    expect(checks['state folder']).toMatchObject({ state: 'ok' })
    expect(checks['health check']?.detail).not.toContain('canary')
    expect(checks['audit trail']).toMatchObject({ state: 'ok' })
    expect([smtp.taken, pings.heard]).toEqual([[], []])
    expect(smtp.logins).toEqual([login.user])
  })

  test('turns red when the login is refused', async () => {
    const site = await registryOf()
    const smtp = await newSmtp({ login: { ...login, password: 'another' } })
    const checks = await checksOf({ ...site.environment, ...by(smtp.port) })
    expect(checks['mail']).toMatchObject({ state: 'failed' })
    expect(JSON.stringify(checks)).not.toContain('canary')
  })
})
