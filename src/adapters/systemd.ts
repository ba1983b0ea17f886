import { readFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { FailedUnit } from '../domain/alarm.ts'
import type { UnitEnd } from '../domain/unit-end.ts'
import { Fault, isErrno } from '../errors.ts'
import { outputOf } from '../pipeline/program.ts'
import type { Journal } from '../ports.ts'
import type { ServiceManager } from '../ports/service-manager.ts'

const silent = new Fault('program-failed', 'systemctl failed.')

/**
 * systemd, asked with `systemctl show`, which anybody may who reaches the system bus. `runtimeFolder` is the
 * `$RUNTIME_DIRECTORY` of the unit that we run in; undefined: we run in none.
 */
export const systemdManager = (
  environment: Readonly<Record<string, string>>,
  runtimeFolder: string | undefined,
  journal: Journal,
): ServiceManager => ({
  stateOf: async (unit) => {
    const asked = ['NRestarts', 'SubState', 'Result', 'ExecMainStartTimestamp', 'ExecMainCode', 'ExecMainStatus']
    try {
      const args = ['show', '--timestamp=unix', `--property=${asked.join(',')}`, '--', unit]
      const said = await outputOf({ file: 'systemctl', args, environment }, undefined, () => silent)
      return parseUnitState(unit, said)
    } catch {
      journal.warn(`systemctl does not say what has become of ${unit}.`)
      return undefined
    }
  },

  previousEnd: async () => {
    if (runtimeFolder === undefined) return undefined
    try {
      return parseServiceEnd(await readFile(join(runtimeFolder, 'how-it-ended'), 'utf8'))
    } catch (thrown) {
      if (!isErrno(thrown, 'ENOENT')) journal.warn('How the last attempt ended cannot be read.')
      return undefined
    }
  },
})

/** What `systemctl show` prints: `Name=value`, a line each. undefined: an answer that is none. */
export const parseUnitState = (name: string, text: string): FailedUnit | undefined => {
  const values = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const),
  )
  const number = (property: string): number => Number(values.get(property) ?? NaN)
  const restarts = number('NRestarts')
  const subState = values.get('SubState')
  const result = values.get('Result')
  if (!Number.isInteger(restarts) || subState === undefined || result === undefined) return undefined
  // waitid(2): CLD_EXITED 1, CLD_KILLED 2, CLD_DUMPED 3; 0: no process has ended.
  const code = number('ExecMainCode')
  const status = number('ExecMainStatus')
  const started = /^@(\d+)$/.exec(values.get('ExecMainStartTimestamp') ?? '')?.[1]
  return {
    name,
    restarts,
    subState,
    startedAt: started === undefined ? undefined : new Date(Number(started) * 1000),
    end: {
      result,
      exitStatus: code === 1 ? status : undefined,
      signal: code === 2 || code === 3 ? signalName(status) : undefined,
    },
  }
}

/** What `ExecStopPost=` has written: `$SERVICE_RESULT $EXIT_CODE $EXIT_STATUS`, as systemd.exec(5) explains them. */
export const parseServiceEnd = (text: string): UnitEnd | undefined => {
  const [result = '', code = '', status = ''] = text.trim().split(' ')
  if (result === '') return undefined
  return {
    result,
    exitStatus: code === 'exited' && /^\d{1,3}$/.test(status) ? Number(status) : undefined,
    signal: code === 'killed' || code === 'dumped' ? `SIG${status}` : undefined,
  }
}

const signalName = (number: number): string =>
  Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${String(number)}`
