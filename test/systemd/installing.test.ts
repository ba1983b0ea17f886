import { describe, inject, test } from 'vitest'
import { bootBox, checkout, type Box } from '../support/systemd-box.ts'
import { bootInstalled } from '../support/systemd-tier.ts'

const patience = { timeout: 300_000 }

/** Everything of ours on the machine: names, modes, owners, and what is in the files. */
const ours = (box: Box): Promise<string> =>
  box.do(`
    find /etc /opt /usr/local /var/lib -xdev \\( -path '*oslrs*' -o -path /etc/passwd -o -path /etc/group \\) ! -path '*/node_modules/*' ! -name 'stamp-*' -printf '%p %M %u %g %l\\n' \\( ! -type f -o -exec sha256sum {} \\; \\) | sort
    systemctl list-unit-files --no-legend 'oslrs-*' || true`)

const changesOf = (said: string): string[] => said.split('\n').filter((line) => line.startsWith('  + '))

describe.skipIf(inject('whyNoBoxes') !== '').concurrent('install.sh', () => {
  test('installs, changes nothing the second time, and goes again', patience, async ({ expect }) => {
    const box = await bootBox(inject('rack'), 'fresh')
    try {
      const before = await ours(box)
      await box.do(`cat > /root/app.env <<'END'
PORT=3000
DATABASE_URL="postgres://app:pass word#1@127.0.0.1:5432/app_db"
S3_ENDPOINT=https://fra1.digitaloceanspaces.com
S3_BUCKET_NAME=oslrs
S3_REGION=
RESEND_API_KEY='re_123'
END`)
      const first = await box.do(`cd ${checkout} && ./install.sh --role both --from-env /root/app.env 2>&1`)
      expect(first).toContain(
        'Taken over from /root/app.env: DATABASE_URL, S3_ENDPOINT, S3_BUCKET_NAME, RESEND_API_KEY',
      )
      expect(first).not.toContain('pass word')
      for (const timer of ['oslrs-backup', 'oslrs-backup-watch', 'oslrs-backup-verify'])
        expect(first).toContain(`  + ${timer}.timer enabled`)
      expect(first).toContain('NOTHING IS BACKED UP OR WATCHED YET')
      expect(first).toContain('- BACKUP_AGE_RECIPIENTS is not set')
      expect(
        await box.do(
          'stat -c "%a %U %G" /etc/oslrs-backup /etc/oslrs-backup/oslrs-backup.env /etc/oslrs-backup/signing.pem /var/lib/oslrs-backup',
        ),
      ).toBe(
        [
          '750 root oslrs-backup',
          '640 root oslrs-backup',
          '640 root oslrs-backup',
          '2750 oslrs-backup oslrs-backup-readers',
        ].join('\n'),
      )
      // As systemd reads it.
      await box.do(
        'systemd-run --quiet --wait -p EnvironmentFile=/etc/oslrs-backup/oslrs-backup.env sh -c \'[ "$DATABASE_URL" = "postgres://app:pass word#1@127.0.0.1:5432/app_db" ]\'',
      )
      // No source, no development packages, nothing that a stranger could change.
      const files = (
        await box.do(
          'cd -P /opt/oslrs-backup/current && find . -path ./dist/chunks -prune -print -o -type f -print | sort',
        )
      ).split('\n')
      expect(files).toEqual([
        './CHANGELOG.md',
        './LICENSE',
        './README.md',
        './bin/oslrs-backup',
        './dist/chunks',
        './dist/dump-meter.mjs',
        './dist/oslrs-backup.mjs',
        expect.stringMatching(/^\.\/node_modules\/node-linux-(x64|arm64)\/bin\/node$/),
        './package.json',
        './service-user',
        './sql/backup-role.sql',
      ])
      expect(await box.do('find /opt/oslrs-backup ! -user root -o -perm /022 ! -type l')).toBe('')

      const installed = await ours(box)
      const second = await box.do(`cd ${checkout} && ./install.sh 2>&1`)
      expect(changesOf(second)).toEqual([])
      expect(second).toContain('Nothing had to be changed.')
      expect(await ours(box)).toBe(installed)

      const gone = await box.do(`cd ${checkout} && ./install.sh uninstall 2>&1`)
      expect(changesOf(gone).length).toBeGreaterThan(8)
      expect(await box.do('find /etc /opt /usr/local /var/lib -name "*oslrs*" ! -path "*/stamp-*" | sort')).toBe(
        ['/etc/oslrs-backup', '/etc/oslrs-backup/oslrs-backup.env', '/var/lib/oslrs-backup'].join('\n'),
      )
      await box.do(`cd ${checkout} && ./install.sh uninstall --purge 2>&1`)
      expect(await ours(box)).toBe(before)
    } finally {
      await box.stop()
    }
  })

  test(
    'upgrades under a running backup, which ends as it began; the configuration stays',
    patience,
    async ({ expect }) => {
      const box = await bootInstalled(inject('rack'), 'upgraded')
      try {
        const configuration = await box.do('sha256sum /etc/oslrs-backup/*')
        await box.do(`
        mkdir -p /etc/systemd/system/oslrs-backup.service.d
        printf '[Service]\\nEnvironment=BACKUP_LOCK_SECONDS=3600\\n' > /etc/systemd/system/oslrs-backup.service.d/99-test.conf
        systemctl daemon-reload
        systemd-run --quiet --unit=holder --uid=postgres -- psql -X registry -c 'BEGIN; LOCK users; SELECT pg_sleep(3600)'
        systemctl start --no-block oslrs-backup
        until journalctl -u oslrs-backup -o cat | grep -q 'Backing up'; do sleep 0.05; done`)
        const main = await box.do('systemctl show -P MainPID oslrs-backup')
        // The next version, from a checkout of its own.
        await box.do(`
        set -e
        mkdir /root/next && cd /root/next
        for name in package.json package-lock.json README.md CHANGELOG.md LICENSE bin dist src systemd install.sh; do cp -a ${checkout}/$name .; done
        ln -s ${checkout}/node_modules node_modules
        sed -i 's/"version": "[^"]*"/"version": "9.9.9"/' package.json
        touch dist/oslrs-backup.mjs`)
        const said = await box.do('cd /root/next && ./install.sh 2>&1')
        expect(said).toContain('It is at work just now, so nothing is tried')
        expect(changesOf(said)[0]).toContain('+ /opt/oslrs-backup/releases/9.9.9-')
        expect(await box.do('readlink /opt/oslrs-backup/current')).toMatch(/^releases\/9\.9\.9-/)
        expect(await box.do('ls /opt/oslrs-backup/releases | wc -l')).toBe('2')

        expect(await box.do('systemctl show -P MainPID oslrs-backup')).toBe(main)
        expect((await box.run(`cd /root/next && ./install.sh uninstall`)).exitCode).toBe(69)
        await box.do(
          `runuser -u postgres -- psql -X -q -o /dev/null -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'"; until [ "$(systemctl show -P SubState oslrs-backup)" = dead ]; do sleep 0.1; done`,
        )
        expect(
          await box.do(
            'systemctl show -P Result oslrs-backup; oslrs-backup list --max-age 1h >/dev/null && echo fresh',
          ),
        ).toBe('success\nfresh')
        expect(await box.do('sha256sum /etc/oslrs-backup/*')).toBe(configuration)
      } finally {
        await box.stop()
      }
    },
  )

  test('refuses what must not be', patience, async ({ expect }) => {
    const box = await bootInstalled(inject('rack'), 'refusing')
    try {
      const before = await ours(box)
      const refused = async (line: string, status: number, words: string): Promise<void> => {
        const ended = await box.run(`cd ${checkout} && ${line}`)
        expect(ended.stderr).toContain(words)
        expect(ended.exitCode).toBe(status)
      }
      await refused('./install.sh --role everything', 64, '--role is server, drill or both')
      await refused('./install.sh --from-env /nonexistent', 64, 'there is no file /nonexistent')
      await refused('./install.sh --rolle server', 64, 'is no command')
      await refused('setpriv --reuid=nobody --clear-groups ./install.sh', 78, 'Only root can do that')
      await box.do('echo \'BACKUP_PG_COMMAND="docker exec -i pg"\' > /root/app.env')
      await refused('./install.sh --from-env /root/app.env', 78, 'sets BACKUP_PG_COMMAND, which is for development')
      expect(await ours(box)).toBe(before)
    } finally {
      await box.stop()
    }
  })

  test(
    'removes nothing that it has not made: a store where the units cannot go stays as it is',
    patience,
    async ({ expect }) => {
      const box = await bootInstalled(inject('rack'), 'precious')
      try {
        await box.do(`
        install -d /home/person/backups/backups && echo precious > /home/person/backups/backups/one
        sed -i 's|^BACKUP_STORE_DIR=.*|BACKUP_STORE_DIR=/home/person/backups|' /etc/oslrs-backup/oslrs-backup.env`)
        const ended = await box.run(`cd ${checkout} && ./install.sh`)
        expect(ended.stderr).toContain('BACKUP_STORE_DIR is /home/person/backups, and the units see nothing there')
        expect(ended.exitCode).toBe(78)
        expect(await box.do('cat /home/person/backups/backups/one')).toBe('precious')
      } finally {
        await box.stop()
      }
    },
  )
})
