import { spawnSync } from 'node:child_process'
import type { Environment } from './tool.ts'

const startMs = (): number => {
  const from = performance.now()
  spawnSync(process.execPath, ['--eval', '0'])
  return performance.now() - from
}

/**
 * After how long a test in which something stalls has it called a stall: 40 times what it takes to begin a program, so that on a slow or busy
 * machine nothing else is called a stall. Several programs begin, one by the other, before the first byte of a faulty pg_dump.
 */
export const stallSeconds = Math.min(
  30,
  Math.max(3, Math.ceil((40 * Math.min(startMs(), startMs(), startMs())) / 1000)),
)

/** So that a stall is over soon; a request's to a bucket in half of that time. */
export const impatient: Environment = { BACKUP_STALL_SECONDS: String(stallSeconds) }
