import { setTimeout as pause } from 'node:timers/promises'
import { machineSeconds, time, type Measured, type Timing } from './measure.ts'

/** Others' processor time in the time of a run, in cores; with more than this the run says too little. */
export const disturbingCores = 0.15

export const othersCores = ({ othersSeconds, seconds }: Timing): number => othersSeconds / seconds

/** Waits until nobody works: less than that in a whole second. Gives up waiting at the deadline. */
const untilQuiet = async (deadline: number): Promise<void> => {
  while (performance.now() < deadline) {
    const before = machineSeconds()
    await pause(1000)
    if (machineSeconds() - before < disturbingCores) return
  }
}

/**
 * Runs that others disturbed are made again, whichever contender it was and whatever its time, as long as there is time
 * for it. The last one counts; how much others worked meanwhile is told with every figure.
 */
export const timeInQuiet = async (
  contender: Measured,
  postmaster: string,
  warmed: readonly string[],
  deadline: number,
): Promise<{ readonly timing: Timing; readonly discarded: readonly Timing[] }> => {
  const discarded: Timing[] = []
  for (;;) {
    await untilQuiet(deadline)
    const timing = await time(contender, postmaster, warmed)
    if (othersCores(timing) <= disturbingCores || performance.now() > deadline) return { timing, discarded }
    discarded.push(timing)
  }
}
