import { describe, inject, test } from 'vitest'
import { checkout, type Box } from '../support/systemd-box.ts'
import {
  alertsSetOff,
  bootNight,
  dropIn,
  journalOf,
  mailsOf,
  night,
  stateOf,
  storedBackups,
} from '../support/systemd-night.ts'
import { bootInstalled, canaryPassword, now } from '../support/systemd-tier.ts'

const patience = { timeout: 300_000 }
const envFile = '/etc/oslrs-backup/oslrs-backup.env'

/** A bucket instead of the folder: a whole S3 service, in the box. */
const moveToBucket = async (box: Box): Promise<void> => {
  await box.do(`
    set -e
    systemd-run --quiet --unit=box-s3 -- ${checkout}/node_modules/.bin/node ${checkout}/test/support/radosgw-here.ts /run/box-s3.env
    until [ -s /run/box-s3.env ]; do sleep 0.3; done
    sed -i /^BACKUP_STORE_DIR=/d ${envFile}
    cat /run/box-s3.env >> ${envFile}`)
}

describe.skipIf(inject('whyNoBoxes') !== '').concurrent('a night', () => {
  test(
    'ends with a backup in the bucket, and the next start finds nothing to do',
    patience,
    async ({ expect, onTestFinished }) => {
      const box = await bootNight({ onTestFinished }, 'good', { waits: [1, 2, 3] })
      await moveToBucket(box)
      expect(await night(box)).toMatchObject({ SubState: 'dead', Result: 'success', NRestarts: '0' })
      const list = JSON.parse(await box.do('oslrs-backup list --json --max-age 26h')) as Record<string, unknown>
      expect(list).toMatchObject({ ok: true, place: expect.stringContaining('oslrs-backups') as string })

      // All is talk: a good night has no warning in it but those about the configuration, and nothing worse.
      const journal = (await journalOf(box)).filter(({ by }) => by === 'oslrs-backup')
      expect(new Set(journal.map(({ priority }) => priority))).toEqual(new Set([6]))
      expect(journal.map(({ message }) => message)).toContain('Attempt 1 of 4.')
      expect(journal.map(({ message }) => message).join('\n')).toMatch(
        /The backup backups\/daily\/.* is complete\. size_bytes=\d+/,
      )

      expect(await alertsSetOff(box, 'oslrs-backup')).toBe(0)
      const [mail, ...more] = await mailsOf(box)
      expect(more).toEqual([])
      expect(mail).toContain('Daily Backup Completed Successfully')
      expect(await box.do('cat /var/lib/oslrs-backup/status.json')).toContain('"consecutiveFailures": 0')

      expect(await night(box)).toMatchObject({ SubState: 'dead', Result: 'success' })
      expect((await journalOf(box)).at(-1)?.message).not.toContain('Failed')
      expect(
        (await journalOf(box)).some(({ message }) => message.startsWith('Nothing to do: the backup that is due')),
      ).toBe(true)
      expect(await mailsOf(box)).toHaveLength(1)

      const everything = await box.do(`journalctl -o cat; cat /var/lib/oslrs-backup/*; cat /var/lib/box-mail/*`)
      expect(everything).not.toContain(canaryPassword)
      expect(everything).not.toContain(encodeURIComponent(canaryPassword))
    },
  )

  test(
    'has its secrets from systemd, by the drop-in that README.md shows',
    patience,
    async ({ expect, onTestFinished }) => {
      const box = await bootNight({ onTestFinished }, 'credentials', { waits: [1, 2, 3] })
      const readme = await box.do(`cat ${checkout}/README.md`)
      const [, text = ''] = /((?: {4}\[Service\]\n)(?: {4}LoadCredential=.*\n)+)/.exec(readme) ?? []
      const lines = text.replaceAll(/^ {4}/gm, '')
      expect(lines).toContain('LoadCredential=DATABASE_URL:/etc/oslrs-backup/credentials/DATABASE_URL')
      const names = [...lines.matchAll(/^LoadCredential=(\w+):/gm)].map(([, name]) => name ?? '')
      // Root's alone: the service cannot read the files themselves.
      await box.do(`
      set -e
      install -d -m 0700 /etc/oslrs-backup/credentials
      for name in ${names.join(' ')}; do
        sed -n "s/^$name=//p" ${envFile} | tail -n 1 | tr -d "'" > /etc/oslrs-backup/credentials/$name
        sed -i "/^$name=/d" ${envFile}
      done
      sed -i /^DATABASE_URL=/d ${envFile}`)
      await dropIn(box, 'oslrs-backup-alert@.service', lines)
      await box.do(
        `mkdir -p /etc/systemd/system/oslrs-backup.service.d && cat > /etc/systemd/system/oslrs-backup.service.d/50-credentials.conf <<'END'\n${lines}\nEND\nsystemctl daemon-reload`,
      )
      expect(await night(box)).toMatchObject({ SubState: 'dead', Result: 'success' })
      expect(await storedBackups(box)).toHaveLength(1)
      expect(await mailsOf(box)).toHaveLength(1)
    },
  )

  test(
    'that was slept through is made up for when the machine is up again',
    patience,
    async ({ expect, onTestFinished }) => {
      const asleep = await bootNight({ onTestFinished }, 'asleep', { waits: [1, 2, 3] })
      await now(asleep, 'oslrs-backup.timer')
      await asleep.do(
        `systemctl stop oslrs-backup.timer; touch -d '2 days ago' /var/lib/systemd/timers/stamp-oslrs-backup.timer`,
      )
      expect(await storedBackups(asleep)).toEqual([])
      await asleep.stop()
      const awake = await bootInstalled(inject('rack'), 'asleep')
      try {
        await awake.do(
          `until systemctl show -P ActiveEnterTimestamp -P InactiveEnterTimestamp oslrs-backup | grep -q . && [ "$(systemctl show -P SubState oslrs-backup)" = dead ]; do sleep 0.3; done`,
        )
        expect(await stateOf(awake, 'oslrs-backup.service')).toMatchObject({ Result: 'success' })
        expect(await storedBackups(awake)).toHaveLength(1)
        // Not by OnBootSec=10min: the box is younger than that.
        expect(
          Number(
            (await awake.do('cut -d. -f1 /proc/uptime; systemctl show -P UserspaceTimestampMonotonic')).split('\n')[0],
          ),
        ).toBeGreaterThan(0)
      } finally {
        await awake.stop()
      }
    },
  )

  test(
    'in the middle of which the machine goes down is made up for after the boot',
    patience,
    async ({ expect, onTestFinished }) => {
      const before = await bootNight({ onTestFinished }, 'rebooted', {
        waits: [1, 2, 3],
        service: 'Environment=BACKUP_LOCK_SECONDS=3600',
      })
      await dropIn(before, 'oslrs-backup.timer', '[Timer]\nOnBootSec=2s')
      await before.do(`
      systemd-run --quiet --unit=holder --uid=postgres -- psql -X registry -c 'BEGIN; LOCK users; SELECT pg_sleep(3600)'
      systemctl start --no-block oslrs-backup
      until [ "$(systemctl show -P SubState oslrs-backup)" = start ]; do sleep 0.2; done
      until journalctl -u oslrs-backup -o cat | grep -q 'Backing up'; do sleep 0.2; done`)
      await before.stop()
      const after = await bootInstalled(inject('rack'), 'rebooted')
      try {
        await after.do(
          `until ls /srv/backups/backups/manifests/*.json && [ "$(systemctl show -P SubState oslrs-backup)" = dead ]; do sleep 0.3; done`,
        )
        expect(await stateOf(after, 'oslrs-backup.service')).toMatchObject({ Result: 'success', NRestarts: '0' })
        expect(await storedBackups(after)).toHaveLength(1)
        expect(JSON.parse(await after.do('oslrs-backup verify --depth stored --all --json'))).toMatchObject({
          ok: true,
        })
        expect(await alertsSetOff(after, 'oslrs-backup')).toBe(0)
      } finally {
        await after.stop()
      }
    },
  )
})
