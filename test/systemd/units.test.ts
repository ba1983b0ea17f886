import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { Box } from '../support/systemd-box.ts'
import { alertsSetOff, bootNight, dropIn, mailsOf, night, stateOf, untilAtRest } from '../support/systemd-night.ts'
import { bootInstalled, now } from '../support/systemd-tier.ts'

const services = ['oslrs-backup', 'oslrs-backup-verify', 'oslrs-backup-watch', 'oslrs-backup-alert@oslrs-backup']
const patience = { timeout: 300_000 }

describe.skipIf(inject('whyNoBoxes') !== '')('the units, as installed', () => {
  let box: Box
  beforeAll(async () => {
    box = await bootInstalled(inject('rack'), 'units')
    for (const timer of ['oslrs-backup', 'oslrs-backup-verify', 'oslrs-backup-watch']) await now(box, `${timer}.timer`)
    return () => box.stop()
  })

  test('are taken by systemd without a word', async () => {
    const { exitCode, stdout, stderr } = await box.run(
      'systemd-analyze verify /etc/systemd/system/oslrs-backup*.{service,timer} 2>&1',
    )
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: '', stderr: '' })
  })

  test('give little away: 1.5 at most, of 10', async () => {
    const text = await box.do(
      'systemd-analyze security --offline=true --no-pager /etc/systemd/system/oslrs-backup*.service',
    )
    const exposures = [...text.matchAll(/Overall exposure level for (\S+): ([\d.]+)/g)].map(([, unit, level]) => ({
      unit,
      level: Number(level),
    }))
    expect(exposures).toHaveLength(4)
    for (const exposure of exposures) expect(exposure.level, exposure.unit).toBeLessThanOrEqual(1.5)
  })

  test('wait 60, 300 and 900 seconds, and begin at 01:00, 03:00 on the 2nd, and 06:00 UTC', async () => {
    const shown = await box.do(
      'systemctl show --property=RestartUSec,Environment,RestartPreventExitStatus oslrs-backup',
    )
    expect(shown.split('\n').toSorted()).toEqual([
      'Environment=BACKUP_RETRY_WAITS=60,300,900',
      'RestartPreventExitStatus=64 65 70 73 78',
      'RestartUSec=1min',
    ])
    const timers = await box.do(
      'systemctl show --property=TimersCalendar,Persistent,AccuracyUSec oslrs-backup.timer oslrs-backup-verify.timer oslrs-backup-watch.timer',
    )
    expect([...timers.matchAll(/OnCalendar=([^;]*\S) ;/g)].map(([, calendar]) => calendar)).toEqual([
      '*-*-* 01:00:00 UTC',
      '*-*-02 03:00:00 UTC',
      '*-*-* 06:00:00 UTC',
    ])
    expect(timers.match(/^Persistent=yes$/gm)).toHaveLength(3)
    expect(await box.do('systemctl show -P TimersMonotonic oslrs-backup.timer')).toContain('OnBootUSec=10min')
  })

  test.each(services)(
    '%s can read nothing that it should not, and write nowhere but its state folder',
    async (service) => {
      // What a stranger who has taken the service over could try, from inside the unit itself.
      await box.do(`
      install -d -m 0755 /srv/app && echo SECRET=x > /srv/app/.env && chmod 0640 /srv/app/.env
      mkdir -p /home/person/.ssh && echo key > /home/person/.ssh/id && chmod -R a+rX /home/person
      echo other > /tmp/left-by-others && chmod 0644 /tmp/left-by-others
      systemd-run --quiet --unit=neighbour-$$ sleep 60
      cat > /usr/local/bin/probe <<'END'
#!/bin/bash
for file in /etc/shadow /root/drill-key.txt /srv/app/.env /home/person/.ssh/id /tmp/left-by-others /proc/1/environ /proc/kcore /dev/sda; do
  cat $file >/dev/null 2>&1 && echo "read $file"
done
for folder in / /etc /etc/oslrs-backup /opt/oslrs-backup /usr/local/bin /root /home /home/person /srv /srv/app /var /var/log /var/lib /var/spool /run /boot /sys /proc/sys/kernel; do
  touch $folder/probe 2>/dev/null && echo "wrote $folder"
done
cat /etc/oslrs-backup/oslrs-backup.env >/dev/null || echo 'its own configuration is closed to it'
touch /var/lib/oslrs-backup/probe && rm /var/lib/oslrs-backup/probe || echo 'its own state folder is closed to it'
touch /srv/backups/probe && rm /srv/backups/probe || echo 'the store is closed to it'
for process in /proc/[0-9]*; do
  owner=$(stat -c %u $process 2>/dev/null) && [ $owner != $(id -u) ] && echo "saw $process of $owner"
done
unshare --user true 2>/dev/null && echo 'made a namespace'
chmod u+s /var/lib/oslrs-backup/../oslrs-backup 2>/dev/null && echo 'made something setuid'
su -c true 2>/dev/null && echo 'became root'
grep -q '^CapEff:.*[1-9a-f]' /proc/self/status && echo 'has capabilities'
id -un; echo done
END
      chmod 0755 /usr/local/bin/probe`)
      const unit = `${service}.service`
      await dropIn(
        box,
        unit,
        '[Unit]\nOnFailure=\n[Service]\nExecStartPre=\nExecStopPost=\nExecStart=\nExecStart=/usr/local/bin/probe\nRestart=no',
      )
      await box.do(`systemctl start '${unit}'`)
      const said = await box.do(`journalctl --sync; journalctl -o cat -t probe -u '${unit}'`)
      expect(said.split('\n')).toEqual(['oslrs-backup', 'done'])
    },
  )

  test('show others what is remembered, and nothing else', async () => {
    await box.do(
      'useradd --system --groups oslrs-backup-readers dashboard; runuser -u oslrs-backup -- sh -c "umask 027; echo {} > /var/lib/oslrs-backup/example"',
    )
    expect((await box.run('runuser -u dashboard -- cat /var/lib/oslrs-backup/example')).exitCode).toBe(0)
    expect((await box.run('runuser -u dashboard -- touch /var/lib/oslrs-backup/x')).exitCode).not.toBe(0)
    expect((await box.run('runuser -u dashboard -- cat /etc/oslrs-backup/oslrs-backup.env')).exitCode).not.toBe(0)
    expect((await box.run('runuser -u dashboard -- cat /etc/oslrs-backup/signing.pem')).exitCode).not.toBe(0)
  })

  test('are what an operator calls as well: root hands over to their user, but not where keys and files are root’s', async () => {
    const whose = async (line: string): Promise<string> =>
      box.do(
        `strace -f -qq -e trace=setresuid,setreuid,setuid -o /tmp/trace ${line} >/dev/null 2>&1 || true; grep -c "set.*uid($(id -u oslrs-backup)" /tmp/trace || true`,
      )
    for (const command of ['run --dry-run', 'list', 'verify', 'promote --dry-run', 'prune --dry-run'])
      expect(Number(await whose(`oslrs-backup ${command}`)), command).toBeGreaterThan(0)
    for (const command of [
      'restore --latest --to-file /root/out.sql',
      'list --env-file /etc/oslrs-backup/oslrs-backup.env',
      '--help',
    ])
      expect(Number(await whose(`oslrs-backup ${command}`)), command).toBe(0)
  })
})

