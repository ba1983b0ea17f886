import { describe, inject, test } from 'vitest'
import { bootNight, mailsOf, night, stateOf } from '../support/systemd-night.ts'

/** The drill as its unit runs it: hardened, as its own user, into a private cluster below the state folder. */
describe.skipIf(inject('whyNoBoxes') !== '')('the unit of the drill', () => {
  test(
    'brings the night’s backup back within its bounds, tells of it, and leaves nothing but the verdict',
    { timeout: 300_000 },
    async ({ expect, onTestFinished }) => {
      const box = await bootNight({ onTestFinished }, 'drilled', { waits: [1] })
      expect(await night(box)).toMatchObject({ Result: 'success' })
      await box.do(`
        install -o root -g oslrs-backup -m 0640 /root/drill-key.txt /etc/oslrs-backup/drill-key.txt
        echo BACKUP_AGE_IDENTITY_FILE=/etc/oslrs-backup/drill-key.txt >> /etc/oslrs-backup/oslrs-backup.env
        systemctl start oslrs-backup-verify || true`)
      const journal = await box.do('journalctl -u oslrs-backup-verify -o cat')
      expect(await stateOf(box, 'oslrs-backup-verify.service'), journal).toMatchObject({ Result: 'success' })
      expect(journal).toMatch(/^into +a private PostgreSQL \d+.* on this host: .*removed again$/m)
      expect(journal).toMatch(/^GREEN: /m)
      expect(await box.do('ls -A /var/lib/oslrs-backup')).toBe('oslrs-backup.prom\nstatus.json')
      expect(await box.do('pgrep -u oslrs-backup -a || true')).toBe('')
      expect((await mailsOf(box)).at(-1)).toContain('Restore Drill Passed')
    },
  )
})
