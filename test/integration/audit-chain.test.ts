import { execa } from 'execa'
import { join } from 'node:path'
import type pg from 'pg'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { systemClock } from '../../src/adapters/clock.ts'
import { auditTrail } from '../../src/adapters/postgres/audit-trail.ts'
import { parsePostgresUrl, type PostgresTarget } from '../../src/config/postgres-url.ts'
import type { AuditEntry } from '../../src/ports/telling.ts'
import { asking, newDatabase, query, urlOf } from '../support/postgres.ts'

const roleScript = join(import.meta.dirname, '../../src/sql/backup-role.sql')
/** Python's own JSON, SHA-256 and dates: nothing of ours, and nothing of PostgreSQL's, says that the chain is whole. */
const verifier = join(import.meta.dirname, '../support/verify-chain.py')

const entry: AuditEntry = {
  action: 'system.backup',
  details: {
    key: 'backups/daily/x',
    sizeBytes: 12_345,
    quote: '"\\/\b\f\n\r\t\u0001\u007f',
    yoruba: 'Ọ̀yọ́ 😀 \u2028',
    zero: 0,
    ok: true,
  },
}

const target = (url: string): PostgresTarget => {
  const parsed = parsePostgresUrl(url)
  if (typeof parsed === 'string') throw new Error(parsed)
  return parsed
}
const trailOf = (url: string) => auditTrail(target(url), 'oslrs-backup test', systemClock, new AbortController().signal)
const asBackupRole = (url: string): string => url.replace('postgres@', 'oslrs_backup@')
const registry = () => newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
const runRoleScript = (url: string) =>
  execa('psql', [
    '-X',
    '-q',
    '-v',
    `database=${new URL(url).pathname.slice(1)}`,
    '-f',
    roleScript,
    urlOf(inject('pgPort'), 'postgres'),
  ])

/** The rows as text, judged by the verifier: "N rows, 0 bad hashes, 0 forks". */
const verdictOn = async (url: string): Promise<string> => {
  const rows = await query<object>(
    url,
    `SELECT id, actor_id, action, details::text, hash, previous_hash,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
     FROM audit_logs ORDER BY created_at, id`,
  )
  return (await execa('python3', [verifier], { input: JSON.stringify(rows) })).stdout
}

/** As the application does it: its lock, the tail, its own clock, a row; the hash made by PostgreSQL for once. */
const writeAsApplication = async (client: pg.Client, n: number): Promise<void> => {
  await client.query('BEGIN')
  await client.query('SELECT pg_advisory_xact_lock(8151642026)')
  await client.query(
    `INSERT INTO audit_logs
     SELECT id, NULL, NULL, 'user.login', 'session', NULL, details, '10.0.0.1', 'app',
            encode(sha256(convert_to(concat_ws('|', id, 'user.login', 'SYSTEM', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '{"n":' || $1::int || '}', tail.hash), 'UTF8')), 'hex'), tail.hash, at
     FROM (SELECT hash, created_at FROM audit_logs ORDER BY created_at DESC, id DESC LIMIT 1) AS tail,
     LATERAL (SELECT gen_random_uuid() AS id, jsonb_build_object('n', $1::int) AS details,
                     greatest(date_trunc('milliseconds', clock_timestamp()), tail.created_at + interval '1 ms') AS at) AS made`,
    [n],
  )
  await client.query('COMMIT')
}

