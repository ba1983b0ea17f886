import { execa } from 'execa'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Archive, Around, Contender } from './contenders.ts'
import { bareEnvironment, shell } from './measure.ts'

/** Other ways to back up, by Debian's packages: restic, rclone, zstd, age, isal, postgresql-client. */
export const peers = ({ url, folder, installation, binaries, bucket }: Around): readonly Contender[] => {
  const dump = `${binaries}/pg_dump --no-owner --no-acl`
  const { recipients, identityFile } = installation
  const sealing = recipients.map((recipient) => `-r ${recipient}`).join(' ')
  const path = (id: string): string => join(folder, `${id}.archive`)
  const peer = (
    id: string,
    name: string,
    { command, open, size, env }: { command: string; open: string; size?: string; env?: Archive['env'] },
    before: () => Promise<void> = () => Promise.resolve(),
  ): Contender => ({
    id,
    name,
    start: () => shell(command, [path(id)], env),
    archive: async () => {
      const { stdout } = await execa(
        'bash',
        ['-c', size ?? 'du -sb "$1" | cut -f1', 'bench', path(id)],
        bareEnvironment(env),
      )
      return { path: path(id), storedBytes: Number(stdout), open, env }
    },
    clean: async () => {
      await rm(path(id), { recursive: true, force: true })
      await before()
    },
  })
  const remote = {
    env: bucket.rclone.environment,
    size: `rclone size --json ${bucket.rclone.remote}/$(basename "$1") | jq .bytes`,
  }
  const there = `${bucket.rclone.remote}/$(basename "$1")`
  const restic = {
    RESTIC_PASSWORD: 'bench',
    RESTIC_REPOSITORY: path('restic'),
    RESTIC_CACHE_DIR: join(folder, 'restic-cache'),
  }
  return [
    peer('replaced', 'pg_dump | gzip > file; sha256sum file; rclone copy', {
      command: `${dump} ${url} | gzip > "$1" && sha256sum "$1" && rclone copyto "$1" ${there}`,
      open: 'gunzip < "$1"',
      env: remote.env,
    }),
    peer('bare', 'pg_dump | igzip -1 | age > file', {
      command: `${dump} ${url} | igzip -1 -c | age ${sealing} > "$1"`,
      open: `age -d -i ${identityFile} "$1" | gunzip`,
    }),
    peer('custom', 'pg_dump -Fc > file; rclone copy', {
      command: `${dump} -Fc ${url} > "$1" && rclone copyto "$1" ${there}`,
      open: `${binaries}/pg_restore -f - "$1"`,
      env: remote.env,
    }),
    peer('directory', 'pg_dump -Fd -j2', {
      command: `${dump} -Fd -j2 -f "$1" ${url}`,
      open: `${binaries}/pg_restore -f - "$1"`,
    }),
    peer('zstd', 'pg_dump | zstd | age | rclone rcat', {
      command: `${dump} ${url} | zstd -q | age ${sealing} | rclone rcat ${there}`,
      open: `rclone cat ${there} | age -d -i ${identityFile} | zstd -dq`,
      ...remote,
    }),
    peer(
      'restic',
      'pg_dump | restic backup --stdin',
      {
        command: `${dump} ${url} | restic backup --quiet --stdin --stdin-filename dump.sql`,
        open: 'restic dump --quiet latest dump.sql',
        env: restic,
      },
      async () => {
        await mkdir(path('restic'))
        await execa('restic', ['init', '--quiet'], bareEnvironment(restic))
      },
    ),
  ]
}
