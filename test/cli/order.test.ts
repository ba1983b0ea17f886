import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, inject, test } from 'vitest'
import { daysBefore, monthOf } from '../../src/domain/calendar.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import { dataKey, manifestKey } from '../support/builders.ts'
import {
  intoFolder,
  olderDaily,
  olderHistory,
  promotedByOlder,
  putAll,
  withoutManifest,
} from '../support/older-backups.ts'
import { modelOf, plant, type Model } from '../support/planted.ts'
import { asking, newDatabase, query } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { filesUnder, newSite, runTool, runToolJson, withIdentity, type Environment } from '../support/tool.ts'

/** Keeping order, from outside: the built program, a real database, a folder with backups of many days. */

let url: string
let model: Model
let environment: Environment
beforeEach(async () => {
  url = await newDatabase(inject('pgPort'), {
    sql: `CREATE TABLE users AS SELECT g AS id, md5(g::text) AS name FROM generate_series(1, 100) g;
          CREATE TABLE notes AS SELECT g AS id FROM generate_series(1, 10) g`,
  })
  model = await modelOf(await newSite(url))
  ;({ environment } = model.site)
})

const ago = (days: number): string => daysBefore(model.today, days)
const files = (): Promise<string[]> => filesUnder(model.site.store)
const keysOf = (...periods: readonly string[]): string[] =>
  periods.flatMap((period) => [dataKey(period), manifestKey(period)]).toSorted()
const manifestAt = async (period: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(model.site.store, manifestKey(period)), 'utf8')) as Manifest

interface Decided {
  readonly period: string
  readonly because: readonly string[]
}
interface Pruned {
  readonly remove: readonly Decided[]
  readonly keep: readonly Decided[]
  readonly held: readonly string[]
  readonly removed: readonly string[]
}

