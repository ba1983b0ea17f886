import { execa } from 'execa'
import { describe, expect, inject, test } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { newDatabase, query } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { manifestsOf, newSite, runTool, withIdentity } from '../support/tool.ts'

const rowsOf = (manifest: Manifest | undefined): Record<string, number> =>
  Object.fromEntries(manifest?.tables.map((table) => [table.name, table.rows]) ?? [])

const dumpOf = async (url: string, ...options: string[]): Promise<string> =>
  (await execa('pg_dump', [...options, url])).stdout.replaceAll(/^\\(un)?restrict .*$/gm, '')

describe('a database with every awkward thing', () => {
  test('comes back as it was, and the meter counted what SQL counts', async () => {
    const url = await newDatabase(inject('pgPort'), { file: 'awkward.sql' })
    const site = await newSite(url)
    expect(
      await runTool(['run'], { ...site.environment, BACKUP_KEY_TABLES: 'parent,by_range,by_enum_hash,no_columns' }),
    ).toMatchObject({ exitCode: 0 })
    const [manifest] = await manifestsOf(site)

    const tables = await query<{ name: string; rows: number }>(
      url,
      `SELECT format('%I.%I', nspname, relname) AS name,
              (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM ONLY %I.%I', nspname, relname), false, true, '')))[1]::text::int AS rows
       FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname IN ('public', 'Odd Schema')`,
    )
    const bySql = Object.fromEntries(tables.map(({ name, rows }) => [name, rows]))
    // Hash partitions on an enum are dumped through their root, for the hash is another in another database.
    const { 'public.by_enum_hash_0': zero = 0, 'public.by_enum_hash_1': one = 0, ...others } = bySql
    expect(rowsOf(manifest)).toEqual({ ...others, 'public.by_enum_hash': zero + one })
    expect(manifest?.largeObjects).toBe(2)
    expect(manifest?.notContained).toContain(
      'the data of the materialized view public.totals, which a restore computes again',
    )
    await expectSound(site)

    const target = `${url}_new`
    expect(await runTool(['restore', '--latest', '--target-db', target], withIdentity(site))).toMatchObject({
      exitCode: 0,
    })
    expect(await dumpOf(target, '--schema-only')).toBe(await dumpOf(url, '--schema-only'))
    const withoutHash = ['--data-only', '--exclude-table=by_enum_hash_*']
    expect(await dumpOf(target, ...withoutHash)).toBe(await dumpOf(url, ...withoutHash))
    const inOrder = 'SELECT * FROM by_enum_hash ORDER BY v'
    expect(await query(target, inOrder)).toEqual(await query(url, inOrder))

    // The same into a database that exists and is empty: one transaction, large objects included.
    const empty = await newDatabase(inject('pgPort'))
    expect(await runTool(['restore', '--latest', '--target-db', empty], withIdentity(site))).toMatchObject({
      exitCode: 0,
    })
    expect(await dumpOf(empty, '--schema-only')).toBe(await dumpOf(url, '--schema-only'))
    expect(await query(empty, 'SELECT loid, data FROM pg_largeobject ORDER BY loid')).toEqual(
      await query(url, 'SELECT loid, data FROM pg_largeobject ORDER BY loid'),
    )
  })

  test('an empty database is a backup too', async () => {
    const site = await newSite(await newDatabase(inject('pgPort')))
    expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
    const [manifest] = await manifestsOf(site)
    expect(manifest?.tables).toEqual([])
    expect(manifest?.tableCounts).toEqual({ users: null, respondents: null, auditLogs: null, submissions: null })
    expect(manifest?.auditChain).toBeNull()
    await expectSound(site)
  })

  test('a value of 50 MB passes', async () => {
    const url = await newDatabase(inject('pgPort'), {
      sql: `CREATE TABLE users (id int, story text); INSERT INTO users SELECT 1, repeat('Ọ̀yọ́ \\. ', 6000000);`,
    })
    const site = await newSite(url)
    expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
    const [manifest] = await manifestsOf(site)
    expect(manifest?.tables[0]).toMatchObject({ name: 'public.users', rows: 1 })
    expect(manifest?.tables[0]?.bytes).toBeGreaterThan(50_000_000)
    await expectSound(site)
  })
})
