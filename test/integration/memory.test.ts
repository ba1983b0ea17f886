import { describe, expect, inject, test } from 'vitest'
import { newDatabase, query } from '../support/postgres.ts'
import { watchMemory, type Peak } from '../support/process-tree.ts'
import { manifestsOf, newSite, startTool, type Site } from '../support/tool.ts'

const megabyte = 1_000_000
const inMegabytes = (bytes: number): string => `${(bytes / megabyte).toFixed(0)} MB`

interface Watched {
  readonly peak: Peak
  readonly plainBytes: number
}

/** One backup, and the most memory that it took; told, and counted only if the programs were seen at their work. */
const backUpWatched = async (what: string, site: Site, ...flags: readonly string[]): Promise<Watched> => {
  const tool = startTool(['run', ...flags], site.environment)
  const watch = watchMemory(tool.pid ?? 0)
  const { exitCode, stderr } = await tool
  const peak = watch.end()
  expect(exitCode, stderr).toBe(0)
  expect([...peak.ofProgram.keys()]).toEqual(expect.arrayContaining(['node', 'pg_dump', 'age']))

  const plainBytes = (await manifestsOf(site))[0]?.plain.sizeBytes ?? 0
  const each = [...peak.ofProgram]
    .map(([program, { aloneBytes }]) => `${program} ${inMegabytes(aloneBytes)}`)
    .join(', ')
  process.stdout.write(
    `${what}, ${inMegabytes(plainBytes)} of SQL: ${inMegabytes(peak.total.aloneBytes)} together at most (PSS ${inMegabytes(peak.total.pssBytes)}); at their own peaks ${each}\n`,
  )
  return { peak, plainBytes }
}

const manyRows = async (url: string, rows: number): Promise<void> => {
  await query(url, 'CREATE TABLE many_rows (id bigint, words text)')
  await query(
    url,
    "INSERT INTO many_rows SELECT n, repeat(md5(n::text) || ' ', 9) FROM generate_series(1, $1::int) AS n",
    [rows],
  )
}

describe('memory', () => {
  test('stays under 250 MB over all programs with more SQL than that', async () => {
    const url = await newDatabase(inject('pgPort'))
    await manyRows(url, 900_000)
    const { peak, plainBytes } = await backUpWatched('many rows', await newSite(url))
    expect(plainBytes).toBeGreaterThan(260 * megabyte)
    expect(peak.total.aloneBytes).toBeLessThan(250 * megabyte)
  })

  test('does not grow in our own process with a value of 50 MB, which pg_dump must hold', async () => {
    const url = await newDatabase(inject('pgPort'))
    await manyRows(url, 300_000)
    const site = await newSite(url)
    const without = await backUpWatched('some rows', site)
    await query(url, "CREATE TABLE one_value AS SELECT repeat(md5('large') || chr(10), 50000000 / 33 + 1) AS words")
    const { peak, plainBytes } = await backUpWatched('and one large value', site, '--replace')

    expect(plainBytes - without.plainBytes).toBeGreaterThan(50 * megabyte)
    expect(peak.ofProgram.get('pg_dump')?.aloneBytes).toBeGreaterThan(50 * megabyte)
    const [node = NaN, before = NaN] = [peak, without.peak].map(({ ofProgram }) => ofProgram.get('node')?.aloneBytes)
    expect(node).toBeLessThan(200 * megabyte)
    // Held only once, it would show.
    expect(node - before).toBeLessThan(40 * megabyte)
  })
})
