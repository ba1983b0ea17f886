import type { Fault } from '../errors.ts'
import { asFault, type ExitStatus } from '../errors.ts'

/** One thing that was tried, and how it went. A check that could not be made is a failed one. */
export interface Check {
  readonly name: string
  readonly state: 'ok' | 'warning' | 'failed'
  /** A sentence or a figure. */
  readonly detail: string
  readonly hint?: string
  readonly exitStatus?: ExitStatus
}

/** Makes a check of something that throws when it fails. The work returns what to say when it went well. */
export const check = async (
  name: string,
  work: () => Promise<string | Pick<Check, 'state' | 'detail' | 'hint'>>,
): Promise<Check> => {
  try {
    const result = await work()
    return typeof result === 'string' ? { name, state: 'ok', detail: result } : { name, ...result }
  } catch (thrown) {
    return failedCheck(name, asFault(thrown))
  }
}

export const failedCheck = (name: string, fault: Fault): Check => ({
  name,
  state: 'failed',
  detail: [fault.message, ...fault.all.map((one) => `- ${one}`)].join('\n'),
  exitStatus: fault.exitStatus,
  ...(fault.hint === undefined ? {} : { hint: fault.hint }),
})

/** The status of the first failed check: they stand in the order in which one would mend them. */
export const statusOfChecks = (checks: readonly Check[]): ExitStatus => {
  const failed = checks.find((one) => one.state === 'failed')
  return failed === undefined ? 0 : (failed.exitStatus ?? 75)
}
