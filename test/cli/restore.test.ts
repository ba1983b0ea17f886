import { execa } from 'execa'
import { readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import {
  dumpOfWorker,
  intoFolder,
  olderDaily,
  olderDailyBrokenOff,
  olderDailyCutShort,
  promotedByOlder,
  putAll,
  withoutManifest,
  type OlderFile,
} from '../support/older-backups.ts'
import { newDatabase, query, urlOf } from '../support/postgres.ts'
import {
  filesUnder,
  manifestsOf,
  newSite,
  runTool,
  runToolJson,
  withIdentity,
  type Environment,
  type Site,
} from '../support/tool.ts'

let source: string
beforeAll(async () => {
  source = await newDatabase(inject('pgPort'), { template: inject('registryTemplate') })
})

// Source and copy are compared to the last row.
const noAudit: Environment = { BACKUP_AUDIT: 'off' }

let made = 0
const newTarget = (): string => urlOf(inject('pgPort'), `restored_${String(process.pid)}_${String(++made)}`)
const databasesLike = async (target: string): Promise<string[]> => {
  const name = new URL(target).pathname.slice(1)
  const rows = await query<{ datname: string }>(
    source,
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [name],
  )
  return rows.map(({ datname }) => datname)
}
/** Without the random words around it. */
const dumpOf = async (url: string): Promise<string> =>
  (await execa('pg_dump', ['--no-owner', '--no-acl', url])).stdout.replaceAll(/^\\(un)?restrict .*$/gm, '')

const backedUp = async (): Promise<{ site: Site; environment: Environment; archive: string }> => {
  const site = await newSite(source)
  expect(await runTool(['run'], { ...site.environment, ...noAudit })).toMatchObject({ exitCode: 0 })
  const [manifest] = await manifestsOf(site)
  return { site, environment: { ...withIdentity(site), ...noAudit }, archive: join(site.store, manifest?.s3Key ?? '') }
}

describe('--dry-run', () => {
  test('reads the archive to its end, says where it would go, and makes nothing', async () => {
    const { environment } = await backedUp()
    const target = newTarget()
    const ended = await runToolJson(
      ['restore', '--latest', '--target-db', target, '--owner', 'postgres', '--dry-run'],
      environment,
    )
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect(ended.document).toMatchObject({
      dryRun: true,
      created: true,
      tables: expect.arrayContaining([{ name: 'public.respondents', expected: 2000, found: null }]) as unknown,
    })
    expect(await databasesLike(target)).toEqual([])
    const told = await runTool(
      ['restore', '--latest', '--target-db', target, '--owner', 'postgres', '--dry-run'],
      environment,
    )
    expect(told.stdout).toContain('Nothing was changed. The same line without --dry-run restores it.')
  })

  test('finds what a restore would find: damage, a wrong key, a target that is not free', async () => {
    const { site, environment, archive } = await backedUp()
    const dry = (...args: string[]) => [
      'restore',
      '--date',
      new Date().toISOString().slice(0, 10),
      '--dry-run',
      ...args,
    ]
    const full = await runTool(dry('--target-db', source), environment)
    expect(full).toMatchObject({ exitCode: 0 })
    expect(full.stdout).toContain('It would be restored in the place of the database')
    const another = await runTool(dry('--target-db', source, '--owner', 'somebody'), environment)
    expect(another).toMatchObject({ exitCode: 73 })
    const other = await newSite(source)
    const wrongKey = { ...environment, BACKUP_AGE_IDENTITY_FILE: other.identityFile }
    expect(await runTool(dry('--target-db', newTarget(), '--owner', 'postgres'), wrongKey)).toMatchObject({
      exitCode: 78,
    })
    const bytes = await readFile(archive)
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 30) ^ 1, bytes.length - 30)
    await writeFile(archive, bytes)
    expect(await runTool(dry('--target-db', newTarget(), '--owner', 'postgres'), environment)).toMatchObject({
      exitCode: 65,
    })
    expect(site.store).not.toBe('')
  })
})

