import { execa } from 'execa'
import { describe, expect, inject, test } from 'vitest'
import { newDatabase } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { manifestsOf, newSite, runTool, withIdentity } from '../support/tool.ts'

describe('a night', () => {
  test('a registry is backed up, listed, checked and restored, row for row', async () => {
    const url = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
    const site = await newSite(url)
    const dumpOf = async (database: string): Promise<string> =>
      (await execa('pg_dump', [database])).stdout.replaceAll(/^\\(un)?restrict .*$/gm, '')
    // Before: a backup adds a row of its own to the audit trail, which is then not in it.
    const before = await dumpOf(url)

    const ran = await runTool(['run'], site.environment)
    expect(ran).toMatchObject({ exitCode: 0 })
    const [manifest] = await manifestsOf(site)
    expect(manifest?.tableCounts).toEqual({ users: 20, respondents: 2000, auditLogs: 500, submissions: 2000 })
    expect(manifest?.warnings).toEqual([])
    await expectSound(site)

    const target = `${url}_restored`
    const restored = await runTool(
      ['restore', '--latest', '--target-db', target, '--owner', 'postgres'],
      // A restore adds a row as well, to what it has restored.
      { ...withIdentity(site), BACKUP_AUDIT: 'off' },
    )
    expect(restored).toMatchObject({ exitCode: 0 })
    expect(await dumpOf(target)).toBe(before)
  })
})
