import { inject, type TestContext } from 'vitest'
import type { Box } from './systemd-box.ts'
import { bootInstalled } from './systemd-tier.ts'

/** Nights in a box: the delays scaled by a drop-in, as README.md says that they can be, and everything else as installed. */

export interface Scale {
  /** Seconds before the second attempt, the third and so on. */
  readonly waits: readonly number[]
  /** Further lines for the unit's [Service]. */
  readonly service?: string
}

export const bootNight = async (
  { onTestFinished }: Pick<TestContext, 'onTestFinished'>,
  name: string,
  { waits, service = '' }: Scale,
): Promise<Box> => {
  const box = await bootInstalled(inject('rack'), name)
  onTestFinished(() => box.stop())
  await dropIn(
    box,
    'oslrs-backup.service',
    `[Service]\nRestartSec=${String(waits[0])}\nEnvironment=BACKUP_RETRY_WAITS=${waits.join(',')}\n${service}`,
  )
  return box
}

export const dropIn = async (box: Box, unit: string, text: string): Promise<void> => {
  await box.do(`
    mkdir -p /etc/systemd/system/${unit}.d
    cat > /etc/systemd/system/${unit}.d/99-test.conf <<'END'
${text}
END
    systemctl daemon-reload`)
}

/** Until the unit rests, with no attempt to come, and nothing that it has set off is at work. */
export const untilAtRest = async (box: Box): Promise<void> => {
  await box.do(`
    until case $(systemctl show -P SubState oslrs-backup) in failed|dead) true ;; *) false ;; esac &&
      [ -z "$(systemctl list-jobs --no-legend 'oslrs-*')" ]; do sleep 0.3; done`)
}

/** Starts the night, and waits for what becomes of it. */
export const night = async (box: Box): Promise<UnitState> => {
  await box.run('systemctl start oslrs-backup')
  await untilAtRest(box)
  return stateOf(box, 'oslrs-backup.service')
}

export type UnitState = Readonly<Record<string, string>>

export const stateOf = async (box: Box, unit: string): Promise<UnitState> =>
  Object.fromEntries(
    (await box.do(`systemctl show --property=ActiveState,SubState,Result,NRestarts,ExecMainStatus '${unit}'`))
      .split('\n')
      .map((line) => line.split('=', 2) as [string, string]),
  )

export interface Entry {
  readonly priority: number
  /** Seconds. */
  readonly at: number
  readonly message: string
  readonly by: string
}

export const journalOf = async (box: Box, unit = 'oslrs-backup'): Promise<readonly Entry[]> => {
  const text = await box.do(`journalctl --sync; journalctl --output=json --unit='${unit}'`)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const entry = JSON.parse(line) as Record<string, string>
      return {
        priority: Number(entry['PRIORITY']),
        at: Number(entry['__MONOTONIC_TIMESTAMP']) / 1e6,
        message: entry['MESSAGE'] ?? '',
        by: entry['SYSLOG_IDENTIFIER'] ?? '',
      }
    })
}

/** Seconds from the end of each attempt to the next one's beginning. */
export const pausesOf = (journal: readonly Entry[]): number[] => {
  const ends = journal.filter(({ by, message }) => by === 'systemd' && message.includes('Main process exited'))
  const starts = journal.filter(({ message }) => /^Attempt \d+ of \d+\.$/.test(message))
  return starts.slice(1).map(({ at }, index) => at - (ends[index]?.at ?? NaN))
}

/** Mails that were delivered, oldest first, decoded as far as a test reads them. */
export const mailsOf = async (box: Box): Promise<readonly string[]> => {
  const text = await box.do('cd /var/lib/box-mail && for file in $(ls | sort -n); do base64 -w 0 $file; echo; done')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => decodeMail(Buffer.from(line, 'base64').toString('utf8')))
}

/** Quoted-printable and folded lines undone. */
const decodeMail = (text: string): string =>
  text
    .replaceAll(/=\r?\n/g, '')
    .replaceAll(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))

/** How often an alert was set off for the unit, whatever it then did. */
export const alertsSetOff = async (box: Box, unit: string): Promise<number> =>
  (await journalOf(box, `oslrs-backup-alert@${unit}`)).filter(
    ({ by, message }) => by === 'systemd' && message.startsWith('Starting '),
  ).length

export const storedBackups = async (box: Box): Promise<readonly string[]> =>
  (await box.do('ls /srv/backups/backups/manifests 2>/dev/null || true'))
    .split('\n')
    .filter((name) => name.endsWith('.json'))
