import { describe, expect, inject, test } from 'vitest'
import { asking, newDatabase, query } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { startStatementProxy } from '../support/statement-proxy.ts'
import { manifestsOf, newSite, runTool, withIdentity } from '../support/tool.ts'

/** Writes all the time, as the application does, until told to end; keeps `users` and `submissions` in step. */
const writing = (url: string): { end: () => Promise<number> } => {
  const state = { ended: false, transactions: 0 }
  const loop = asking(url, async (client) => {
    while (!state.ended) {
      const n = ++state.transactions
      // One transaction changes two tables: a dump that saw one without the other would show it.
      await client.query(`BEGIN;
        INSERT INTO users SELECT g, md5(g::text) FROM generate_series(${String(n * 10)}, ${String(n * 10 + 9)}) g;
        INSERT INTO submissions SELECT g, repeat('x', 100) FROM generate_series(${String(n * 10)}, ${String(n * 10 + 9)}) g;
        DELETE FROM users WHERE id < ${String((n - 50) * 10)};
        DELETE FROM submissions WHERE id < ${String((n - 50) * 10)};
        COMMIT`)
    }
  })
  return {
    end: async () => {
      state.ended = true
      await loop
      return state.transactions
    },
  }
}

describe('one instant', () => {
  test('counts and dump agree while somebody inserts and deletes all the time', async () => {
    const url = await newDatabase(inject('pgPort'), {
      sql: `CREATE TABLE users (id int, name text); CREATE TABLE submissions (id int, body text);
            CREATE TABLE respondents AS SELECT g AS id, md5(g::text) AS padding FROM generate_series(1, 200000) g;`,
    })
    const site = await newSite(url)
    const writer = writing(url)
    for (const flags of [[], ['--replace'], ['--replace'], ['--replace']])
      expect(await runTool(['run', ...flags], site.environment)).toMatchObject({ exitCode: 0 })
    expect(await writer.end()).toBeGreaterThan(50)

    const [manifest] = await manifestsOf(site)
    expect(manifest?.tableCounts.users).toBe(manifest?.tableCounts.submissions)
    expect(manifest?.tableCounts.respondents).toBe(200_000)
    expect(manifest?.s3Key).toMatch(/\.r4\.sql\.gz\.age$/)
    await expectSound(site)

    const target = `${url}_new`
    expect(
      await runTool(['restore', '--latest', '--target-db', target, '--owner', 'postgres'], withIdentity(site)),
    ).toMatchObject({
      exitCode: 0,
    })
    expect(
      await query(target, 'SELECT (SELECT sum(id) FROM users)::int8 - (SELECT sum(id) FROM submissions)::int8 AS d'),
    ).toEqual([{ d: '0' }])
  })

  test('the tail of the audit chain is that of the dump', async () => {
    const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
    const site = await newSite(url)
    // Before: a run adds a row of its own when it is done.
    const [tail] = await query<{ hash: string }>(url, 'SELECT hash FROM audit_logs ORDER BY created_at DESC LIMIT 1')
    await runTool(['run'], site.environment)
    const [manifest] = await manifestsOf(site)
    expect(manifest?.auditChain).toEqual({ rows: 500, tailHash: tail?.hash })
  })

  test('the rows of an audit chain in partitions are those of all of them', async () => {
    const url = await newDatabase(inject('pgPort'), {
      sql: `CREATE TABLE audit_logs (id int, hash text, created_at timestamptz) PARTITION BY RANGE (created_at);
            CREATE TABLE audit_logs_25 PARTITION OF audit_logs FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
            CREATE TABLE audit_logs_26 PARTITION OF audit_logs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
            INSERT INTO audit_logs SELECT g, 'hash ' || g, timestamptz '2025-12-30' + g * interval '1 day' FROM generate_series(1, 9) g;`,
    })
    const site = await newSite(url)
    expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
    const [manifest] = await manifestsOf(site)
    expect(manifest?.auditChain).toEqual({ rows: 9, tailHash: 'hash 9' })
    expect(manifest?.keyTables).toEqual([{ name: 'public.audit_logs', rows: 9 }])
  })

  test('each table is counted once and without parallel workers: the application feels all that the server does beside the dump', async () => {
    const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
    const proxy = await startStatementProxy(inject('pgPort'))
    const site = await newSite(url.replace(`:${String(inject('pgPort'))}/`, `:${String(proxy.port)}/`))
    expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })

    const taken = proxy.taken()
    const counts = taken.flatMap(({ by, text }) =>
      by === 'ours' && text.startsWith('SELECT count(*) AS count FROM ONLY') ? [text] : [],
    )
    expect(counts).toContain('SELECT count(*) AS count FROM ONLY "public"."audit_logs"')
    expect(new Set(counts).size).toBe(counts.length)
    expect(taken.filter(({ text }) => /count\(\*\).*audit_logs/.test(text))).toHaveLength(1)
    expect(taken.some(({ by, text }) => by === 'ours' && text.includes('max_parallel_workers_per_gather = 0'))).toBe(
      true,
    )
  })
})
