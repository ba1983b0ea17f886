import type { Sender } from '../../domain/news.ts'
import type { MailRecord } from '../../domain/status.ts'
import { formatCount } from '../../domain/units.ts'

/** Phrases that several mails have in common. */

/** "2026-02-24 01:00 UTC (02:00 in Nigeria)": the machine's time, and the reader's. */
export const instantText = (instant: Date): string => {
  const minutes = (date: Date): string => date.toISOString().slice(11, 16)
  const day = instant.toISOString().slice(0, 10)
  return `${day} ${minutes(instant)} UTC (${minutes(new Date(instant.getTime() + 3_600_000))} in Nigeria)`
}

export const counted = (count: number, one: string): string => `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`

export const undeliveredText = ({ at, subject, refused }: MailRecord): string =>
  `The mail “${subject}” of ${instantText(new Date(at))} reached nobody: ${refused.slice(0, 3).join(' ')}${refused.length > 3 ? ' …' : ''}`

export const footerOf = ({ host, environment, toolVersion, now, standing }: Sender): string[] => [
  ...standing,
  `oslrs-backup ${toolVersion} on ${host} (${environment}), ${instantText(now)}.`,
]
