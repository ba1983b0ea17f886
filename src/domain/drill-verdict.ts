import type { Backup } from './catalog.ts'
import { statusOfChecks, type Check } from './check.ts'
import type { ExitStatus } from '../errors.ts'

/** Red outweighs what could not be checked, and that outweighs green. */
export const statusOfDrill = (checks: readonly Check[]): ExitStatus =>
  checks.some((one) => one.state === 'failed' && one.exitStatus === 65) ? 65 : statusOfChecks(checks)

export interface DrillVerdict {
  readonly verdict: 'green' | 'red' | 'not-made'
  readonly sentence: string
}

export const verdictOfDrill = (checks: readonly Check[], backup: Pick<Backup, 'key' | 'state'>): DrillVerdict => {
  const failed = checks.filter(({ state }) => state === 'failed')
  const noted = checks.filter(({ state }) => state === 'warning').length
  const status = statusOfDrill(checks)
  if (status === 0)
    return {
      verdict: 'green',
      sentence: `GREEN: ${backup.key} was brought back, and ${backup.state === 'complete' ? 'is what was recorded' : 'is what the archive holds'}${noted > 0 ? ` (${String(noted)} ${noted === 1 ? 'note' : 'notes'})` : ''}.`,
    }
  const names = failed.map(({ name }) => name).join(', ')
  return status === 65
    ? { verdict: 'red', sentence: `RED: ${backup.key} is not good: ${names}.` }
    : {
        verdict: 'not-made',
        sentence: `NOT MADE: whether ${backup.key} can be brought back was not shown: ${names} could not be checked.`,
      }
}
