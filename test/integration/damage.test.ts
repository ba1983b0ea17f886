import { createPrivateKey, createPublicKey } from 'node:crypto'
import { appendFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decrypt } from '../../src/adapters/age.ts'
import { systemClock } from '../../src/adapters/clock.ts'
import { findGzip } from '../../src/adapters/gzip.ts'
import { verify, type ReadContext } from '../../src/commands/verify.ts'
import { asDocument, encodeManifest, type Manifest } from '../../src/domain/manifest.ts'
import { statusOfChecks } from '../../src/domain/check.ts'
import { signDocument } from '../../src/domain/signature.ts'
import { asFault } from '../../src/errors.ts'
import type { Programs } from '../../src/ports.ts'
import { layout } from '../support/builders.ts'
import { hostOf, keptRegistrySite } from '../support/drills.ts'
import { opened, rehashed } from '../support/forged.ts'
import { memoryStore } from '../support/memory-store.ts'
import { watchMemory } from '../support/process-tree.ts'
import { newDatabase } from '../support/postgres.ts'
import { manifestsOf, newSite, runTool, startTool, type Site } from '../support/tool.ts'

/** Damage by the thousand, at archive depth and in this process: the code that `verify` and the drill run, on real age. */

interface Ground {
  readonly site: Site
  readonly manifest: Manifest
  readonly archive: Buffer
}
let kept: Awaited<ReturnType<typeof keptRegistrySite>>
let sealed: Ground
/** The same dump, signed as well, in a gzip that nothing seals: no process has to be started to read it. */
let bare: Ground
beforeAll(async () => {
  kept = await keptRegistrySite()
  const { site } = kept
  const [manifest] = await manifestsOf(site)
  if (manifest === undefined) throw new Error('no backup')
  sealed = { site, manifest, archive: await readFile(join(site.store, manifest.s3Key)) }
  const archive = gzipSync(await opened(site, sealed.archive))
  const unsigned: Manifest = {
    ...rehashed(manifest, archive),
    s3Key: manifest.s3Key.replace(/\.age$/, ''),
    filename: manifest.filename.replace(/\.age$/, ''),
    encryption: { algorithm: 'none', recipients: [] },
  }
  const key = createPrivateKey(await readFile(site.signingKeyFile))
  bare = { site, archive, manifest: { ...unsigned, signature: signDocument(asDocument(unsigned), key) } }
})
afterAll(() => kept.remove())

const neverReached = (): never => {
  throw new Error('this program was not to be called')
}
const environment = { PATH: '/usr/bin:/bin' }

/** However busy the machine is. */
const patient = { timeout: 300_000 }

/** A store with one backup, whose archive and manifest are what is given; what `verify` finds there. */
const verifying = async (
  { site, manifest }: Ground,
  archive: Uint8Array,
  document: Manifest,
  trusted: boolean,
): Promise<number> => {
  const store = memoryStore(layout.prefix, () => new Date())
  store.plant(manifest.s3Key, archive)
  store.plant(
    `backups/manifests/${manifest.timestamp.slice(0, 10)}-manifest.json`,
    Buffer.from(encodeManifest(document)),
  )
  const programs: Programs = {
    dumperFor: neverReached,
    encrypt: neverReached,
    ageVersion: neverReached,
    // Node's own zlib, so that one process is started for each case and not two.
    gzip: () => findGzip({ PATH: '/nonexistent' }, 'of node'),
    decrypt: (input, identityFile, flow) => decrypt(environment, input, identityFile, flow),
  }
  const ctx: ReadContext = {
    vault: {
      store,
      layout,
      trusted: trusted ? [createPublicKey(await readFile(site.publicKeyFile))] : [],
    },
    programs,
    journal: silent,
    stop: new AbortController().signal,
    identityFile: site.identityFile,
    olderKey: undefined,
    stallMs: 60_000,
    policy: { dailyDays: 7, monthlyMonths: 84 },
  }
  try {
    const { backups } = await verify(ctx, { which: { by: 'key', key: manifest.s3Key }, depth: 'archive' })
    return statusOfChecks(backups.flatMap(({ checks }) => checks))
  } catch (thrown) {
    return asFault(thrown).exitStatus
  }
}
const quiet = (): void => undefined
const silent: ReadContext['journal'] = {
  info: quiet,
  warn: quiet,
  debug: quiet,
  progress: () => ({ at: quiet, end: quiet }),
}

/** Several at a time, in order of the list. */
const forEachOf = async <T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> => {
  const left = [...items]
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: 4 }, worker))
}

/** The same places every time: a failure can be looked at again. */
const placesIn = (bytes: number, count: number): { at: number; bit: number }[] => {
  let state = 20_260_302
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  return Array.from({ length: count }, () => ({ at: next(bytes), bit: next(8) }))
}

const flipped = (bytes: Buffer, { at, bit }: { at: number; bit: number }): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ (1 << bit)
  return copy
}

