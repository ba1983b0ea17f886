import { daysBefore, utcDate } from './calendar.ts'
import { isComplete, type Catalog, type CompleteBackup } from './catalog.ts'

/** When the timer starts a night's run: `OnCalendar=` of systemd/oslrs-backup.timer. */
const nightBeginsAtUtcHour = 1

/** The instant at which the night of that day begins. */
export const nightBegins = (date: string): Date =>
  new Date(`${date}T${String(nightBeginsAtUtcHour).padStart(2, '0')}:00:00Z`)

/** The day whose backup should exist by now: today's from 01:00 UTC on, before that yesterday's. */
export const dueDate = (now: Date): string =>
  now.getUTCHours() >= nightBeginsAtUtcHour ? utcDate(now) : daysBefore(utcDate(now), 1)

/**
 * The complete daily that makes a scheduled run needless: of the day that is due, or a later one. A day that has not
 * begun is somebody's wrong clock, and satisfies nothing.
 */
export const satisfying = (catalog: Catalog, now: Date): CompleteBackup | undefined =>
  catalog
    .filter(isComplete)
    .find(({ tier, period }) => tier === 'daily' && period >= dueDate(now) && period <= utcDate(now))
