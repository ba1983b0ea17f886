/** The timer's hour, UTC: 02:00 in Nigeria, which has no summer time. */
const hourUtc = 1

/** When the timer starts the next night's run. */
export const nextRunAfter = (now: Date): Date => {
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate(), hourUtc)
  return new Date(today > now.getTime() ? today : today + 86_400_000)
}
