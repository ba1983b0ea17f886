import type { Json } from '../domain/canonical.ts'
import type { ExitStatus, Fault } from '../errors.ts'
import { harmless } from '../domain/harmless.ts'

/** How a command ended, for people and for machines. `document` gets `formatVersion` and its companions added. */
export interface Outcome {
  readonly exitStatus: ExitStatus
  readonly text: string
  readonly document: Readonly<Record<string, Json>>
}

/** The one JSON document that `--json` prints, on success and on failure alike. */
export const outcomeDocument = (command: string, outcome: Outcome): string =>
  `${JSON.stringify({ formatVersion: 1, command, ok: outcome.exitStatus === 0, exitStatus: outcome.exitStatus, ...outcome.document }, undefined, 2)}\n`

export const faultDocument = (command: string, fault: Fault): string =>
  outcomeDocument(command, {
    exitStatus: fault.exitStatus,
    text: '',
    document: { error: { code: fault.code, message: fault.message, all: fault.all, hint: fault.hint ?? null } },
  })

/** A fault as it is told on stderr: what happened, everything that was found, what to do next. */
export const faultText = (fault: Fault): string =>
  harmless(
    [
      fault.message,
      ...fault.all.map((one) => `  - ${one}`),
      ...(fault.hint?.split('\n') ?? []).map((step) => `  → ${step}`),
    ].join('\n'),
  )
