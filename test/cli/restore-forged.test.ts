import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { Manifest } from '../../src/domain/manifest.ts'
import { newDatabase, query, urlOf } from '../support/postgres.ts'
import { newSite, runTool, type Environment, type Site } from '../support/tool.ts'

/**
 * Whoever can write to the store puts an archive of his own there, with a manifest in which every figure agrees. Where keys
 * are trusted he has none to sign it with; where none are, psql at least must run no program for him.
 */
let source: string
let app: string
beforeAll(async () => {
  source = await newDatabase(inject('pgPort'), {
    sql: 'CREATE TABLE users (id int); INSERT INTO users VALUES (1), (2)',
  })
  app = `forged_${String(process.pid)}`
  await query(source, `CREATE ROLE ${app}`)
})

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const forge = async (site: Site, hostile: string): Promise<void> => {
  const path = join(site.store, `backups/manifests/${new Date().toISOString().slice(0, 10)}-manifest.json`)
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest
  const archive = join(site.store, manifest.s3Key)
  const sql = gunzipSync(await readFile(archive)).toString()
  const end = sql.lastIndexOf('--\n-- PostgreSQL database dump complete')
  const forged = Buffer.from(`${sql.slice(0, end)}${hostile}\n${sql.slice(end)}`)
  const stored = gzipSync(forged)
  await writeFile(archive, stored)
  const { signature: _, ...rest } = manifest
  await writeFile(
    path,
    JSON.stringify({
      ...rest,
      sizeBytes: stored.length,
      checksumSha256: sha256(stored),
      plain: { sizeBytes: forged.length, sha256: sha256(forged) },
    }),
  )
}

/** Not sealed, so that the forger needs no programs; whom to seal for is public anyway. */
const unsealed = (site: Site): Environment => ({
  ...site.environment,
  BACKUP_AGE_RECIPIENTS: '',
  BACKUP_ENCRYPTION: 'none',
})
const trustingNobody = ({ BACKUP_SIGNING_KEY_FILE: _, BACKUP_TRUSTED_KEYS: __, ...rest }: Environment): Environment =>
  rest

let made = 0
describe.each<[string, (mark: string) => string]>([
  ['a line for the shell', (mark) => `\\! touch ${mark}`],
  ['a command for the shell in mid-line', (mark) => `SELECT 1; \\! touch ${mark}`],
  ['a command for the shell in the middle of a statement', (mark) => `SELECT 1 \\! touch ${mark}\n;`],
  ['an end of the restriction before it', (mark) => `\\unrestrict x\n\\! touch ${mark}`],
  ['output through a program', (mark) => `SELECT 1 \\g | touch ${mark}`],
  ['a copy through a program', (mark) => `\\copy users to program 'touch ${mark}'`],
  ['a copy by the server through a program', (mark) => `COPY users TO PROGRAM 'touch ${mark}';`],
  ['a file of the server', (mark) => `SELECT pg_read_file('/etc/hostname'); COPY users TO '${mark}';`],
])('a forged archive with %s', (_what, hostileWith) => {
  test('reaches nothing: with trusted keys it is damaged, without them it runs nothing', async () => {
    const site = await newSite(source)
    const environment = unsealed(site)
    expect(await runTool(['run'], environment)).toMatchObject({ exitCode: 0 })
    const mark = join('/tmp', `oslrs-forged-${String(process.pid)}-${String(++made)}`)
    await forge(site, hostileWith(mark))
    const target = `forged_${String(process.pid)}_${String(made)}`
    const today = ['--date', new Date().toISOString().slice(0, 10)]
    const args = ['restore', ...today, '--owner', app, '--target-db', urlOf(inject('pgPort'), target)]

    const refused = await runTool(args, environment)
    expect(refused).toMatchObject({ exitCode: 65, stdout: '' })
    expect(refused.stderr).toContain('its manifest is not signed')

    const ended = await runTool(args, trustingNobody(environment))
    expect(ended.exitCode, ended.stderr).not.toBe(0)
    expect(ended.stdout).toBe('')
    expect(existsSync(mark)).toBe(false)
    expect(await query(source, 'SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [target])).toEqual([])
  })
})
