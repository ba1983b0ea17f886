import { requireSameRows, tableCountsOf, treeOf, type KeyTableCount } from '../domain/rows.ts'
import type { ObjectKey } from '../domain/key.ts'
import type { Manifest } from '../domain/manifest.ts'
import { tableNameText } from '../domain/table-name.ts'
import { asFault, Fault } from '../errors.ts'
import { begun } from '../pipeline/begun.ts'
import { CopyMeter, metered, type Metered } from '../pipeline/copy-meter.ts'
import { DigestMeter } from '../pipeline/digest-meter.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import { seal } from '../pipeline/seal.ts'
import type { AuditChainTail, Dumper, Flow, Gzip, PutResult, Snapshot, TableName } from '../ports.ts'
import type { Course } from './course.ts'
import type { RunContext } from './run-context.ts'

export interface Sealing {
  readonly course: Course
  readonly snapshot: Snapshot
  readonly dumper: Dumper
  readonly gzip: Gzip
  readonly key: ObjectKey
  readonly stop: AbortSignal
  readonly expectedBytes: number
  /** For the progress bar: as much as last time, or as the database has. */
  readonly expectedPlainBytes: number
}

export interface Stored {
  readonly put: PutResult & { readonly sha256: string }
  readonly plain: Metered
  readonly tableCounts: Manifest['tableCounts']
  readonly keyTables: Manifest['keyTables']
  readonly auditChain: AuditChainTail | null
}

/** Dump, count, compress, seal, store and prove, in one pass. Publishes nothing unless every part has ended well. */
export const storeSealed = async (ctx: RunContext, job: Sealing): Promise<Stored> => {
  job.course.enter('dump')
  const flow = startFlow(job.stop)
  const stall = watchForStall(flow, ctx.stallMs)
  const progress = ctx.journal.progress('Backing up', job.expectedPlainBytes)
  const meter = new CopyMeter()
  const sealedMeter = new DigestMeter()
  const seen = {
    update: (chunk: Uint8Array): void => {
      stall.moved()
      meter.update(chunk)
      progress.at(meter.sizeBytes)
    },
  }
  // Counted while the dump runs, in the same snapshot, so that both speak of the same instant.
  const counting = countKeyTables(ctx.keyTables, job.snapshot)
  counting.catch(flow.fail)
  let plain: Metered | undefined
  async function* wholeDump(): AsyncGenerator<Uint8Array> {
    yield* sections(job, meter, seen, flow)
    plain = meter.end()
    // Counting a large table takes as long as it takes, and moves no bytes.
    stall.pause()
    requireSameRows(plain.tables, job.snapshot.tables, (await counting).counts)
    // From here on it is for the programs to come to their end.
    stall.moved()
  }
  try {
    const sealed = seal(wholeDump(), ctx.programs, job.gzip, ctx.recipients, flow)
    const put = await ctx.vault.store.put(
      job.key,
      metered(sealed, {
        update: (chunk) => {
          stall.moved()
          sealedMeter.update(chunk)
        },
      }),
      {
        contentType: 'application/octet-stream',
        expectedBytes: job.expectedBytes,
        ifAbsent: true,
      },
    )
    const proved = { ...put, sha256: sealedMeter.end().sha256 }
    stall.end()
    job.course.figures({ bytes: meter.sizeBytes, stored_bytes: put.sizeBytes })
    job.course.enter('prove')
    job.course.figures({ bytes: put.sizeBytes })
    await prove(ctx, job.key, proved)
    const { counts, auditChain } = await counting
    if (plain === undefined) throw new Fault('dump-failed', 'The dump was stored before its figures were known.')
    return {
      put: proved,
      plain,
      tableCounts: tableCountsOf(plain.tables, job.snapshot.tables),
      keyTables: counts.map((table) => ({ name: tableNameText(table), rows: table.rows })),
      auditChain,
    }
  } catch (thrown) {
    // Whatever the store or a program made of it, the first fault of the flow is the news.
    flow.fail(thrown)
    throw flow.rootCause(thrown)
  } finally {
    stall.end()
    progress.end()
  }
}

/** What arrived damaged has not been lost: tonight's database is still there, and another attempt is worth it. */
const prove = async (ctx: RunContext, key: ObjectKey, sent: Stored['put']): Promise<void> => {
  try {
    await ctx.vault.store.prove(key, sent)
  } catch (thrown) {
    const { code, message } = asFault(thrown)
    if (code !== 'damaged') throw thrown
    throw new Fault('storage-failed', message, {
      hint: 'The backup does not count. It is worth trying again; if it stays, the storage is at fault.',
      cause: thrown,
    })
  }
}

/**
 * The three sections one after another are one dump that plain psql reads. Apart, they keep the data away from all code
 * that users wrote, and each must end with pg_dump's trailer. All three pg_dump begin at once, in the same snapshot: each
 * spends a tenth of a second on looking at the catalog, and then waits with its first bytes for its turn.
 */
async function* sections(
  job: Sealing,
  meter: CopyMeter,
  seen: { update(chunk: Uint8Array): void },
  flow: Flow,
): AsyncGenerator<Uint8Array> {
  const parts = (['pre-data', 'data', 'post-data'] as const).map((section) => ({
    section,
    dump: begun(job.dumper.dump(section, job.snapshot.id, flow)),
  }))
  try {
    for (const { section, dump } of parts) {
      yield* metered(dump.bytes, seen)
      meter.endOfSection(section)
    }
  } catch (thrown) {
    // Ends the sections whose turn has not come.
    flow.fail(thrown)
    throw thrown
  } finally {
    await Promise.allSettled(parts.map(({ dump }) => dump.end()))
  }
}

const countKeyTables = async (
  keyTables: readonly TableName[],
  snapshot: Snapshot,
): Promise<{ readonly counts: readonly KeyTableCount[]; readonly auditChain: AuditChainTail | null }> => {
  const counts: KeyTableCount[] = []
  for (const name of keyTables) {
    const tree = treeOf(snapshot.tables, name)
    if (tree.length === 0) continue
    const rows = await snapshot.countRows(tree.filter((table) => table.holdsRows))
    counts.push({ ...name, rows: rows.reduce((sum, count) => sum + count, 0) })
  }
  return { counts, auditChain: await snapshot.auditChain() }
}
