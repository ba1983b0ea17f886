import type { FailedUnit } from '../domain/alarm.ts'
import type { UnitEnd } from '../domain/unit-end.ts'

/** systemd, asked. It never throws: what a night comes to does not depend on the answer. */
export interface ServiceManager {
  /** undefined, and a warning, where there is no answer. */
  stateOf(unit: string): Promise<FailedUnit | undefined>
  /** How the attempt before this one ended, of the unit that we run in; undefined where this is the first one. */
  previousEnd(): Promise<UnitEnd | undefined>
}
