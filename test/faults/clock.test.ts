import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { endOf, flowingDatabase, midStream, startAt } from '../support/faults.ts'
import { harmPg } from '../support/faulty-programs.ts'
import { asAt, settableClock } from '../support/other-days.ts'
import { completeKeys, expectSound } from '../support/soundness.ts'
import { manifestsOf, newSite, runTool } from '../support/tool.ts'

let url: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
})

const evening = new Date('2027-03-09T23:30:00Z')
const hourMs = 3_600_000

describe('the clock is set while the dump runs: the backup is of the day on which it began', () => {
  test.each([
    ['two days back', -48 * hourMs],
    ['two months forward', 60 * 24 * hourMs],
  ])('%s', async (_how, byMs) => {
    const site = await newSite(url)
    const before = new Date(evening.getTime() - 24 * hourMs)
    expect(await runTool(['run'], { ...site.environment, ...asAt(before) })).toMatchObject({ exitCode: 0 })
    const good = await completeKeys(site)
    const clock = await settableClock(join(site.folder, 'clock'), evening)
    const harmed = await harmPg(site, { call: '--section=data', stream: 'output', at: midStream, then: 'wait' })
    const running = startAt(site, ['run'], { ...harmed.environment, ...clock.environment })
    await harmed.firing()
    await clock.set(new Date(evening.getTime() + byMs))
    await harmed.release()
    const ended = await endOf(running)
    expect(ended.exitCode, ended.stderr).toBe(0)
    const manifest = (await manifestsOf(site)).find(({ s3Key }) => s3Key.includes('2027-03-09-'))
    expect(manifest?.timestamp).toMatch(/^2027-03-09T23:30:/)
    // Measured by a clock that nobody sets.
    expect(manifest?.durationMs).toBeLessThan(30_000)
    // Neither a day in the past nor one far ahead makes room.
    await expectSound(site, good)
    const next = await runTool(['run'], { ...site.environment, ...asAt(new Date(evening.getTime() + 24 * hourMs)) })
    expect(next.exitCode, next.stderr).toBe(0)
    await expectSound(site, good)
  })
})