/** Of so many places, the statuses that came of a bit flipped there. */
const statusesOf = async (
  ground: Ground,
  places: readonly { at: number; bit: number }[],
): Promise<Readonly<Record<string, number>>> => {
  const statuses: Record<string, number> = {}
  await forEachOf(places, async (place) => {
    const status = await verifying(ground, flipped(ground.archive, place), ground.manifest, true)
    statuses[status] = (statuses[status] ?? 0) + 1
  })
  return statuses
}
const lastOf = (bytes: number, count: number, within: number): { at: number; bit: number }[] =>
  placesIn(within, count).map(({ at, bit }) => ({ at: bytes - 1 - at, bit }))

describe('a small archive', patient, () => {
  test('is good as it is', async () => {
    for (const ground of [sealed, bare]) expect(await verifying(ground, ground.archive, ground.manifest, true)).toBe(0)
    expect(await verifying(sealed, sealed.archive, rehashed(sealed.manifest, sealed.archive), false)).toBe(0)
  })

  test('with one bit flipped at any of 1,000 places is red', async () => {
    const { length } = bare.archive
    const places = [...placesIn(length, 900), ...placesIn(10, 50), ...lastOf(length, 50, 8)]
    expect(await statusesOf(bare, places)).toEqual({ 65: 1000 })
  })

  test('that is sealed: the same, in the header, the body and the last chunk', async () => {
    const { length } = sealed.archive
    const header = sealed.archive.indexOf('\n--- ') + 50
    const places = [...placesIn(header, 50), ...placesIn(length, 50), ...lastOf(length, 50, 64)]
    expect(await statusesOf(sealed, places)).toEqual({ 65: 150 })
  })

  test('with a bit flipped and its size and digest stated anew, where nobody asks for a signature, never passes', async () => {
    const header = sealed.archive.indexOf('\n--- ') + 50
    await forEachOf([...placesIn(header, 20), ...placesIn(sealed.archive.length, 20)], async (place) => {
      const archive = flipped(sealed.archive, place)
      const status = await verifying(sealed, archive, rehashed(sealed.manifest, archive), false)
      // In the part that is for us alone, it looks sealed for somebody else.
      expect([65, 78], JSON.stringify(place)).toContain(status)
    })
  })

  test('truncated anywhere is red, and with its size and digest stated anew, too', async () => {
    const lengthsOf = ({ archive: { length } }: Ground, count: number): number[] => [
      0,
      1,
      20,
      ...placesIn(length, count).map(({ at }) => at),
      ...[1, 2, 8, 9, 16, 17].map((cut) => length - cut),
    ]
    for (const [ground, count] of [
      [bare, 200],
      [sealed, 20],
    ] as const)
      await forEachOf(lengthsOf(ground, count), async (length) => {
        const archive = ground.archive.subarray(0, length)
        expect(await verifying(ground, archive, ground.manifest, true), String(length)).toBe(65)
        const stated = await verifying(ground, archive, rehashed(ground.manifest, archive), false)
        expect([65, 78], String(length)).toContain(stated)
      })
  })
})

test('an archive that grows to 100 GB is stopped at the size that its manifest states', patient, async () => {
  const site = await newSite(await newDatabase(Number(new URL(kept.site.environment['DATABASE_URL'] ?? '').port)))
  const plain = {
    BACKUP_ENCRYPTION: 'none',
    BACKUP_AGE_RECIPIENTS: '',
    BACKUP_SIGNING_KEY_FILE: '',
    BACKUP_TRUSTED_KEYS: '',
  }
  expect(await runTool(['run'], { ...site.environment, ...plain })).toMatchObject({ exitCode: 0 })
  const [manifest] = await manifestsOf(site)
  if (manifest === undefined) throw new Error('no backup')
  // A gzip may have many members, one after another: 64 MB of zeros, 1,600 times.
  const member = gzipSync(Buffer.alloc(64_000_000))
  const archive = join(site.store, manifest.s3Key)
  await writeFile(archive, '')
  for (let written = 0; written < 1600; written += 100)
    await appendFile(archive, Buffer.concat(Array.from({ length: 100 }, () => member)))
  const forged = rehashed(manifest, await readFile(archive))
  await writeFile(
    join(site.store, `backups/manifests/${manifest.timestamp.slice(0, 10)}-manifest.json`),
    encodeManifest(forged),
  )
  const since = systemClock.monotonicMs()
  const host = { ...hostOf(site), ...plain }
  const running = startTool(['verify', '--json'], host)
  const watch = watchMemory(running.pid ?? 0)
  const { exitCode, stdout } = await running
  const peak = watch.end()
  const tookMs = systemClock.monotonicMs() - since
  process.stdout.write(
    `100 GB in ${String(forged.sizeBytes)} bytes: ${(tookMs / 1000).toFixed(1)} s, ${(peak.total.aloneBytes / 1e6).toFixed(0)} MB\n`,
  )
  expect(exitCode).toBe(65)
  expect(stdout).toContain('unpacks to more than its manifest says')
  expect(peak.total.aloneBytes).toBeLessThan(250_000_000)
  expect(tookMs).toBeLessThan(30_000)
})
