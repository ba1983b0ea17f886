import { execa } from 'execa'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { backedUpSite, expectFault, expectNothingLeft, flowingDatabase, runAt, stateOf } from '../support/faults.ts'
import { harmPg, harmProgram, onlyPrograms, processesOf } from '../support/faulty-programs.ts'
import { query, urlOf } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { manifestsOf, newSite, withIdentity } from '../support/tool.ts'

let url: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
})

describe('nothing is published, and the earlier backup stands, when', () => {
  const age = { call: '--recipient', stream: 'output' } as const

  test('age ends well and has not read the end', async () => {
    const site = await newSite(url)
    expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
    const before = await stateOf(site)
    const [manifest] = await manifestsOf(site)
    const archive = join(site.store, manifest?.s3Key ?? '')
    const { stdout } = await execa('age', ['-d', '-i', site.identityFile, archive], { encoding: 'buffer' })
    // Shortly before the end, which is not the same to the byte: the random words of pg_dump do not compress.
    const at = { bytes: stdout.length - 1000 }
    const harmed = await harmProgram(site, 'age', { ...age, stream: 'input', at, then: 'stop reading' })
    const ended = await runAt(site, ['run', '--replace'], harmed.environment)
    expect(harmed.hasFired()).toBe(true)
    expectFault(ended, 75, /\bage\b/)
    await expectNothingLeft(site, before)
  })

  test('age is missing', async () => {
    const { site, before } = await backedUpSite(url)
    const ended = await runAt(site, ['run', '--replace'], await onlyPrograms(site, 'igzip'))
    expectFault(ended, 78, 'The program age is not installed')
    await expectNothingLeft(site, before)
  })
})

describe('igzip is missing', () => {
  test("Node's zlib takes its place, and what it makes can be read with and without igzip", async () => {
    const site = await newSite(url)
    const without = await onlyPrograms(site, 'age')
    expect(await runAt(site, ['run'], without)).toMatchObject({ exitCode: 0 })
    const [manifest] = await manifestsOf(site)
    expect(manifest?.tool.compressor).toMatch(/^zlib \d/)
    await expectSound(site)
    const verify = ['verify', '--all', '--depth', 'archive']
    expect(await runAt(site, verify, { ...withIdentity(site), ...without })).toMatchObject({ exitCode: 0 })
    expect(await processesOf(site)).toEqual([])
  })
})

describe('versions', () => {
  test('a pg_dump older than the server is refused before it is run', async () => {
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, { call: '--version', says: 'pg_dump (PostgreSQL) 14.9' })
    const ended = await runAt(site, ['run', '--replace'], harmed.environment)
    expect(harmed.hasFired()).toBe(true)
    expectFault(ended, 78, /The server is PostgreSQL 15\.\S+, and the newest pg_dump here is 14\.9: an older pg_dump/)
    await expectNothingLeft(site, before)
  })

  test('a psql that cannot be kept from meta-commands restores nothing', async () => {
    const version = '15.13'
    const site = await newSite(url)
    expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
    const before = await stateOf(site)
    const harmed = await harmPg(site, { call: '--version', says: `psql (PostgreSQL) ${version}` })
    const target = 'not_made_by_old_psql'
    const ended = await runAt(
      site,
      ['restore', '--latest', '--owner', 'postgres', '--target-db', urlOf(inject('pgPort'), target)],
      {
        ...withIdentity(site),
        ...harmed.environment,
      },
    )
    expect(harmed.hasFired()).toBe(true)
    expectFault(ended, 78, `psql ${version} is too old to restore with`)
    const made = await query(url, `SELECT datname FROM pg_database WHERE datname LIKE '${target}%'`)
    expect(made).toEqual([])
    await expectNothingLeft(site, before)
  })
})
