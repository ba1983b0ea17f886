import { build } from 'esbuild'
import { execa } from 'execa'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import type { Check } from '../../src/domain/check.ts'
import type { AuditFigures } from '../../src/domain/audit-check.ts'
import { newDatabase } from '../support/postgres.ts'
import { newFolder, toolPath } from '../support/tool.ts'

/**
 * Rows that each cover themselves, made without a loop: every row names a predecessor of its own, and two of them name one
 * that is there, so that there is one fork, and every other row but the first is a gap.
 */
const million = `
  CREATE TABLE audit_logs (id uuid, actor_id uuid, consumer_id uuid, action text, target_resource text, target_id uuid, details jsonb,
    ip_address text, user_agent text, hash text, previous_hash text, created_at timestamptz);
  INSERT INTO audit_logs (id, action, details, hash, previous_hash, created_at)
  SELECT id, 'user.login', jsonb_build_object('n', n, 'agent', 'firefox'),
    encode(sha256(convert_to(id || '|user.login|SYSTEM|' || to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
      || '|{"agent":"firefox","n":' || n || '}|' || previous, 'UTF8')), 'hex'), previous, at
  FROM (SELECT n, md5('audit ' || n)::uuid AS id, timestamptz '2025-01-01 00:00:00Z' + n * interval '1 second' AS at,
          encode(sha256((CASE WHEN n = 1 THEN 'OSLRS-AUDIT-GENESIS-2026' WHEN n = 3 THEN 'before 2' ELSE 'before ' || n END)::bytea), 'hex') AS previous
        FROM generate_series(1, 1000000) AS n) AS made;
  UPDATE audit_logs SET details = details || '{"n": 0}' WHERE id = md5('audit 777777')::uuid`

test(
  'a chain of 1,000,000 rows is read in under 150 MB, every row, and one that was altered among them is found',
  { timeout: 600_000 },
  async () => {
    const url = await newDatabase(inject('pgPort'), { sql: million })
    // As it is shipped: one bundle, and node with the launcher's flags.
    const bundle = join(await newFolder(), 'check-chain.mjs')
    const root = join(import.meta.dirname, '../..')
    await build({
      entryPoints: [join(root, 'test/support/check-chain.ts')],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
    })
    const flags = /"\$node" (--.*?) -- /.exec(await readFile(toolPath, 'utf8'))?.[1]?.split(' ') ?? []
    const { stdout } = await execa(process.execPath, [...flags, bundle, url, '1000000'])
    const { check, figures, peakBytes } = JSON.parse(stdout) as {
      check: Check
      figures: AuditFigures
      peakBytes: number
    }
    process.stdout.write(`1,000,000 rows of the audit chain: ${(peakBytes / 1e6).toFixed(0)} MB\n`)
    expect(figures).toMatchObject({ rows: 1_000_000, selfHashFailures: 1, forks: 1, gaps: 999_999 })
    expect(check.state).toBe('failed')
    expect(peakBytes).toBeLessThan(150_000_000)
  },
)
