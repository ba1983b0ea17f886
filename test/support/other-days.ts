import { globSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import type { Environment } from './tool.ts'

const preloaded = (): Environment => {
  const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1')
  if (library === undefined) throw new Error('libfaketime is not installed: apt-get install faketime')
  // What waits for so long goes by another clock, which nobody sets.
  return { LD_PRELOAD: library, DONT_FAKE_MONOTONIC: '1', TZ: 'UTC' }
}

const textOf = (instant: Date): string => `@${instant.toISOString().slice(0, 19).replace('T', ' ')}`

/** The program, and what is seen of it, in the belief that it is that instant when it starts; its timers run as always. */
export const asAt = (instant: Date): Environment => ({ ...preloaded(), FAKETIME: textOf(instant) })

/** As `asAt`, of a clock that can be set while the program runs. */
export const settableClock = async (
  file: string,
  instant: Date,
): Promise<{ readonly environment: Environment; readonly set: (instant: Date) => Promise<void> }> => {
  const set = async (to: Date): Promise<void> => {
    await writeFile(`${file}.new`, textOf(to))
    await rename(`${file}.new`, file)
  }
  await set(instant)
  return { environment: { ...preloaded(), FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1' }, set }
}

/** A clock for a process that runs on while the days go by: it is ahead of this machine's by as much as is set. */
export const runningClock = async (
  file: string,
): Promise<{ readonly environment: Environment; readonly set: (instant: Date) => Promise<void> }> => {
  const set = async (to: Date): Promise<void> => {
    await writeFile(`${file}.new`, `+${String(Math.round((to.getTime() - Date.now()) / 1000))}`)
    await rename(`${file}.new`, file)
  }
  await set(new Date())
  return { environment: { ...preloaded(), FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1' }, set }
}
