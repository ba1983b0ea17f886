import type { KeyObject } from 'node:crypto'
import type { Clock } from '../ports.ts'
import type { ScratchPlace } from '../ports/drill.ts'
import type { TellContext } from './tell-context.ts'
import type { ReadContext } from './verify.ts'

/** What a drill works with; the parts of `drill` share it. */
export interface DrillContext extends ReadContext {
  readonly clock: Clock
  readonly place: ScratchPlace
  /** Signs the reports; undefined where this host has no key. */
  readonly signingKey: KeyObject | undefined
  /** Of this host, for the report. */
  readonly host: string
  readonly environment: string
  readonly toolVersion: string
  /** Those who must know of it. */
  readonly tell: TellContext
}
