import { globSync } from 'node:fs'
import type { Environment } from './tool.ts'

/** The program, and what is seen of it, in the belief that it is that instant when it starts; its timers run as always. */
export const asAt = (instant: Date): Environment => {
  const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1')
  if (library === undefined) throw new Error('libfaketime is not installed: apt-get install faketime')
  return {
    LD_PRELOAD: library,
    FAKETIME: `@${instant.toISOString().slice(0, 19).replace('T', ' ')}`,
    // What waits for so long goes by another clock, which nobody sets.
    DONT_FAKE_MONOTONIC: '1',
    TZ: 'UTC',
  }
}