describe('a night', () => {
  test('ends with the months promoted and the old dailies removed, and says so', async () => {
    // Of each month the first is promoted; all that are older than a week are then in nobody's way.
    await plant(model, [70, 69, 40, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    const { exitCode, document, stderr } = await runToolJson(['run'], environment)
    expect(exitCode, stderr).toBe(0)
    const months = [
      ...new Set([70, 69, 40, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((days) => monthOf(ago(days)))),
    ]
    const dailies = [0, 1, 2, 3, 4, 5, 6].map(ago)
    expect(await files()).toEqual(keysOf(...dailies, ...months))
    const { after } = document as { after: { promoted: string[]; removed: string[]; notes: string[] } }
    expect(after.promoted.toSorted()).toEqual(months.map((month) => dataKey(month)).toSorted())
    expect(after.removed.toSorted()).toEqual(keysOf(...[70, 69, 40, 12, 11, 10, 9, 8, 7].map(ago)))
    expect(after.notes).toEqual([])
    await expectSound(model.site)
  })

  test('is a success when promoting fails: that is told, and done the next time', async () => {
    await plant(model, [40, 2, 1])
    // Something of somebody's stands where the monthlies belong.
    const inTheWay = join(model.site.store, 'backups/monthly')
    await writeFile(inTheWay, 'x')
    const { exitCode, document, stderr } = await runToolJson(['run'], environment)
    expect(exitCode).toBe(0)
    const { after } = document as { after: { promoted: string[]; notes: string[] } }
    expect(after.promoted).toEqual([])
    expect(after.notes[0]).toMatch(/^The monthly of \d{4}-\d{2} was not made; the backup itself is complete\./)
    expect(stderr).toContain('was not made')
    // The only candidates of their months are still there, whatever their age.
    expect(await files()).toEqual(expect.arrayContaining(keysOf(ago(40), ago(0))))
    await rm(inTheWay)
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    expect(await files()).toEqual(expect.arrayContaining(keysOf(monthOf(ago(40)))))
    await expectSound(model.site)
  })

  test('on a host that does not prune removes nothing', async () => {
    await plant(model, [9, 8, 2, 1])
    const withoutPrune = { ...environment, BACKUP_PRUNE: 'off' }
    expect(await runTool(['run'], withoutPrune)).toMatchObject({ exitCode: 0 })
    expect(await files()).toEqual(expect.arrayContaining(keysOf(ago(9), ago(8))))
    const ended = await runTool(['prune'], withoutPrune)
    expect(ended.exitCode).toBe(73)
    expect(ended.stderr).toContain('This host never removes a backup: BACKUP_PRUNE is off.')
    expect(await runTool(['prune', '--dry-run'], withoutPrune)).toMatchObject({ exitCode: 0 })
  })
})

describe('prune', () => {
  test('--dry-run gives each backup its reasons and changes nothing', async () => {
    await plant(model, [9, 8, 2, 1, 0])
    const before = await files()
    const { exitCode, document } = await runToolJson(['prune', '--dry-run'], environment)
    expect(exitCode).toBe(0)
    const { remove, keep, held, removed } = document as Pruned
    const first = (days: number): boolean => monthOf(ago(days)) !== monthOf(ago(days === 9 ? 10 : 9)) || days === 9
    expect(remove.map(({ period }) => period)).toEqual([8].filter((days) => !first(days)).map(ago))
    expect(keep.find(({ period }) => period === ago(9))?.because).toEqual([
      `the first good one of ${monthOf(ago(9))}, which has no good monthly yet`,
    ])
    expect(keep.find(({ period }) => period === ago(0))?.because).toEqual(
      expect.arrayContaining(['within the last 7 days', 'the newest complete one', 'one of the newest 3 good ones']),
    )
    expect([held, removed]).toEqual([[], []])
    expect(await files()).toEqual(before)
    const told = await runTool(['prune', '--dry-run'], environment)
    expect(told.stdout).toContain('Nothing was changed.')
  })

  test('holds everything back while the newest backup is stale, and says why', async () => {
    await plant(model, [30, 29, 28, 27, 26, 25, 3])
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    const before = await files()
    const ended = await runTool(['prune'], environment)
    expect(ended.exitCode).toBe(73)
    expect(ended.stdout).toContain('Nothing may be removed now: The newest complete backup is')
    expect(await files()).toEqual(before)
  })

  test('leaves alone what is not ours, and what no manifest speaks for until its time', async () => {
    await plant(model, [1, 0])
    await mkdir(join(model.site.store, 'photos'))
    const foreign = ['photos/cat.jpg', 'backups/daily/notes.txt', `backups/daily/${ago(9)}-APP.sql.gz.AGE`]
    for (const name of foreign) await writeFile(join(model.site.store, name), 'x')
    const orphan = dataKey(ago(3))
    await putAll([{ key: orphan, bytes: Buffer.from('x') }], intoFolder(model.site.store))
    expect(await runTool(['prune'], environment)).toMatchObject({ exitCode: 0 })
    expect(await files()).toEqual([...keysOf(ago(1), ago(0)), ...foreign, orphan].toSorted())
  })

  test('waits for nobody who holds the lock, and works where there is no database', async () => {
    await plant(model, [1, 0])
    await asking(url, async (client) => {
      await client.query('SELECT pg_advisory_lock(8151642025)')
      for (const command of ['prune', 'promote'])
        expect(await runTool([command], environment)).toMatchObject({ exitCode: 69 })
      const { DATABASE_URL: _, ...drillHost } = environment
      for (const command of ['promote', 'prune'])
        expect(await runTool([command], drillHost)).toMatchObject({ exitCode: 0 })
    })
  })
})

describe('a ruined database', () => {
  test('is backed up and marked; nothing older goes until a person accepts it', async () => {
    await plant(model, [9, 8, 7, 2, 1])
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    const good = await files()
    await query(url, 'DELETE FROM users WHERE id > 79')
    await query(url, 'DROP TABLE notes')
    const ran = await runToolJson(['run'], environment)
    expect(ran.exitCode).toBe(0)
    expect((ran.document as { manifest: Manifest }).manifest.anomalies).toEqual([
      `public.users has 79 rows; the backup of ${ago(1)} has 100 (21.0 % lost).`,
      `The table public.notes has vanished since ${ago(1)}.`,
    ])
    expect(ran.stderr).toContain('ANOMALY: public.users has 79 rows')
    expect(await files()).toEqual([...good, ...keysOf(ago(0))].toSorted())

    // The second ruined night is judged against the good one, not against the first.
    const again = await runToolJson(['run', '--replace'], environment)
    expect((again.document as { manifest: Manifest }).manifest.anomalies).toHaveLength(2)
    expect(await files()).toEqual(expect.arrayContaining(good))

    const listed = await runTool(['list'], environment)
    expect(listed.stdout).toContain(`ANOMALY of ${ago(0)}`)
    expect(listed.stdout).toContain(`prune --accept-anomaly ${ago(0)} --reason TEXT`)
    const refused = await runTool(['prune'], environment)
    expect(refused.exitCode).toBe(73)
    expect(refused.stdout).toContain('carries an anomaly that nobody has accepted')

    const accepted = await runToolJson(['prune', '--accept-anomaly', ago(0), '--reason', 'test accounts'], environment)
    expect(accepted).toMatchObject({ exitCode: 0, document: { accepted: { date: ago(0), reason: 'test accounts' } } })
    expect(await files()).toContain(`backups/acks/${ago(0)}.json`)
    expect((await runTool(['list'], environment)).stdout).not.toContain('ANOMALY')
    expect(await runTool(['prune'], environment)).toMatchObject({ exitCode: 0 })
    for (const date of [ago(9), ago(8), ago(7)]) expect(await files()).not.toContain(dataKey(date))
    expect(await runTool(['prune', '--accept-anomaly', ago(0), '--reason', 'again'], environment)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('carries no anomaly, or it is accepted already') as string,
    })
  })

  test('is accepted by nobody who cannot sign, and not without a reason', async () => {
    await plant(model, [1])
    await plant(model, [0], {
      keyTables: [{ name: 'public.users', rows: 10 }],
      anomalies: ['public.users has 10 rows.'],
    })
    const { BACKUP_SIGNING_KEY_FILE: _, ...unsigned } = environment
    const accept = ['prune', '--accept-anomaly', ago(0)]
    const foreignKey = { ...environment, BACKUP_SIGNING_KEY_FILE: (await newSite(url)).signingKeyFile }
    for (const signer of [unsigned, foreignKey])
      expect(await runTool([...accept, '--reason', 'x'], signer)).toMatchObject({ exitCode: 78 })
    for (const wrong of [accept, ['prune', '--reason', 'x'], ['prune', '--accept-anomaly', 'today', '--reason', 'x']])
      expect(await runTool(wrong, environment)).toMatchObject({ exitCode: 64, stdout: '' })
    expect(await runTool(['prune', '--accept-anomaly', ago(5), '--reason', 'x'], environment)).toMatchObject({
      exitCode: 66,
    })
    expect((await files()).filter((name) => name.includes('acks'))).toEqual([])
    // An acceptance that nobody trusted has signed counts for nothing.
    await mkdir(join(model.site.store, 'backups/acks'), { mode: 0o700 })
    await runTool([...accept, '--reason', 'x'], { ...unsigned, BACKUP_TRUSTED_KEYS: '' })
    expect((await files()).filter((name) => name.includes('acks'))).toHaveLength(1)
    expect((await runTool(['list'], environment)).stdout).toContain(`ANOMALY of ${ago(0)}`)
  })
})

describe('promote', () => {
  test('makes a monthly that says the truth about itself, once, and it can be restored', async () => {
    await plant(model, [40, 39, 1])
    const month = monthOf(ago(40))
    expect(await runToolJson(['promote', '--dry-run'], environment)).toMatchObject({ exitCode: 0 })
    expect(await files()).toEqual(keysOf(ago(40), ago(39), ago(1)))
    expect(await runTool(['promote', '--month', month], environment)).toMatchObject({ exitCode: 0 })
    expect(await files()).toEqual(keysOf(ago(40), ago(39), ago(1), month))
    const [daily, monthly] = [await manifestAt(ago(40)), await manifestAt(month)]
    expect(monthly).toEqual({
      ...daily,
      s3Key: dataKey(month),
      filename: dataKey(month).split('/').at(-1),
      retentionTier: 'monthly',
      promotedFrom: dataKey(ago(40)),
      signature: { keyId: daily.signature?.keyId, ed25519: expect.any(String) as string },
    })
    const before = await readFile(join(model.site.store, manifestKey(month)))
    const again = await runTool(['promote', '--month', month], environment)
    expect(again).toMatchObject({ exitCode: 0 })
    expect(await readFile(join(model.site.store, manifestKey(month)))).toEqual(before)
    await expectSound(model.site)
    const target = ['--target-db', `${url}_month`, '--owner', 'postgres']
    expect(await runTool(['restore', '--monthly', month, ...target], withIdentity(model.site))).toMatchObject({
      exitCode: 0,
    })
  })

  test('makes no monthly that would count as damaged: without a key, or with one that is not trusted', async () => {
    await plant(model, [40, 1])
    const before = await files()
    const { BACKUP_SIGNING_KEY_FILE: _, ...without } = environment
    const foreignKey = { ...environment, BACKUP_SIGNING_KEY_FILE: (await newSite(url)).signingKeyFile }
    for (const [signer, sentence] of [
      [without, 'A monthly must be signed here'],
      [foreignKey, 'does not itself trust'],
    ] as const) {
      const ended = await runTool(['promote'], signer)
      expect(ended.exitCode).toBe(78)
      expect(ended.stdout).toContain(sentence)
    }
    expect(await files()).toEqual(before)
  })

  test('names the month that has nothing to promote, and refuses what is no month', async () => {
    await plant(model, [1])
    expect(await runTool(['promote', '--month', '2020-01'], environment)).toMatchObject({
      exitCode: 66,
      stderr: expect.stringContaining('There is no good daily of 2020-01') as string,
    })
    expect(await runTool(['promote', '--month', '2020-13'], environment)).toMatchObject({ exitCode: 64 })
  })

  test('makes anew a monthly whose object is gone, and touches none that is only damaged', async () => {
    await plant(model, [40, 1])
    const month = monthOf(ago(40))
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    await rm(join(model.site.store, dataKey(month)))
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    await expectSound(model.site)
    await writeFile(join(model.site.store, manifestKey(month)), '{}')
    const ended = await runTool(['promote'], environment)
    expect(ended.exitCode).toBe(73)
    expect(ended.stdout).toContain(`No monthly of ${month}: there is a monthly that cannot be used`)
    expect(await readFile(join(model.site.store, manifestKey(month)), 'utf8')).toBe('{}')
  })

  test('takes a whole copy that an interrupted one left, and no other', async () => {
    await plant(model, [40, 1])
    const copy = { key: dataKey(monthOf(ago(40))), bytes: model.archive }
    const put = intoFolder(model.site.store)
    await putAll([{ ...copy, bytes: Buffer.alloc(copy.bytes.length) }], put)
    const ended = await runTool(['promote'], environment)
    expect(ended.exitCode).toBe(73)
    expect(ended.stdout).toContain('is in the way: no manifest speaks for it')
    await putAll([copy], put)
    expect(await runTool(['promote'], environment)).toMatchObject({ exitCode: 0 })
    await expectSound(model.site)
  })
})

describe('backups of the previous system', () => {
  const key = '5'.repeat(64)
  test('of today is left alone: its manifest holds what opens it', async () => {
    const today = olderDaily({ date: model.today, sql: model.archive, encryption: key })
    await putAll(today, intoFolder(model.site.store))
    const ended = await runTool(['run'], environment)
    expect(ended.exitCode).toBe(73)
    expect(ended.stderr).toContain(`The previous system has made a backup of today, ${model.today}`)
    expect(await readFile(join(model.site.store, today[1].key))).toEqual(today[1].bytes)
  })

  test('are shown for what they are, and promoted and pruned around', async () => {
    const night = { sql: Buffer.from('x'.repeat(10)), encryption: key }
    const random = Buffer.from(Array.from({ length: 5000 }, (_, n) => (n * 7919) % 251))
    const old = { ...night, sql: random }
    const lastYear = [
      `${String(Number(model.today.slice(0, 4)) - 1)}-03-01`,
      `${String(Number(model.today.slice(0, 4)) - 1)}-04-01`,
    ]
    const unspoken = withoutManifest(promotedByOlder(olderDaily({ ...old, date: '2019-05-01' })))
    const recent = withoutManifest(promotedByOlder(olderDaily({ ...old, date: ago(200) })))
    const put = intoFolder(model.site.store)
    await putAll([...olderHistory(lastYear, old), ...unspoken, ...recent], put)
    await plant(model, [2, 1])
    const { exitCode } = await runTool(['run'], environment)
    expect(exitCode).toBe(0)
    const left = await files()
    // The dailies are far older than a week, and nothing here vouches for them; the monthlies stay their seven years.
    for (const date of lastYear) {
      expect(left).not.toContain(dataKey(date, { sealing: 'aes-256-gcm' }))
      expect(left).toContain(dataKey(monthOf(date), { sealing: 'aes-256-gcm' }))
      expect(left).toContain(manifestKey(monthOf(date)))
    }
    expect(left).toContain(recent[0]?.key)
    const { document } = await runToolJson(['list', '--tier', 'monthly'], environment)
    const { backups } = document as { backups: { period: string; state: string; encryption: string }[] }
    expect(backups.find(({ period }) => period === monthOf(lastYear[0] ?? ''))).toMatchObject({
      state: 'unverified-older',
      encryption: 'aes-256-gcm',
    })
    expect(backups.find(({ period }) => period === monthOf(ago(200)))).toMatchObject({ state: 'orphan' })
  })
})
