import { execa } from 'execa'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { expectFault, expectNothingLeft, flowingDatabase, runAt, stateOf, type Before } from '../support/faults.ts'
import { pathOf, processesOf } from '../support/faulty-programs.ts'
import { newDatabase } from '../support/postgres.ts'
import { completeKeys, expectSound } from '../support/soundness.ts'
import { filesUnder, newSite, runTool, runToolJson, toolPath, type Environment, type Site } from '../support/tool.ts'

const mayMount = process.getuid?.() === 0
if (!mayMount) {
  if (process.env['REQUIRE_ALL_TIERS'] === '1')
    throw new Error('The faults of the store need root, to mount file systems.')
  process.stderr.write('SKIPPED: the faults of the store (a full disk, a read-only one): they need root, to mount.\n')
}

let large: Environment
let small: Environment
beforeAll(async () => {
  large = { DATABASE_URL: await flowingDatabase(inject('pgPort')) }
  small = { DATABASE_URL: await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 1 AS id' }) }
})

/** Mounts over a folder until the test is over. */
const mount = async (folder: string, ...options: string[]): Promise<void> => {
  await execa('mount', [...options, folder])
  onTestFinished(async () => {
    await execa('umount', [folder])
  })
}

/** A site whose store is a disk of its own, of 256 KiB, with a good backup of a small database in it. */
const siteOnSmallDisk = async (): Promise<{ site: Site; before: Before }> => {
  const site = await newSite(small['DATABASE_URL'] ?? '')
  await mount(site.store, '-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'tmpfs')
  expect(await runTool(['run'], site.environment)).toMatchObject({ exitCode: 0 })
  return { site, before: await stateOf(site) }
}

const freeBytes = async (folder: string): Promise<number> =>
  Number((await execa('df', ['--output=avail', '-B1', folder])).stdout.split('\n')[1])

describe.skipIf(!mayMount)('the disk of the store', () => {
  test('is full before the archive is whole: no half of it stays, and its room is free again', async () => {
    const { site, before } = await siteOnSmallDisk()
    const free = await freeBytes(site.store)
    expectFault(await runAt(site, ['run', '--replace'], large), 75, `There is no space left in ${site.store}.`)
    expect(await freeBytes(site.store)).toBe(free)
    await expectNothingLeft(site, before)
  })

  test('is full from the start', async () => {
    const { site, before } = await siteOnSmallDisk()
    await writeFile(join(site.store, 'foreign'), Buffer.alloc(await freeBytes(site.store)), { mode: 0o600 })
    expectFault(await runAt(site, ['run', '--replace']), 75, `There is no space left in ${site.store}.`)
    await expectNothingLeft(site, { ...before, files: [...before.files, 'foreign'] })
  })

  test('is mounted read-only: nothing is dumped, and what is there can still be listed and verified', async () => {
    const { site, before } = await siteOnSmallDisk()
    await execa('mount', ['-o', 'remount,ro', site.store])
    const ended = await runAt(site, ['run', '--replace'], large)
    expectFault(ended, 75, `The file system of ${site.store} is read-only.`)
    expect(ended.stderr).not.toContain('Backing up')
    await expectNothingLeft(site, before)
  })

  test('takes the archive and not its manifest: the earlier backup stays the one that counts', async () => {
    const { site, before } = await siteOnSmallDisk()
    const manifests = join(site.store, 'backups/manifests')
    await mount(manifests, '--bind', manifests)
    await execa('mount', ['-o', 'remount,bind,ro', manifests])
    expectFault(await runAt(site, ['run', '--replace']), 75, `The file system of ${site.store} is read-only.`)
    expect(await processesOf(site)).toEqual([])
    // Data first, manifest last: an archive without a manifest is an orphan, and no backup.
    const { document } = await runToolJson(['list'], site.environment)
    expect(document).toMatchObject({
      backups: [{ key: before.complete[0] }, { state: 'orphan' }, { key: before.complete[1] }],
    })
    expect(await completeKeys(site)).toEqual(before.complete)
    await expectSound(site, before.complete)
  })
})

describe('the disk of the store fails while the archive flows', () => {
  // An archive of more than 32 MiB: so much is written to the disk before the rest is there.
  test('what cannot be written to the disk by then is no backup, though all later writes succeed', async () => {
    const noise = `SELECT string_agg(encode(sha256((g || '-' || part)::bytea), 'hex'), '') FROM generate_series(1, 8) part`
    const site = await newSite(
      await newDatabase(inject('pgPort'), {
        sql: `CREATE TABLE users AS SELECT g AS id, (${noise}) AS email FROM generate_series(1, 140000) g`,
      }),
    )
    const failing = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=1']
    const { exitCode, stdout, stderr } = await execa('strace', [...failing, toolPath, 'run'], {
      env: { ...site.environment, ...pathOf(site) },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    })
    expectFault({ exitCode, stdout, stderr }, 75, `The store in ${site.store} failed (EIO).`)
    expect(stderr).toContain('dmesg')
    await expectNothingLeft(site, { files: [], complete: [] })
  })
})

describe('the folder of the store', () => {
  test('is missing, as where a disk is not mounted: it is not made', async () => {
    const site = await newSite(small['DATABASE_URL'] ?? '')
    const store = join(site.folder, 'not-mounted')
    const ended = await runAt(site, ['run'], { BACKUP_STORE_DIR: store })
    expectFault(ended, 78, `The folder of BACKUP_STORE_DIR does not exist: ${store}`)
    expect(await filesUnder(site.folder)).not.toContain('not-mounted')
    await expectNothingLeft(site, { files: [], complete: [] })
  })

  test('is a file', async () => {
    const site = await newSite(small['DATABASE_URL'] ?? '')
    const ended = await runAt(site, ['run'], { BACKUP_STORE_DIR: site.identityFile })
    expectFault(ended, 78, `BACKUP_STORE_DIR is not a folder: ${site.identityFile}`)
    await expectNothingLeft(site, { files: [], complete: [] })
  })

  test('holds a file where a folder of backups belongs', async () => {
    const site = await newSite(small['DATABASE_URL'] ?? '')
    await mkdir(join(site.store, 'backups'), { mode: 0o700 })
    await writeFile(join(site.store, 'backups/daily'), 'somebody’s', { mode: 0o600 })
    expectFault(await runAt(site, ['run']), 78, site.store)
    await expectNothingLeft(site, { files: ['backups/daily'], complete: [] })
  })
})
