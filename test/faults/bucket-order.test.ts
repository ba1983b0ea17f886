import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { expect, describe, test } from 'vitest'
import { daysBefore, monthOf } from '../../src/domain/calendar.ts'
import { answer, standOnBuckets } from '../support/bucket-faults.ts'
import { unfinishedIn } from '../support/buckets.ts'
import { dataKey, manifestKey } from '../support/builders.ts'
import { cutSessions, endOf, monthlyIsMissing, runAt, send, startAt } from '../support/faults.ts'
import { plant, plantedBucket } from '../support/planted.ts'
import { impatient } from '../support/stall.ts'
import { runTool, runToolJson } from '../support/tool.ts'

/** Keeping order over a way that fails: nothing good is lost, and a night that has its manifest stays a success. */

const ground = standOnBuckets()
const open = () => plantedBucket(ground().buckets, ground().small['DATABASE_URL'] ?? '')
const outage = answer(503, 'ServiceUnavailable')
const keysOf = (...periods: readonly string[]): string[] =>
  periods.flatMap((period) => [dataKey(period), manifestKey(period)])

interface Ran {
  readonly after: {
    readonly promoted: readonly string[]
    readonly removed: readonly string[]
    readonly notes: readonly string[]
  }
}

describe('a night is a success, and tells what came after it, when', () => {
  test('no copy can be made: the daily waits for the next night', async () => {
    const { model, environment, put, keys } = await open()
    const old = daysBefore(model.today, 40)
    await plant(model, [40, 2, 1], {}, put)
    const harmed = { ...environment, ...ground().through({ kind: 'CopyObject', nth: 'every', fault: outage }) }
    const { exitCode, document } = await runToolJson(['run'], harmed)
    expect(exitCode).toBe(0)
    ground().proxy.expectAllFired()
    const { after } = document as Ran
    expect(after.notes.join('\n')).toContain(
      `The monthly of ${monthOf(old)} was not made; the backup itself is complete.`,
    )
    expect(await keys()).toEqual(expect.arrayContaining(keysOf(old, model.today)))
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    expect(await keys()).toEqual(expect.arrayContaining(keysOf(monthOf(old))))
  })

  test('its sessions are cut once it has its manifest: the daily waits for the next night', async () => {
    const { model, environment, keys } = await open()
    const month = monthOf(model.today)
    // The first listings are those of the check and of the inventory. What is held is asked again.
    const listing = ground().through({ kind: 'ListObjects', nth: 3, fault: { what: 'hold' } })
    const running = runToolJson(['run'], { ...environment, ...impatient, ...listing })
    await ground().proxy.firing()
    await cutSessions(ground().small['DATABASE_URL'] ?? '')
    const { exitCode, document, stderr } = await running
    expect(exitCode, stderr).toBe(0)
    const { after } = document as Ran
    expect(after.promoted).toEqual([])
    expect(after.notes.join('\n')).toMatch(monthlyIsMissing)
    expect(after.notes.join('\n')).toContain('The next run tries again; at once: oslrs-backup promote')
    expect(await keys()).toEqual(keysOf(model.today).toSorted())
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    expect(await keys()).toEqual(expect.arrayContaining(keysOf(month)))
  })

  test('the answer to a copy is lost: the monthly is made all the same', async () => {
    const { model, environment, put, keys } = await open()
    await plant(model, [1], {}, put)
    const harmed = {
      ...environment,
      ...ground().through({ kind: 'CopyObject', nth: 1, fault: { what: 'lose the answer' } }),
    }
    expect(await runTool(['run'], harmed)).toMatchObject({ exitCode: 0 })
    ground().proxy.expectAllFired()
    expect(await keys()).toEqual(expect.arrayContaining(keysOf(monthOf(model.today))))
  })

  test('a copy comes back with another byte: it is taken away again, and is no monthly', async () => {
    const { model, environment, put, keys } = await open()
    const month = monthOf(daysBefore(model.today, 40))
    await plant(model, [40, 1, 0], {}, put)
    const flip = {
      kind: 'GetObject',
      nth: 'every',
      key: /\/monthly\/.*\.age$/,
      fault: { what: 'flip a byte of the answer' },
    } as const
    const ended = await runTool(['promote', '--month', month], { ...environment, ...ground().through(flip) })
    ground().proxy.expectAllFired()
    expect(ended.exitCode).toBe(65)
    expect(ended.stdout).toContain('read back, its SHA-256 is another')
    expect((await keys()).filter((key) => key.includes('monthly'))).toEqual([])
  })

  test('nothing can be removed: each is named, and all is still there', async () => {
    const { model, environment, put, keys } = await open()
    const old = [9, 8].map((days) => daysBefore(model.today, days))
    await plant(model, [9, 8, 2, 1], {}, put)
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    const harmed = { ...environment, ...ground().through({ kind: 'DeleteObject', nth: 'every', fault: outage }) }
    const { exitCode, document } = await runToolJson(['run'], harmed)
    expect(exitCode).toBe(0)
    ground().proxy.expectAllFired()
    const { after } = document as Ran
    for (const date of old) expect(after.notes.join('\n')).toContain(`${dataKey(date)} was not removed.`)
    expect(await keys()).toEqual(expect.arrayContaining(keysOf(...old)))
    const pruned = await runTool(['prune'], harmed)
    expect(pruned.exitCode).toBe(75)
    expect(pruned.stdout).toContain(`FAILED ${dataKey(old[0] ?? '')}`)
  })

  test('only archives cannot be removed: what is left counts as nothing, and goes later', async () => {
    const { model, environment, put, keys } = await open()
    const old = daysBefore(model.today, 9)
    await plant(model, [9, 2, 1, 0], {}, put)
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    const harmed = {
      ...environment,
      ...ground().through({ kind: 'DeleteObject', key: /\/daily\//, nth: 'every', fault: outage }),
    }
    expect(await runTool(['prune'], harmed)).toMatchObject({ exitCode: 75 })
    ground().proxy.expectAllFired()
    expect(await keys()).toContain(dataKey(old))
    expect(await keys()).not.toContain(manifestKey(old))
    const { document } = await runToolJson(['list'], environment)
    expect(document).toMatchObject({
      backups: expect.arrayContaining([expect.objectContaining({ key: dataKey(old), state: 'orphan' })]) as unknown,
    })
  })
})

describe('a prune', () => {
  test('takes nothing of a backup whose manifest another host replaces in that very moment, and the rest of what is due', async () => {
    const { proxy, through } = ground()
    const { model, environment, put, keys } = await open()
    const [old = '', older = ''] = await plant(model, [8, 9, 2, 1, 0], {}, put)
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    // Read for the plan, and once more before the removal.
    const held = through({ kind: 'GetObject', key: new RegExp(manifestKey(old)), nth: 2, fault: { what: 'hold' } })
    const running = startAt({ ...model.site, environment }, ['prune'], held)
    await proxy.firing()
    await plant(model, [8], { attempt: 2 }, put)
    proxy.release()
    const ended = await endOf(running)
    expect(ended.exitCode).toBe(73)
    expect(ended.stdout).toContain(`The manifest of ${dataKey(old)} has changed since the plan was made`)
    const left = await keys()
    expect(left).toEqual(expect.arrayContaining(keysOf(old)))
    for (const key of keysOf(older)) expect(left).not.toContain(key)
  })
})

describe('an upload that was killed', () => {
  test('is swept by a prune after a day, and not before', async () => {
    const { buckets, proxy, through, large } = ground()
    const { model, bucket, environment, put } = await open()
    await plant(model, [2, 1], {}, put)
    const site = { ...model.site, environment }
    const running = startAt(site, ['run'], {
      ...large,
      ...through({ kind: 'UploadPart', nth: 2, fault: { what: 'hold' } }),
    })
    await proxy.firing()
    send(running, 'SIGKILL')
    await endOf(running)
    proxy.release()
    const [left = '', ...more] = await unfinishedIn(buckets, bucket)
    expect(left).toBe(dataKey(model.today))
    expect(more).toEqual([])
    expect(await runAt(site, ['prune'])).toMatchObject({ exitCode: 0 })
    expect(await unfinishedIn(buckets, bucket)).toEqual([left])

    // As its list would say a day later.
    const { Uploads: [upload] = [] } = await buckets.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    const begun = new Date((upload?.Initiated?.getTime() ?? 0) - 25 * 3_600_000).toISOString()
    const body = `<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>${bucket}</Bucket><IsTruncated>false</IsTruncated>
      <Upload><Key>${left}</Key><UploadId>${upload?.UploadId ?? ''}</UploadId><Initiated>${begun}</Initiated></Upload></ListMultipartUploadsResult>`
    const later = through({ kind: 'ListMultipartUploads', nth: 1, fault: { what: 'say', status: 200, body } })
    const { exitCode, document } = await runToolJson(['prune'], { ...environment, ...later })
    proxy.expectAllFired()
    expect(exitCode).toBe(0)
    expect(document).toMatchObject({ leftOver: [{ key: left }], removed: [left] })
    expect(await unfinishedIn(buckets, bucket)).toEqual([])
  })
})
