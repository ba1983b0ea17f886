/** Figures as people read them. All pure; nothing depends on the locale. */

/** "0 B", "999 B", "1.5 kB", "12.3 MB": powers of 1000, as disks and providers count. */
export const formatBytes = (bytes: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 99.95 ? value.toFixed(0) : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h" */
export const formatDuration = (ms: number): string => {
  const seconds = ms / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${String(whole)} s`
  if (whole < 3600) return `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 48 * 60) return `${String(Math.floor(minutes / 60))} h ${String(minutes % 60)} min`
  const hours = Math.floor(minutes / 60)
  return `${String(Math.floor(hours / 24))} d ${String(hours % 24)} h`
}

/** Milliseconds of "90s", "15m", "26h", "3d"; undefined for anything else. */
export const parseDuration = (text: string): number | undefined => {
  const found = /^(\d{1,6})([smhd])$/.exec(text)
  const unit = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[found?.[2] ?? '']
  return unit === undefined ? undefined : Number(found?.[1]) * unit
}

/** "1,234,567" */
export const formatCount = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',')