describe.skipIf(inject('whyNoBoxes') !== '').concurrent('the watch', () => {
  test(
    'notices that the timer has been disabled; it is silent where the night itself was told',
    patience,
    async ({ expect, onTestFinished }) => {
      const box = await bootNight({ onTestFinished }, 'watched', { waits: [1] })
      expect(await night(box)).toMatchObject({ Result: 'success' })
      await box.do('systemctl disable --quiet --now oslrs-backup.timer')
      await box.do('systemctl start oslrs-backup-watch')
      expect(await alertsSetOff(box, 'oslrs-backup-watch')).toBe(0)

      // A day and more later, scaled.
      await dropIn(
        box,
        'oslrs-backup-watch.service',
        '[Service]\nExecStart=\nExecStart=/usr/local/bin/oslrs-backup list --max-age 1s',
      )
      expect((await box.run('systemctl start oslrs-backup-watch')).exitCode).not.toBe(0)
      await untilAtRest(box)
      expect(await stateOf(box, 'oslrs-backup-watch.service')).toMatchObject({
        SubState: 'failed',
        ExecMainStatus: '65',
      })
      const mails = await mailsOf(box)
      expect(mails).toHaveLength(2)
      expect(mails[1]).toContain('oslrs-backup-watch')
    },
  )

  test(
    'says nothing twice: the mail about the failed night was accepted',
    patience,
    async ({ expect, onTestFinished }) => {
      const box = await bootNight({ onTestFinished }, 'twice', { waits: [1] })
      await box.do('systemctl stop box-postgres')
      expect(await night(box)).toMatchObject({ SubState: 'failed' })
      expect(await mailsOf(box)).toHaveLength(1)
      expect((await box.run('systemctl start oslrs-backup-watch')).exitCode).not.toBe(0)
      await untilAtRest(box)
      expect(await alertsSetOff(box, 'oslrs-backup-watch')).toBe(1)
      expect(await mailsOf(box)).toHaveLength(1)
    },
  )

  test(
    'on a drill host notices a server that is gone, and a drill that cannot be made is told',
    patience,
    async ({ expect }) => {
      const box = await bootInstalled(inject('rack'), 'drill')
      try {
        const said = await box.do(`
        set -e
        sed -i '/^DATABASE_URL=/d' /etc/oslrs-backup/oslrs-backup.env
        cd /srv/checkout && ./install.sh --role drill`)
        expect(said).toContain('  + oslrs-backup.timer disabled: it is not of the role drill')
        expect(said).toContain('  + oslrs-backup-verify.timer enabled')
        expect(await box.do(`systemctl list-timers --all --no-legend 'oslrs-*' | awk '{print $(NF-1)}'`)).toBe(
          'oslrs-backup-watch.timer\noslrs-backup-verify.timer',
        )
        for (const unit of ['oslrs-backup-watch', 'oslrs-backup-verify']) {
          expect((await box.run(`systemctl start ${unit}`)).exitCode, unit).not.toBe(0)
          await untilAtRest(box)
          expect(await alertsSetOff(box, unit)).toBe(1)
        }
        const mails = await mailsOf(box)
        expect(mails).toHaveLength(2)
        expect(mails[0]).toContain('oslrs-backup-watch')
        expect(mails[1]).toContain('oslrs-backup-verify')
      } finally {
        await box.stop()
      }
    },
  )
})
