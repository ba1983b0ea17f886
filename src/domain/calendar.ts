/** Dates are UTC and texts: `YYYY-MM-DD` and `YYYY-MM`. They sort as they should, and no time zone can bend them. */

export const utcDate = (instant: Date): string => instant.toISOString().slice(0, 10)

export const monthOf = (date: string): string => date.slice(0, 7)

/** True for days that exist: `2026-02-29` does not. */
export const isDate = (text: string): boolean => {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const instant = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(instant.getTime()) && utcDate(instant) === text
}

export const isMonth = (text: string): boolean => isDate(`${text}-01`)

/** The day `days` before (after, when negative). */
export const daysBefore = (date: string, days: number): string =>
  utcDate(new Date(Date.parse(`${date}T00:00:00Z`) - days * 86_400_000))

/** The month `months` before. */
export const monthsBefore = (month: string, months: number): string => {
  const [year = 0, number = 0] = month.split('-').map(Number)
  const index = year * 12 + (number - 1) - months
  return `${String(Math.floor(index / 12)).padStart(4, '0')}-${String((index % 12) + 1).padStart(2, '0')}`
}
