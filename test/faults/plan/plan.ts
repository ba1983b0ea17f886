import type { Ended } from '../../support/tool.ts'

/**
 * The faults that are planned, as data: what happens, at which event, and what each command that meets it comes to. A file
 * here for each way that a fault comes by; ../plan-*.test.ts make them happen. What is not said to be met by a command is not
 * met by it: FAULTS='and none besides' plays those as well, and they must come to nothing.
 */
export const commands = [
  'run',
  'run, in parts',
  'promote',
  'prune',
  'list',
  'restore',
  'verify',
  'verify --depth archive',
  'verify --depth stored',
] as const
export type Command = (typeof commands)[number]

/** How a command ends that has met a fault, and what it tells whoever reads it. */
export interface Told {
  readonly exit: number | undefined
  /** What is wrong. */
  readonly says: string | RegExp
  /** What to do now. */
  readonly next: string | RegExp
  /** Keys like these are new in the store, and count as nothing. */
  readonly leaves?: readonly RegExp[]
  /** It could not clear up behind itself on the server: the next one does. */
  readonly leavesDatabase?: true
  /** It has changed the store, though it failed: what is there now is looked at as after a success. */
  readonly changes?: true
}

export interface PlannedFault<Strike> {
  readonly name: string
  readonly strike: Strike
  readonly met: Met
  /** These meet it too, and wait for as long as it takes: nobody can tell it from hard work. Not played. */
  readonly waitedFor?: readonly Command[]
  /** It takes so long that only FAULTS=all plays it. */
  readonly isSlow?: true
}
export type Met = Readonly<Partial<Record<Command, Told>>>

export interface Attempted {
  readonly ended: Ended
  /** Whether the fault has come to pass; undefined: it shows in nothing but how the command ends. */
  readonly hasFired: boolean | undefined
}

/** It is met, and nothing comes of it. */
export const survived: Told = { exit: 0, says: '', next: '' }

export const told = (
  exit: Told['exit'],
  says: Told['says'],
  next: Told['next'],
  ...leaves: readonly RegExp[]
): Told => ({ exit, says, next, leaves })

/** The same end for several commands. */
export const allMeet = (those: readonly Command[], end: Told): Met =>
  Object.fromEntries(those.map((command) => [command, end]))
