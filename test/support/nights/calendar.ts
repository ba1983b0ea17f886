/**
 * Days and months as numbers, and what a name in the store is: written anew for the model, so that it is not held
 * against src's own calendar and keys.
 */
export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

export const dayNumber = (instantMs: number): number => Math.floor(instantMs / dayMs)
export const dayText = (instantMs: number): string => new Date(instantMs).toISOString().slice(0, 10)

/** Of `YYYY-MM` and `YYYY-MM-DD`. */
export const monthNumber = (period: string): number => Number(period.slice(0, 4)) * 12 + Number(period.slice(5, 7))

export interface Name {
  readonly what: 'manifest' | 'data' | 'ack' | 'drill'
  readonly tier: 'daily' | 'monthly'
  /** A day or a month. */
  readonly period: string
}

const shapes: readonly [Name['what'], Name['tier'], RegExp][] = [
  ['manifest', 'daily', /^backups\/manifests\/(\d{4}-\d\d-\d\d)-manifest\.json$/],
  ['manifest', 'monthly', /^backups\/manifests\/monthly\/(\d{4}-\d\d)-manifest\.json$/],
  ['data', 'daily', /^backups\/daily\/(\d{4}-\d\d-\d\d)-app_db(?:\.r[2-9])?\.sql\.gz(?:\.age|\.enc)?$/],
  ['data', 'monthly', /^backups\/monthly\/(\d{4}-\d\d)-app_db\.sql\.gz(?:\.age|\.enc)?$/],
  ['ack', 'daily', /^backups\/acks\/(\d{4}-\d\d-\d\d)\.json$/],
  ['drill', 'daily', /^backups\/drills\/(\d{4}-\d\d-\d\d)T\d\d-\d\d-\d\dZ-drill\.json$/],
]

/** undefined for what is not ours. */
export const nameOf = (key: string): Name | undefined => {
  for (const [what, tier, shape] of shapes) {
    const period = shape.exec(key)?.[1]
    if (period !== undefined) return { what, tier, period }
  }
  return undefined
}
