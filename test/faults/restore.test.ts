import { execa } from 'execa'
import { createHash } from 'node:crypto'
import { open, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { expectFault, flowingDatabase, midStream, runAt, sessionsEnd } from '../support/faults.ts'
import { harmPg } from '../support/faulty-programs.ts'
import { backupOf, emptyTarget, expectUntouched, kindsOfTarget, type BackedUp } from '../support/restore-targets.ts'
import { query } from '../support/postgres.ts'
import { filesUnder, newFolder, withIdentity, type Environment, type Site } from '../support/tool.ts'

let url: string
beforeAll(async () => {
  url = await flowingDatabase(inject('pgPort'))
})

const digestsOf = async (site: Site): Promise<string[]> =>
  Promise.all(
    (await filesUnder(site.store)).map(
      async (file) =>
        `${file} ${createHash('sha256')
          .update(await readFile(join(site.store, file)))
          .digest('hex')}`,
    ),
  )

const changeByte = async (file: string, at: number, change: (byte: number) => number): Promise<void> => {
  const handle = await open(file, 'r+')
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at)
  await handle.write(Buffer.from([change(buffer[0] ?? 0)]), 0, 1, at)
  await handle.close()
}
const flipByte = (file: string, at: number): Promise<void> => changeByte(file, at, (byte) => byte ^ 1)
/** In age's header, what is for the first recipient, in base64: still well-formed, and for nobody any more. */
const changeHeader = (file: string): Promise<void> =>
  changeByte(file, 'age-encryption.org/v1\n-> X25519 '.length + 20, (byte) => (byte === 0x41 ? 0x42 : 0x41))

const sizeOf = async (file: string): Promise<number> => (await readFile(file)).length

/** Another archive, as good as the first, which anybody could make who knows the recipients: same size, same content. */
const sealAnew = async ({ site, archive }: BackedUp): Promise<void> => {
  const size = await sizeOf(archive)
  const plain = await execa('age', ['-d', '-i', site.identityFile, archive], { encoding: 'buffer' })
  const recipients = (site.environment['BACKUP_AGE_RECIPIENTS'] ?? '').split(',')
  await execa('age', [...recipients.flatMap((recipient) => ['-r', recipient]), '-o', archive], { input: plain.stdout })
  expect(await sizeOf(archive)).toBe(size)
}

describe.each(kindsOfTarget)(
  'into %s, what is damaged is not restored, and nothing is changed:',
  (_kind, newTarget) => {
    test.each<[string, (backup: BackedUp) => Promise<void>, string]>([
      [
        'a byte flipped in the middle',
        async ({ archive }) => flipByte(archive, Math.floor((await sizeOf(archive)) / 2)),
        'The sealed archive is damaged',
      ],
      [
        'the last byte flipped',
        async ({ archive }) => flipByte(archive, (await sizeOf(archive)) - 1),
        'archive is damaged',
      ],
      ['a byte of its header changed', ({ archive }) => changeHeader(archive), 'damaged'],
      [
        'truncated',
        async ({ archive }) => truncate(archive, (await sizeOf(archive)) - 70_000),
        'cannot be used: its object has',
      ],
      ['replaced by another', sealAnew, 'its SHA-256 is not the one in the manifest'],
      [
        'its manifest altered after signing',
        async ({ manifest }) => {
          await writeFile(manifest, (await readFile(manifest, 'utf8')).replace('"rows": 40000', '"rows": 39999'))
        },
        'cannot be used: its manifest was altered after it was signed',
      ],
    ])('%s', async (_what, damage, sentence) => {
      const backup = await backupOf(url)
      const target = await newTarget()
      await damage(backup)
      const stored = await digestsOf(backup.site)
      const ended = await runAt(backup.site, backup.restoreTo(target), withIdentity(backup.site))
      expectFault(ended, 65, sentence)
      await expectUntouched(backup.site, target)
      expect(await digestsOf(backup.site)).toEqual(stored)
    })
  },
)

describe('into an empty database, damage that shows only at the very end', () => {
  const unsealed: Environment = { BACKUP_ENCRYPTION: 'none', BACKUP_AGE_RECIPIENTS: '' }
  test.each<[string, Environment, number]>([
    ['of a sealed archive: in its last 64 KiB', {}, 60_000],
    ['of a sealed archive: in its last byte', {}, 1],
    ['of an archive that is not sealed: in its last rows', unsealed, 2_000],
    ["of an archive that is not sealed: in gzip's checksum", unsealed, 7],
    ["of an archive that is not sealed: in gzip's length", unsealed, 2],
  ])('%s: nothing is committed', async (_what, change, fromEnd) => {
    const { site, archive, restoreTo } = await backupOf(url, change)
    const target = await emptyTarget()
    await flipByte(archive, (await sizeOf(archive)) - fromEnd)
    const harmed = await harmPg(site, { call: '--file=-', stream: 'input', at: midStream, then: 'note' })
    const ended = await runAt(site, restoreTo(target), { ...withIdentity(site), ...change, ...harmed.environment })
    // psql had most of the rows by then.
    expect(harmed.hasFired()).toBe(true)
    expectFault(ended, 65, 'damaged')
    await sessionsEnd(target.url)
    await expectUntouched(site, target)
  })
})

/** Every psql that loads is this instead: a line of a shell, to which it is `"$@"`. */
const loadingBy = async (line: string): Promise<Environment> => {
  const command = join(await newFolder(), 'command')
  await writeFile(command, `#!/bin/sh\ncase "$*" in *--file=-*) ${line} ;; *) exec "$@" ;; esac\n`, { mode: 0o755 })
  return { BACKUP_PG_COMMAND: command }
}

test.each(kindsOfTarget.slice(0, 2))(
  'into %s, a psql that loads nothing and says that all is well',
  async (_what, newTarget) => {
    const { site, restoreTo } = await backupOf(url)
    const target = await newTarget()
    const command = await loadingBy('cat > /dev/null')
    const ended = await runAt(site, restoreTo(target), { ...withIdentity(site), ...command })
    expectFault(ended, 65, 'public.respondents')
    expect(ended.stderr).toContain('missing')
    await expectUntouched(site, target)
  },
)

test('into an empty database, where the application is waiting: what it writes at once is no fault of the restore', async () => {
  const { site, restoreTo } = await backupOf(url)
  const target = await emptyTarget()
  // psql ends only when the application has written.
  const write = `psql -qXd '${target.url}' -c "INSERT INTO respondents SELECT -1, 'somebody who came in'"`
  const command = await loadingBy(`"$@" && ${write}`)
  const ended = await runAt(site, restoreTo(target), { ...withIdentity(site), ...command })
  expect(ended.exitCode, ended.stderr).toBe(0)
  expect(await query(target.url, 'SELECT count(*)::int AS rows FROM respondents')).toEqual([{ rows: 40_001 }])
})
