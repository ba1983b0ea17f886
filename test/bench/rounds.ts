import type { Measured } from './measure.ts'
import { time } from './measure.ts'
import { othersCores, timeInQuiet } from './quiet.ts'
import type { Round } from './report.ts'

export interface Rounds {
  readonly postmaster: string
  /** What is read by those that are measured: see `warm`. */
  readonly warmed: readonly string[]
  readonly rounds: number
  /** Of performance.now(): until then, runs that others disturbed are made again. */
  readonly deadline: number
  readonly say: (text: string) => void
  /** Looks at what a run has left, in the round that does not count. */
  readonly check?: (measured: Measured) => Promise<void>
}

/** Each once a round, every round beginning with another one, after one round that does not count. */
export const measureRounds = async (
  all: readonly Measured[],
  { postmaster, warmed, rounds, deadline, say, check }: Rounds,
): Promise<readonly Round[]> => {
  const measured: Round[] = []
  for (let round = 0; round <= rounds; round++) {
    const shift = round % all.length
    for (const one of [...all.slice(shift), ...all.slice(0, shift)]) {
      if (round === 0) {
        await time(one, postmaster, warmed)
        await check?.(one)
        continue
      }
      const { timing, discarded } = await timeInQuiet(one, postmaster, warmed, deadline)
      say(
        `  round ${String(round)}: ${one.id} ${timing.seconds.toFixed(2)} s, others ${othersCores(timing).toFixed(2)} cores; ${String(discarded.length)} runs made again`,
      )
      measured.push({ contender: one.id, round, timing, discarded })
    }
  }
  return measured
}