describe('the audit chain', () => {
  let plain: string
  beforeAll(async () => {
    plain = await registry()
    await runRoleScript(plain)
  })

  test('the verifier itself turns red: a changed detail, a fork', async () => {
    const url = await registry()
    expect(await verdictOn(url)).toBe('500 rows, 0 bad hashes, 0 forks')
    await query(url, 'ALTER TABLE audit_logs DISABLE TRIGGER ALL')
    await query(url, `UPDATE audit_logs SET details = '{"n": 0}' WHERE details = '{"n": 7}'`)
    expect(await verdictOn(url)).toBe('500 rows, 1 bad hashes, 0 forks')
    await query(url, `DELETE FROM audit_logs WHERE details = '{"n": 9}'`)
    expect(await verdictOn(url)).toBe('499 rows, 1 bad hashes, 1 forks')
  })

  test('stays whole when the application, the function and the insert write at once', async () => {
    const url = await registry()
    await runRoleScript(url)
    const [byInsert, byFunction] = [trailOf(url), trailOf(asBackupRole(url))]
    const application = async (): Promise<void> =>
      asking(url, async (client) => {
        for (let n = 0; n < 40; n += 1) await writeAsApplication(client, n)
      })
    const ours = async (trail: ReturnType<typeof trailOf>): Promise<void> => {
      for (let n = 0; n < 12; n += 1)
        expect(await trail.append(n % 2 === 0 ? entry : { ...entry, action: 'system.restore' })).toBe(undefined)
    }
    await Promise.all([
      application(),
      application(),
      ours(byInsert),
      ours(byInsert),
      ours(byFunction),
      ours(byFunction),
    ])
    expect(await verdictOn(url)).toBe('628 rows, 0 bad hashes, 0 forks')
    const rows = await query<{ id: string; actor: null; resource: string; details: object; at: Date; ms: number }>(
      url,
      `SELECT id, actor_id AS actor, target_resource AS resource, details, created_at AS at,
              ('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint AS ms
       FROM audit_logs WHERE action LIKE 'system.%'`,
    )
    expect(rows).toHaveLength(48)
    for (const { id, actor, resource, details, at, ms } of rows) {
      expect({ actor, resource, details }).toEqual({ actor: null, resource: 'database', details: entry.details })
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(ms).toBe(at.getTime())
    }
    const [{ same } = { same: null }] = await query<{ same: string }>(
      url,
      `SELECT count(*) - count(DISTINCT created_at) AS same FROM audit_logs WHERE created_at > now() - interval '1 hour'`,
    )
    expect(Number(same)).toBe(0)
  })

  test.each(['insert', 'function'])(
    'goes on after a tail that is in the future and finer than a millisecond, by %s',
    async (way) => {
      const url = await registry()
      await runRoleScript(url)
      await query(url, 'ALTER TABLE audit_logs DISABLE TRIGGER ALL')
      await query(url, `UPDATE audit_logs SET created_at = '2040-01-01 00:00:00.123456Z' WHERE details = '{"n": 500}'`)
      const [tail] = await query<{ hash: string }>(url, `SELECT hash FROM audit_logs WHERE details = '{"n": 500}'`)
      expect(await trailOf(way === 'insert' ? url : asBackupRole(url)).append(entry)).toBe(undefined)
      const [row] = await query<{ at: Date; previous: string }>(
        url,
        `SELECT created_at AS at, previous_hash AS previous FROM audit_logs ORDER BY created_at DESC, id DESC LIMIT 1`,
      )
      expect(row).toEqual({ at: new Date('2040-01-01T00:00:00.124Z'), previous: tail?.hash })
    },
  )

  test.each(['insert', 'function'])('begins at the genesis in an empty table, by %s', async (way) => {
    const url = await registry()
    await runRoleScript(url)
    await query(url, 'ALTER TABLE audit_logs DISABLE TRIGGER ALL')
    await query(url, 'DELETE FROM audit_logs')
    expect(await trailOf(way === 'insert' ? url : asBackupRole(url)).append(entry)).toBe(undefined)
    expect(await verdictOn(url)).toBe('1 rows, 0 bad hashes, 0 forks')
  })

  test('any database of the server can be named', async () => {
    const url = await registry()
    expect(await trailOf(urlOf(inject('pgPort'), 'postgres')).append(entry, new URL(url).pathname.slice(1))).toBe(
      undefined,
    )
    expect(await verdictOn(url)).toBe('501 rows, 0 bad hashes, 0 forks')
  })

  describe('is left alone, with a sentence why, where', () => {
    test.each<[string, string, RegExp]>([
      ['there is no such table', 'SELECT 1', /there is no table public\.audit_logs/],
      [
        'columns are missing',
        'CREATE TABLE audit_logs (id uuid, action text, hash text)',
        /has no column actor_id, consumer_id, .*created_at/,
      ],
    ])('%s', async (_where, sql, sentence) => {
      const trail = trailOf(await newDatabase(inject('pgPort'), { sql }))
      expect(await trail.append(entry)).toMatch(sentence)
      expect(await trail.hindrance()).toMatch(sentence)
    })

    test('the role may not write, and there is no function', async () => {
      const url = await registry()
      const sentence = /the role oslrs_backup may not write public\.audit_logs/
      expect(await trailOf(asBackupRole(url)).append(entry)).toMatch(sentence)
      expect(await verdictOn(url)).toBe('500 rows, 0 bad hashes, 0 forks')
    })

    test('the table has a rule of its own', async () => {
      const url = await registry()
      await query(url, `ALTER TABLE audit_logs ADD CHECK (action NOT LIKE 'system.%') NOT VALID`)
      expect(await trailOf(url).append(entry)).toMatch(/the server refused it \(SQLSTATE 23514\)/)
    })

    test('the server does not answer', async () => {
      expect(await trailOf('postgres://me@127.0.0.1:1/x').append(entry)).toMatch(
        /does not answer \(connection refused\)/,
      )
    })
  })

  describe('the function', () => {
    const call = (url: string, action: string, details: string) =>
      query(url, 'SELECT public.oslrs_backup_audit($1, $2)', [action, details])

    test.each<[string, string, string]>([
      ['another action', 'user.login', '{}'],
      ['no object', 'system.backup', '[1]'],
      ['something nested', 'system.backup', '{"a": {"b": 1}}'],
      ['a null', 'system.backup', '{"a": null}'],
      ['a number that has two forms', 'system.backup', '{"a": 1.50}'],
      ['a number too large for a double', 'system.backup', '{"a": 12345678901234567890}'],
      ['a key that sorts in two ways', 'system.backup', '{"É": 1}'],
      ['a book', 'system.backup', JSON.stringify({ a: 'x'.repeat(9000) })],
    ])('refuses %s', async (_what, action, details) => {
      await expect(call(asBackupRole(plain), action, details)).rejects.toMatchObject({ code: '22023' })
    })

    test('is for the backup role alone, though it were granted to everybody', async () => {
      await query(plain, 'GRANT EXECUTE ON FUNCTION public.oslrs_backup_audit(text, jsonb) TO PUBLIC')
      await query(
        plain,
        `DO $$ BEGIN CREATE ROLE audit_stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
      )
      await expect(call(plain.replace('postgres@', 'audit_stranger@'), 'system.backup', '{}')).rejects.toMatchObject({
        code: '42501',
      })
    })

    test('cannot be led to a table of somebody else, and gives no other right', async () => {
      await asking(asBackupRole(plain), async (client) => {
        await client.query(`CREATE TEMP TABLE audit_logs (LIKE public.audit_logs); SET search_path = pg_temp, public`)
        await client.query(`SELECT public.oslrs_backup_audit('system.backup', '{}')`)
        expect((await client.query('SELECT FROM pg_temp.audit_logs')).rowCount).toBe(0)
        await expect(
          client.query(`INSERT INTO public.audit_logs SELECT * FROM public.audit_logs LIMIT 1`),
        ).rejects.toMatchObject({ code: '42501' })
      })
      await asking(asBackupRole(plain), async (client) => {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
        await expect(client.query(`SELECT public.oslrs_backup_audit('system.backup', '{}')`)).rejects.toMatchObject({
          code: '25000',
        })
      })
      expect(await verdictOn(plain)).toMatch(/ rows, 0 bad hashes, 0 forks$/)
    })

    test('is made again by the script without a change, and belongs to the owner of the table', async () => {
      await runRoleScript(plain)
      const [found] = await query(
        plain,
        `SELECT p.prosecdef AS definer, p.proowner = c.relowner AS "ownersOwn", p.proacl::text AS rights, p.proconfig AS settings
         FROM pg_proc p, pg_class c WHERE p.oid = 'public.oslrs_backup_audit(text, jsonb)'::regprocedure AND c.oid = 'public.audit_logs'::regclass`,
      )
      expect(found).toEqual({
        definer: true,
        ownersOwn: true,
        rights: '{postgres=X/postgres,oslrs_backup=X/postgres}',
        settings: ['search_path=pg_catalog, pg_temp', 'TimeZone=UTC'],
      })
    })
  })
})