describe('--to-file', () => {
  test('writes plain SQL that only its owner can read, and psql alone brings it back', async () => {
    const { site, environment } = await backedUp()
    const { DATABASE_URL: _, ...withoutDatabase } = environment
    const path = join(site.folder, 'plain.sql')
    const ended = await runToolJson(['restore', '--latest', '--to-file', path], withoutDatabase)
    expect(ended.exitCode, ended.stderr).toBe(0)
    const { size, mode } = await stat(path)
    expect(mode & 0o777).toBe(0o600)
    const [manifest] = await manifestsOf(site)
    expect(size).toBe(manifest?.plain.sizeBytes)
    expect(ended.document).toMatchObject({ path, sizeBytes: size })
    const database = await newDatabase(inject('pgPort'))
    await execa('psql', ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', path, database])
    expect(await dumpOf(database)).toBe(await dumpOf(source))

    const again = await runTool(['restore', '--latest', '--to-file', path], withoutDatabase)
    expect(again.exitCode).toBe(73)
    expect(again.stderr).toContain(`There is already a file ${path}`)
    expect((await stat(path)).size).toBe(size)
  })

  test('leaves no file behind when the archive is damaged, or there is no place for it', async () => {
    const { site, environment, archive } = await backedUp()
    const before = await filesUnder(site.folder)
    const at = (path: string) => ['restore', '--latest', '--to-file', path]
    expect(await runTool(at(join(site.folder, 'nowhere/plain.sql')), environment)).toMatchObject({ exitCode: 64 })
    expect(await runTool([...at('/tmp/x.sql'), '--dry-run'], environment)).toMatchObject({ exitCode: 64 })
    const bytes = await readFile(archive)
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
    await writeFile(archive, bytes)
    const damaged = await runTool(
      ['restore', '--date', new Date().toISOString().slice(0, 10), '--to-file', join(site.folder, 'x.sql')],
      environment,
    )
    expect(damaged).toMatchObject({ exitCode: 65, stdout: '' })
    expect(await filesUnder(site.folder)).toEqual(before)
  })
})

describe('a backup of the previous system', () => {
  const key = 'ab'.repeat(32)
  const date = '2025-11-03'
  const planted = async (files: readonly OlderFile[]): Promise<Environment> => {
    const site = await newSite(source)
    await putAll(files, intoFolder(site.store))
    return { ...withIdentity(site), ...noAudit }
  }
  const unverified = ['--allow-unverified']

  test.each([
    ['plain', undefined],
    ['encrypted', key],
  ])('%s, is restored row for row where that is allowed', async (_how, encryption) => {
    const sql = await dumpOfWorker(source)
    const environment = { ...(await planted(olderDaily({ date, sql, encryption }))), BACKUP_ENCRYPTION_KEY: key }
    const target = newTarget()
    const refused = await runTool(['restore', '--latest', '--target-db', target, '--owner', 'postgres'], environment)
    expect(refused.exitCode).toBe(73)
    expect(refused.stderr).toContain('add --allow-unverified')
    expect(await databasesLike(target)).toEqual([])

    const ended = await runToolJson(
      ['restore', '--latest', '--target-db', target, '--owner', 'postgres', ...unverified],
      environment,
    )
    expect(ended.exitCode, ended.stderr).toBe(0)
    const { warnings, tables } = ended.document as { warnings: string[]; tables: unknown[] }
    expect(tables).toContainEqual({ name: 'public.respondents', expected: 2000, found: 2000 })
    expect(warnings[0]).toContain('of the previous system')
    // Its counts came from the live database, after the dump.
    expect(warnings).toContain(
      'Its manifest says 2003 rows of respondents, counted after the dump; the archive holds 2000 rows.',
    )
    expect(await dumpOf(target)).toBe(await dumpOf(source))
    expect(await runTool(['verify', '--depth', 'archive', '--all'], environment)).toMatchObject({ exitCode: 0 })
  })

  test('is opened by its own key alone, and a wrong one is told as one', async () => {
    const environment = await planted(olderDaily({ date, sql: await dumpOfWorker(source), encryption: key }))
    const restore = ['restore', '--date', date, '--target-db', newTarget(), '--owner', 'postgres', ...unverified]
    const without = await runTool(restore, environment)
    expect(without).toMatchObject({
      exitCode: 78,
      stderr: expect.stringContaining('Set BACKUP_ENCRYPTION_KEY') as string,
    })
    const wrong = await runTool(restore, { ...environment, BACKUP_ENCRYPTION_KEY: 'cd'.repeat(32) })
    expect(wrong.exitCode).toBe(78)
    expect(wrong.stderr).toContain('BACKUP_ENCRYPTION_KEY does not open this backup')
    expect(wrong.stderr).not.toContain('cdcd')
  })

  test.each([
    ['half of a dump', () => olderDailyBrokenOff, "does not end with pg_dump's trailer"],
    ['half of a gzip', () => olderDailyCutShort, 'it is not one whole gzip stream'],
  ])('that holds %s is not restored, however good its manifest', async (_what, make, sentence) => {
    const files = make()({ date, sql: await dumpOfWorker(source), encryption: key })
    const environment = { ...(await planted(files)), BACKUP_ENCRYPTION_KEY: key }
    const target = newTarget()
    const ended = await runTool(
      ['restore', '--latest', '--target-db', target, '--owner', 'postgres', ...unverified],
      environment,
    )
    expect(ended.exitCode).toBe(65)
    expect(ended.stderr).toContain(sentence)
    expect(await databasesLike(target)).toEqual([])
    expect(await runTool(['verify', '--depth', 'archive', '--date', date], environment)).toMatchObject({ exitCode: 65 })
  })

  test('without a manifest is restored only by its own name', async () => {
    const files = withoutManifest(
      promotedByOlder(olderDaily({ date, sql: await dumpOfWorker(source), encryption: undefined })),
    )
    const environment = await planted(files)
    const target = newTarget()
    const to = ['--target-db', target, '--owner', 'postgres', ...unverified]
    expect(await runTool(['restore', '--latest', ...to], environment)).toMatchObject({ exitCode: 66 })
    const plain = await runTool(
      ['restore', '--monthly', '2025-11', '--target-db', target, '--owner', 'postgres'],
      environment,
    )
    expect(plain.exitCode).toBe(65)
    const ended = await runToolJson(['restore', '--monthly', '2025-11', ...to], environment)
    expect(ended.exitCode, ended.stderr).toBe(0)
    expect((ended.document as { warnings: string[] }).warnings[0]).toContain('No manifest speaks for this archive')
    expect(await dumpOf(target)).toBe(await dumpOf(source))
  })

  test('whose stored bytes have changed is damaged', async () => {
    const files = olderDaily({ date, sql: await dumpOfWorker(source), encryption: key })
    const site = await newSite(source)
    await putAll(files, intoFolder(site.store))
    const path = join(site.store, files[0].key)
    const { size } = await stat(path)
    await truncate(path, size - 1)
    await writeFile(path, 'x', { flag: 'a' })
    const environment = { ...withIdentity(site), BACKUP_ENCRYPTION_KEY: key }
    const ended = await runTool(
      ['restore', '--date', date, '--target-db', newTarget(), '--owner', 'postgres', ...unverified],
      environment,
    )
    expect(ended.exitCode).toBe(65)
    expect(ended.stderr).toContain('its SHA-256 is not the one in the manifest')
  })
})
