import { execa } from 'execa'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { asking, newDatabase, query } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { manifestsOf, newSite, runTool, withIdentity } from '../support/tool.ts'

const rowsOf = (manifest: Manifest | undefined): Record<string, number> =>
  Object.fromEntries(manifest?.tables.map((table) => [table.name, table.rows]) ?? [])

const dumpOf = async (url: string, ...options: string[]): Promise<string> =>
  (await execa('pg_dump', [...options, url])).stdout.replaceAll(/^\\(un)?restrict .*$/gm, '')

// Which partition a value lies in depends on its type's oid, which is another in every database.
const withoutHash = ['--data-only', '--exclude-table=by_enum_hash_*']
const hashInOrder = 'SELECT * FROM by_enum_hash ORDER BY v'

/** The application at work. */
const writing = (url: string): { readonly end: () => Promise<number> } => {
  const state = { ended: false, written: 0 }
  const isEnded = (): boolean => state.ended
  const done = asking(url, async (client) => {
    for (; !isEnded(); state.written += 1)
      await client.query(`UPDATE submissions SET score = score + 1 WHERE id % 100 = ${String(state.written % 100)}`)
  })
  return {
    end: async () => {
      state.ended = true
      await done
      return state.written
    },
  }
}

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
    expect(
      await runTool(['restore', '--latest', '--target-db', target, '--owner', 'postgres'], withIdentity(site)),
    ).toMatchObject({
      exitCode: 0,
    })
    expect(await dumpOf(target, '--schema-only')).toBe(await dumpOf(url, '--schema-only'))
    expect(await dumpOf(target, ...withoutHash)).toBe(await dumpOf(url, ...withoutHash))
    expect(await query(target, hashInOrder)).toEqual(await query(url, hashInOrder))

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

  test('backed up while a registry is written to, and restored in its own place: its snapshot, to the last byte', async () => {
    const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
    await execa('psql', ['-X', '-q', '-o', '/dev/null', '-f', join(import.meta.dirname, '../support/awkward.sql'), url])
    const site = await newSite(url)
    const environment = { ...withIdentity(site), BACKUP_AUDIT: 'off' }
    // Before its own dump, pg_dump takes another one of the very same snapshot, for the comparison.
    const reference = join(site.folder, 'reference.sql')
    const command = join(site.folder, 'pg')
    const ofSnapshot = `case "$*" in *--section=pre-data*--snapshot=*) pg_dump --no-owner --no-acl --exclude-table='by_enum_hash_*' "--snapshot=\${*##*--snapshot=}" '${url}' > '${reference}' || exit 9 ;; esac`
    await writeFile(command, `#!/bin/sh\n${ofSnapshot}\nexec "$@"\n`, { mode: 0o755 })

    const writer = writing(url)
    const ran = await runTool(['run'], { ...environment, BACKUP_PG_COMMAND: command })
    expect(ran.exitCode, ran.stderr).toBe(0)
    // The dump is of one instant, and the writing went on.
    expect(await writer.end()).toBeGreaterThan(0)
    const asDumped = (await readFile(reference, 'utf8')).replaceAll(/^\\(un)?restrict .*$/gm, '').trimEnd()
    expect(await dumpOf(url, ...withoutHash.slice(1))).not.toBe(asDumped)

    const ended = await runTool(['restore', '--latest', '--confirm'], environment)
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect((await dumpOf(url, '--no-owner', '--no-acl', ...withoutHash.slice(1))).trimEnd()).toBe(asDumped)
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
