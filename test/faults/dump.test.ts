import { beforeAll, describe, expect, inject, test } from 'vitest'
import { backedUpSite, expectFault, expectNothingLeft, flowingDatabase, midStream, runAt } from '../support/faults.ts'
import { harmPg, type Harm } from '../support/faulty-programs.ts'

let url: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
})

const trailer = { text: '-- PostgreSQL database dump complete' }
const killed = 'pg_dump failed (killed by SIGKILL)'
const failed = 'pg_dump failed (exit status 1)'
const truncated = (section: string) => `pg_dump ended without its trailer in the section ${section}`

describe('pg_dump fails, nothing is published, and the earlier backup stands, when it', () => {
  test.each<[string, string, Harm['at'], Harm['then'], string]>([
    ['is killed before its first byte', 'pre-data', { bytes: 0 }, 'kill', killed],
    ['is killed in mid-stream', 'data', midStream, 'kill', killed],
    ['is killed when all of the data has passed', 'data', 'end', 'kill', killed],
    ['is killed in the last section', 'post-data', { text: 'CREATE INDEX' }, 'kill', killed],
    ['exits 1 after the last byte of the data', 'data', 'end', { exit: 1 }, failed],
    ['exits 1 after the very last byte, its trailer already out', 'post-data', 'end', { exit: 1 }, failed],
    ['exits 0 in the middle of a row', 'data', midStream, { exit: 0 }, truncated('data')],
    ['exits 0 between two tables', 'data', { text: 'COPY public.users' }, { exit: 0 }, truncated('data')],
    ['exits 0 without a byte', 'data', { bytes: 0 }, { exit: 0 }, truncated('data')],
    ['exits 0 without its trailer', 'pre-data', trailer, { exit: 0 }, truncated('pre-data')],
    ['exits 0 without its very last trailer', 'post-data', trailer, { exit: 0 }, truncated('post-data')],
  ])('%s', async (_what, section, at, then, sentence) => {
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, { call: `--section=${section}`, stream: 'output', at, then })
    const ended = await runAt(site, ['run', '--replace'], harmed.environment)
    expect(harmed.hasFired()).toBe(true)
    expectFault(ended, 75, sentence)
    await expectNothingLeft(site, before)
  })

  test.each<Harm['then']>(['hang', 'hang, deaf to SIGTERM'])('moves nothing any more (%s)', async (then) => {
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, { call: '--section=data', stream: 'output', at: midStream, then })
    const ended = await runAt(site, ['run', '--replace'], { ...harmed.environment, BACKUP_STALL_SECONDS: '3' })
    expect(harmed.hasFired()).toBe(true)
    expectFault(ended, 75, 'Nothing has moved for 3 s')
    await expectNothingLeft(site, before)
  })

  test('ends well and leaves out one row of a key table', async () => {
    const { site, before } = await backedUpSite(url)
    const harmed = await harmPg(site, {
      call: '--section=data',
      stream: 'output',
      at: midStream,
      then: 'leave out a row',
    })
    const ended = await runAt(site, ['run', '--replace'], harmed.environment)
    expect(harmed.hasFired()).toBe(true)
    expectFault(ended, 75, /\brespondents\W*: 39999 rows in the dump, 40000 in the database/)
    await expectNothingLeft(site, before)
  })
})
