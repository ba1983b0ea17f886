import type { Bytes, Clock } from '../ports.ts'
import { reading } from './archive.ts'
import { choose, startOf, type Choice } from './choose.ts'
import type { ReadContext } from './verify.ts'

export interface FileContext extends ReadContext {
  readonly clock: Clock
  /** Writes a new file of mode 0600, whole or not at all, and returns its size. Throws `refused` when there is one. */
  readonly writePrivateFile: (path: string, body: Bytes) => Promise<number>
}

export interface FileResult {
  readonly key: string
  readonly backupStartedAt: Date
  readonly path: string
  readonly sizeBytes: number
  readonly durationMs: number
  readonly tables: readonly { readonly name: string; readonly rows: number }[]
  readonly warnings: readonly string[]
  readonly now: Date
}

/** The SQL of a backup into a file that only its owner can read, whole or not at all. Needs no database. */
export const restoreToFile = async (
  ctx: FileContext,
  asked: Choice & { readonly path: string },
): Promise<FileResult> => {
  const since = ctx.clock.monotonicMs()
  const { backup, archive, warnings } = await choose(ctx, asked)
  const sizeBytes = await reading(ctx, archive, 'Writing', (script) => ctx.writePrivateFile(asked.path, script))
  return {
    key: backup.key,
    backupStartedAt: startOf(backup),
    path: asked.path,
    sizeBytes,
    durationMs: Math.round(ctx.clock.monotonicMs() - since),
    tables: archive.tables().map(({ name, rows }) => ({ name, rows })),
    warnings,
    now: ctx.clock.now(),
  }
}
