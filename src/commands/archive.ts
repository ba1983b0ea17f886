import type { CompleteBackup, OlderBackup, OrphanBackup } from '../domain/catalog.ts'
import type { ManifestTable } from '../domain/manifest.ts'
import { unseal, whyUnopened } from '../pipeline/unseal.ts'
import { unsealOlder, whyOlderUnopened, type OlderArchive } from '../pipeline/unseal-older.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import type { Bytes, Flow, Journal, Metered, Programs, Store } from '../ports.ts'

/** What opening a backup takes. */
export interface OpeningContext {
  readonly store: Store
  readonly programs: Programs
  /** File with the private age key. */
  readonly identityFile: string | undefined
  /** BACKUP_ENCRYPTION_KEY, for backups of the previous system. */
  readonly olderKey: { reveal(): string } | undefined
  readonly journal: Journal
  readonly stop: AbortSignal
  readonly stallMs: number
}

/** A backup of whatever kind, to be read once. */
export interface Archive {
  /** The SQL. Ends normally only when every check that this kind of backup allows has passed. */
  read(flow: Flow): Bytes
  /** Every table in it with its rows: as signed, or as counted while it was read; then only known at its end. */
  tables(): readonly ManifestTable[]
  largeObjects(): number
  /** Of the SQL, for a progress bar; undefined where nobody knows. */
  readonly plainBytes: number | undefined
  /** The fault to tell, when reading failed. */
  explain(fault: unknown): Promise<unknown>
}

export const archiveOf = (ctx: OpeningContext, backup: CompleteBackup | OlderBackup | OrphanBackup): Archive => {
  const stored = (): Bytes => ctx.store.get(backup.key)
  const tools = async () => ({ ...ctx, gzip: await ctx.programs.gzip() })
  if (backup.state === 'complete') {
    const { manifest } = backup
    return {
      read: async function* (flow) {
        yield* unseal(stored(), manifest, await tools(), flow)
      },
      tables: () => manifest.tables,
      largeObjects: () => manifest.largeObjects,
      plainBytes: manifest.plain.sizeBytes,
      explain: (fault) => whyUnopened(fault, stored, manifest),
    }
  }
  const older: OlderArchive = {
    sealing: backup.sealing,
    manifest: backup.state === 'orphan' ? null : backup.manifest,
  }
  const state: { found?: Metered } = {}
  return {
    read: async function* (flow) {
      yield* unsealOlder(stored(), older, await tools(), flow, (found) => {
        state.found = found
      })
    },
    tables: () => state.found?.tables ?? [],
    largeObjects: () => state.found?.largeObjects ?? 0,
    plainBytes: undefined,
    explain: async (fault) => whyOlderUnopened(fault, stored, older, await tools()),
  }
}

/** Reads the archive through `work`, with a progress line and an eye on stalls; a failure is told by its real cause. */
export const reading = async <T>(
  ctx: Pick<OpeningContext, 'journal' | 'stop' | 'stallMs'>,
  archive: Archive,
  doing: string,
  work: (sql: Bytes, flow: Flow) => Promise<T>,
): Promise<T> => {
  const flow = startFlow(ctx.stop)
  // Building indexes moves no bytes, and takes as long as it takes: only the reading of the archive is watched.
  const stall = watchForStall(flow, ctx.stallMs)
  const progress = ctx.journal.progress(doing, archive.plainBytes)
  let readBytes = 0
  async function* watched(): AsyncGenerator<Uint8Array> {
    for await (const chunk of archive.read(flow)) {
      stall.pause()
      readBytes += chunk.byteLength
      progress.at(readBytes)
      yield chunk
      stall.moved()
    }
    stall.pause()
  }
  try {
    return await work(watched(), flow)
  } catch (thrown) {
    flow.fail(thrown)
    throw await archive.explain(flow.rootCause(thrown))
  } finally {
    stall.end()
    progress.end()
  }
}
