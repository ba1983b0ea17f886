import { execa } from 'execa'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { harmPg } from '../support/faulty-programs.ts'
import { newPingServer } from '../support/ping-server.ts'
import { newDatabase, query, urlOf } from '../support/postgres.ts'
import { newSmtp } from '../support/smtp.ts'
import { filesUnder, newSite, toolPath, withIdentity, type Environment } from '../support/tool.ts'

/** Planted in the data and in the configuration; what comes out anywhere is searched for every one of them. */
const personal = {
  name: 'Canarya Ẹlẹ́kọ́',
  nin: '90817263540',
  email: 'canary.person@oyo.ng',
  phone: '+2348099887766',
  table: 'CanaryNote of her own',
}
const secrets = {
  database: 'Canary/db+pw=@#%41',
  smtp: 'Canary/smtp+pw=@#',
  ping: 'canary-uuid-1234',
  older: 'c4'.repeat(32),
  s3: 'CanaryS3Secret/Key+1',
  resend: 're_Canary_12345',
}

const forms = (value: string): string[] => [
  value,
  encodeURIComponent(value),
  JSON.stringify(value).slice(1, -1),
  Buffer.from(value).toString('base64').replaceAll('=', ''),
]
/** What of the planted things a text holds. */
const foundIn = (text: string, allowed: readonly string[] = []): string[] =>
  Object.entries({ ...personal, ...secrets })
    .filter(([what, value]) => !allowed.includes(what) && forms(value).some((form) => text.includes(form)))
    .map(([what]) => what)

/** Everything that any process shows in its command line, looked at every few milliseconds. */
const watchCommandLines = (): { readonly end: () => string } => {
  const seen = new Set<string>()
  const look = (): void => {
    for (const id of readdirSync('/proc'))
      if (/^\d+$/.test(id))
        try {
          seen.add(readFileSync(`/proc/${id}/cmdline`, 'utf8'))
        } catch {
          // It has ended meanwhile.
        }
  }
  const timer = setInterval(look, 10)
  return {
    end: () => {
      clearInterval(timer)
      return [...seen].join('\n')
    },
  }
}

