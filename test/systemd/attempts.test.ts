import { describe, inject, test } from 'vitest'
import type { Box } from '../support/systemd-box.ts'
import {
  alertsSetOff,
  bootNight,
  journalOf,
  mailsOf,
  night,
  pausesOf,
  stateOf,
  storedBackups,
  untilAtRest,
} from '../support/systemd-night.ts'

/** A session of the database that lets nobody read its tables, so that a run waits until somebody ends it. */
const holdTables = async (box: Box): Promise<void> => {
  await box.do(`
    systemd-run --quiet --unit=holder --uid=postgres -- psql -X registry -c 'BEGIN; LOCK users; SELECT pg_sleep(3600)'
    cd / && until runuser -u postgres -- psql -X -At registry -c "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted AND relation = 'users'::regclass" | grep -q 1; do sleep 0.3; done`)
}
const patientLock = 'Environment=BACKUP_LOCK_SECONDS=3600'
/** Until the attempt after so many restarts is in the middle of its work. */
const untilAtWork = (restarts: number): string =>
  `until [ "$(systemctl show -P SubState oslrs-backup) $(systemctl show -P NRestarts oslrs-backup)" = "start ${String(restarts)}" ]; do sleep 0.2; done`

const patience = { timeout: 300_000 }

describe.skipIf(inject('whyNoBoxes') !== '').concurrent('a night', () => {
  test(
    'that fails always: four attempts at the right times, and one alert after the last',
    patience,
    async ({ expect, onTestFinished }) => {
      const waits = [1, 2, 4]
      const box = await bootNight({ onTestFinished }, 'fails', { waits })
      await box.do('systemctl stop box-postgres')
      expect(await night(box)).toMatchObject({
        SubState: 'failed',
        Result: 'exit-code',
        ExecMainStatus: '70',
        NRestarts: '3',
      })

      const journal = await journalOf(box)
      const pauses = pausesOf(journal)
      expect(pauses).toHaveLength(3)
      // Never sooner; how much later is for a busy machine to say. What the program itself waits, it says to the second.
      for (const [at, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(waits[at] ?? 0)
      expect(journal.flatMap(({ message }) => /^Waiting before .*/.exec(message)?.[0] ?? [])).toEqual([
        'Waiting before attempt 3 of 4. seconds=1',
        'Waiting before attempt 4 of 4. seconds=3',
      ])
      const statuses = journal.flatMap(
        ({ message }) => /Main process exited, code=exited, status=(\d+)/.exec(message)?.[1] ?? [],
      )
      expect(statuses).toEqual(['75', '75', '75', '70'])
      // What went wrong is an error, what systemd's own words are is its business, and the talk is information.
      const ours = journal.filter(({ by }) => by === 'oslrs-backup')
      expect(ours.filter(({ message }) => message.startsWith('Attempt')).every(({ priority }) => priority === 6)).toBe(
        true,
      )
      expect(ours.filter(({ priority }) => priority === 3).length).toBeGreaterThanOrEqual(4)

      expect(await alertsSetOff(box, 'oslrs-backup')).toBe(1)
      const mails = await mailsOf(box)
      expect(mails).toHaveLength(1)
      expect(mails[0]).toContain('CRITICAL: Daily Backup Failed')
      expect(mails[0]).toContain('admin@registry.gov.ng')
      expect(await storedBackups(box)).toEqual([])
    },
  )

  test('that succeeds on the third attempt: no alert', patience, async ({ expect, onTestFinished }) => {
    const box = await bootNight({ onTestFinished }, 'third', {
      waits: [1, 2, 3],
      service: `ExecStartPre=+/bin/sh -c '[ "$$(systemctl show -P NRestarts oslrs-backup)" -lt 2 ] || systemctl start box-postgres'`,
    })
    await box.do('systemctl stop box-postgres')
    expect(await night(box)).toMatchObject({ SubState: 'dead', Result: 'success', NRestarts: '2' })
    expect(await alertsSetOff(box, 'oslrs-backup')).toBe(0)
    const [name, ...more] = await storedBackups(box)
    expect(more).toEqual([])
    expect(JSON.parse(await box.do(`cat /srv/backups/backups/manifests/${name ?? ''}`))).toMatchObject({ attempt: 3 })
    const subjects = (await mailsOf(box)).map((mail) => /^Subject: (.*)$/m.exec(mail)?.[1])
    expect(subjects).toHaveLength(1)
    expect(subjects[0]).not.toContain('Failed')
  })

  test('with a fault in the configuration: one attempt, one alert', patience, async ({ expect, onTestFinished }) => {
    const box = await bootNight({ onTestFinished }, 'configuration', { waits: [1, 2, 3] })
    await box.do('echo BACKUP_NMAE=x >> /etc/oslrs-backup/oslrs-backup.env')
    expect(await night(box)).toMatchObject({ SubState: 'failed', ExecMainStatus: '78', NRestarts: '0' })
    expect(await alertsSetOff(box, 'oslrs-backup')).toBe(1)
    const mails = await mailsOf(box)
    expect(mails).toHaveLength(1)
    expect(mails[0]).toContain('BACKUP_NMAE is not a name of the configuration')
  })

  test('that hangs: its time is up, twice, and one alert says so', patience, async ({ expect, onTestFinished }) => {
    const box = await bootNight({ onTestFinished }, 'hangs', {
      waits: [1],
      service: `TimeoutStartSec=8s\n${patientLock}`,
    })
    await holdTables(box)
    expect(await night(box)).toMatchObject({ SubState: 'failed', ExecMainStatus: '70', NRestarts: '2' })
    const journal = await journalOf(box)
    expect(journal.filter(({ message }) => message.includes("Failed with result 'timeout'"))).toHaveLength(2)
    expect(await alertsSetOff(box, 'oslrs-backup')).toBe(1)
    const mails = await mailsOf(box)
    expect(mails).toHaveLength(1)
    expect(mails[0]).toContain('It hung until its time was up')
    expect(await box.do('pgrep -u oslrs-backup || true')).toBe('')
  })

  test.for([
    ['killed', 'systemctl kill --kill-whom=main --signal=KILL oslrs-backup', 'killed by the signal SIGKILL'],
    // Where the machine has the controller for memory, MemoryMax= itself comes to the same; systemd-oomd marks so, too.
    [
      'memory',
      'setfattr -n user.oomd_ooms -v 1 /sys/fs/cgroup/system.slice/oslrs-backup.service && systemctl kill --kill-whom=main --signal=KILL oslrs-backup',
      'killed because the memory ran out (SIGKILL)',
    ],
  ] as const)(
    'that is %s each time: one alert tells how',
    patience,
    async ([name, kill, words], { expect, onTestFinished }) => {
      const box = await bootNight({ onTestFinished }, name, { waits: [1], service: patientLock })
      await holdTables(box)
      await box.do('systemctl start --no-block oslrs-backup')
      for (const restarts of [0, 1]) await box.do(`${untilAtWork(restarts)}; ${kill}`)
      await untilAtRest(box)
      expect(await stateOf(box, 'oslrs-backup.service')).toMatchObject({
        SubState: 'failed',
        ExecMainStatus: '70',
        NRestarts: '2',
      })
      expect(await alertsSetOff(box, 'oslrs-backup')).toBe(1)
      const mails = await mailsOf(box)
      expect(mails).toHaveLength(1)
      expect(mails[0]).toContain(words)
    },
  )

  test(
    'that is stopped on purpose, at work, while it waits, or between attempts: no alert',
    patience,
    async ({ expect, onTestFinished }) => {
      const box = await bootNight({ onTestFinished }, 'stopped', { waits: [1, 600], service: patientLock })
      await holdTables(box)
      const stop = async (): Promise<void> => {
        await box.do('systemctl stop oslrs-backup')
        await untilAtRest(box)
        expect(await stateOf(box, 'oslrs-backup.service')).toMatchObject({ ActiveState: 'inactive' })
      }
      // Its first word shows that it listens to signals.
      await box.do(
        "systemctl start --no-block oslrs-backup; until journalctl -u oslrs-backup -o cat | grep -q '^Attempt 1 of'; do sleep 0.2; done",
      )
      await stop()
      // It said what it did, and that it was asked to.
      expect((await journalOf(box)).some(({ message }) => message.includes('Stopped by SIGTERM'))).toBe(true)

      await box.do('systemctl stop box-postgres')
      await box.run('systemctl start oslrs-backup')
      await box.do(`until [ "$(systemctl show -P SubState oslrs-backup)" = auto-restart ]; do sleep 0.2; done`)
      await stop()

      await box.run('systemctl start oslrs-backup')
      await box.do(
        `until journalctl -u oslrs-backup -o cat | grep -q 'Waiting before attempt 3 of 3'; do sleep 0.3; done`,
      )
      await stop()
      expect(await alertsSetOff(box, 'oslrs-backup')).toBe(0)
      expect(await mailsOf(box)).toEqual([])
      expect(await box.do('pgrep -u oslrs-backup || true')).toBe('')
    },
  )
})
