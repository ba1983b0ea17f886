import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { expectFault, expectNothingLeft, flowingDatabase, runAt } from '../support/faults.ts'
import { newDatabase, query } from '../support/postgres.ts'
import { newSite, runTool, withIdentity, type Site } from '../support/tool.ts'

/** What the system lets the programs have that we start; what it lets us have is in plan-limits. */

let url: string
let maintenance: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
  maintenance = await newDatabase(inject('pgPort'))
})

const tablesOf = async (database: string): Promise<number> =>
  (await query(database, `SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).length

describe('a program that has no memory or no threads', () => {
  /** In place of the program of that name. */
  const inPlaceOf = async (where: Site, name: string, script: string): Promise<void> => {
    await mkdir(join(where.folder, 'programs'), { recursive: true })
    await writeFile(join(where.folder, 'programs', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }

  test.each([
    ['age', 'exec prlimit --as=20000000 /usr/bin/age "$@"', 'age failed: '],
    ['igzip', 'exec prlimit --as=4000000 /usr/bin/igzip "$@"', 'igzip failed (exit status '],
  ])('%s: a run makes no backup', async (name, script, sentence) => {
    const own = await newSite(url)
    await inPlaceOf(own, name, `[ "$1" = --version ] && exec /usr/bin/${name} --version\n${script}`)
    expectFault(await runAt(own, ['run']), 75, sentence)
    await expectNothingLeft(own, { files: [], complete: [] })
  })

  test('pg_dump: a row that is larger than its memory makes no backup', async () => {
    const own = await newSite(
      await newDatabase(inject('pgPort'), {
        sql: `CREATE TABLE users AS SELECT 1 AS id, repeat('x', 30000000) AS name`,
      }),
    )
    const ended = await runAt(own, ['run'], { BACKUP_PG_COMMAND: 'prlimit --as=40000000' })
    expectFault(ended, 75, /pg_dump failed \(exit status 1\): .*memory/)
    await expectNothingLeft(own, { files: [], complete: [] })
  })

  test.each([
    ['age', 'echo "runtime/cgo: pthread_create failed: Resource temporarily unavailable" >&2; exit 2'],
    ['igzip', 'echo "igzip: Failed to allocate memory" >&2; exit 255'],
  ])('%s: an archive that could not be opened for that reason is not called damaged', async (name, script) => {
    const own = await newSite(url)
    expect(await runTool(['run'], own.environment)).toMatchObject({ exitCode: 0 })
    await inPlaceOf(own, name, `[ "$1" = --version ] && exec /usr/bin/${name} --version\n${script}`)
    const target = await newDatabase(inject('pgPort'))
    for (const command of [
      ['verify', '--depth', 'archive'],
      ['verify'],
      ['restore', '--latest', '--target-db', target],
    ]) {
      const ended = await runAt(own, command, { ...withIdentity(own), VERIFY_DATABASE_URL: maintenance })
      expect(ended.stderr + ended.stdout).toContain(`${name} failed`)
      expect(ended.stderr + ended.stdout).not.toMatch(/damaged|RED/)
      expect(ended.exitCode, command.join(' ')).toBe(75)
    }
    expect(await tablesOf(target)).toBe(0)
  })
})