test(
  'nothing personal and no secret comes out of a run, a failed run and a restore, but sealed or where it was asked for',
  { timeout: 180_000 },
  async () => {
    const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
    const role = `canary_${String(process.pid)}`
    await query(url, `CREATE ROLE ${role} SUPERUSER LOGIN PASSWORD '${secrets.database}'`)
    onTestFinished(async () => {
      await query(urlOf(inject('pgPort'), 'postgres'), `DROP ROLE IF EXISTS ${role}`).catch(() => undefined)
    })
    await query(
      url,
      `INSERT INTO respondents SELECT md5('canary')::uuid, $1, $2, 'Saki West', $3, '{}', $4, NULL, id, now() FROM users LIMIT 1`,
      [personal.nin, personal.name, personal.phone, personal.table],
    )
    await query(
      url,
      `INSERT INTO users SELECT md5('canary')::uuid, $1, $2, 'active', id, now() FROM roles WHERE name = 'public_user'`,
      [personal.email, personal.name],
    )
    const site = await newSite(url.replace('postgres@', `${role}:${encodeURIComponent(secrets.database)}@`))
    const smtp = await newSmtp({ login: { user: 'backup', password: secrets.smtp } })
    const pings = await newPingServer()
    const temporary = join(site.folder, 'tmp')
    await mkdir(temporary)
    const environment: Environment = {
      ...withIdentity(site),
      SMTP_URL: `smtp://backup:${secrets.smtp}@127.0.0.1:${String(smtp.port)}`,
      EMAIL_FROM: 'backup@oyo.ng',
      BACKUP_ALERT_EMAILS: 'ops@oyo.ng',
      HEALTHCHECK_URL: `http://127.0.0.1:${String(pings.port)}/${secrets.ping}`,
      BACKUP_ENCRYPTION_KEY: secrets.older,
      S3_SECRET_KEY: secrets.s3,
      RESEND_API_KEY: secrets.resend,
      TMPDIR: temporary,
      JOURNAL_STREAM: '8:1',
    }
    const target = `${url}_canary`
    const down = {
      ...environment,
      DATABASE_URL: urlOf(1, 'x').replace('postgres@', `me:${encodeURIComponent(secrets.database)}@`),
    }
    const dying = { call: '--section=data', stream: 'output', at: { bytes: 100_000 }, then: 'kill' } as const
    const harmed = await harmPg(site, dying)
    const commands: readonly [readonly string[], Environment, number][] = [
      [['run', '--verbose'], environment, 0],
      [['run', '--replace', '--verbose', '--json'], down, 75],
      [['run', '--replace', '--verbose'], { ...environment, ...harmed.environment }, 75],
      [['run', '--dry-run', '--json'], environment, 0],
      [['list', '--json'], environment, 0],
      [['verify', '--all', '--depth', 'archive', '--verbose'], environment, 0],
      [['restore', '--latest', '--target-db', target, '--owner', 'postgres', '--verbose'], environment, 0],
    ]
    const commandLines = watchCommandLines()
    let said = ''
    const opened: string[] = []
    for (const [args, env, status] of commands) {
      const trace = join(site.folder, 'trace')
      const ended = await execa(
        'strace',
        [
          '-f',
          '-qq',
          '-e',
          'trace=open,openat,creat',
          '-e',
          'signal=none',
          '-s',
          '4096',
          '-o',
          trace,
          toolPath,
          ...args,
        ],
        { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env }, extendEnv: false, reject: false, stdin: 'ignore' },
      )
      expect.soft({ args, status: ended.exitCode }).toEqual({ args, status })
      said += ended.stdout + ended.stderr
      opened.push(
        ...(await readFile(trace, 'utf8'))
          .split('\n')
          .filter((line) => /O_WRONLY|O_RDWR|O_CREAT|creat\(/.test(line) && !line.includes('= -1'))
          .map((line) => /"([^"]*)"/.exec(line)?.[1] ?? ''),
      )
    }
    // The database's URL is an argument of psql's in no command, and a test of the search itself is that it finds what is there.
    expect(foundIn(`x ${personal.nin} y ${encodeURIComponent(secrets.database)}`)).toEqual(['nin', 'database'])
    expect(foundIn(said)).toEqual([])
    expect(foundIn(commandLines.end())).toEqual([])
    expect(smtp.taken.length).toBeGreaterThanOrEqual(3)
    for (const { raw, readable } of smtp.taken) expect(foundIn(raw + readable)).toEqual([])
    for (const line of pings.heard) expect(foundIn(line, ['ping'])).toEqual([])

    // What was written, and where: the store and the state folder, and nowhere else.
    const elsewhere = [...new Set(opened)].filter(
      (path) =>
        ![`${site.store}/`, `${site.state}/`, `${site.folder}/programs/`, '/dev/', '/proc/'].some((place) =>
          path.startsWith(place),
        ),
    )
    expect(elsewhere).toEqual([])
    expect(await filesUnder(temporary)).toEqual([])
    const kept = [
      ...(await filesUnder(site.store)).map((name) => join(site.store, name)),
      ...(await filesUnder(site.state)).map((name) => join(site.state, name)),
    ]
    expect(kept.length).toBeGreaterThan(5)
    for (const file of kept)
      expect([file, foundIn(await readFile(file, 'latin1')), foundIn(await readFile(file, 'utf8'))]).toEqual([
        file,
        [],
        [],
      ])
    const rows = await query<{ row: string }>(
      url,
      `SELECT a::text AS row FROM audit_logs a WHERE action LIKE 'system.%'`,
    )
    expect(rows.length).toBeGreaterThan(0)
    for (const { row } of rows) expect(foundIn(row)).toEqual([])
    // The restored database is where they were asked for.
    expect(await query(target, 'SELECT full_name AS name FROM respondents WHERE nin = $1', [personal.nin])).toEqual([
      { name: personal.name },
    ])
  },
)
