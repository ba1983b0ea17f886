import { requireSameRows, tableCountsOf, type KeyTableCount } from '../domain/rows.ts'
import type { ObjectKey } from '../domain/key.ts'
import type { Manifest } from '../domain/manifest.ts'
import { tableNameText } from '../domain/table-name.ts'
import { asFault, Fault } from '../errors.ts'
import { DigestMeter } from '../pipeline/digest-meter.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import { seal } from '../pipeline/seal.ts'
import type { AuditChainTail, Dumper, Gzip, Metered, PutResult, Snapshot, TableName } from '../ports.ts'
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
  const sealedMeter = new DigestMeter()
  const dump = job.dumper.whole(job.snapshot.id, flow, (bytes) => {
    stall.moved()
    progress.at(bytes)
  })
  // In the same snapshot, so that both speak of the same instant. At once: when it is over, and each pg_dump has the snapshot,
  // the dump no longer depends on this session.
  const counting = countKeyTables(ctx.keyTables, job.snapshot)
  counting.catch(flow.fail)
  /** Ends well, and so makes an object, only when what was counted on both sides is the same. */
  async function* sealed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of seal(dump, ctx.programs, job.gzip, ctx.recipients, flow)) {
      stall.moved()
      sealedMeter.update(chunk)
      yield chunk
    }
    const { tables } = await dump.metered
    // Counting a large table takes as long as it takes, and moves no bytes.
    stall.pause()
    requireSameRows(tables, job.snapshot.tables, (await counting).counts)
    stall.moved()
  }
  try {
    const put = await ctx.vault.store.put(job.key, sealed(), {
      contentType: 'application/octet-stream',
      expectedBytes: job.expectedBytes,
      ifAbsent: true,
    })
    const plain = await dump.metered
    const proved = { ...put, sha256: sealedMeter.end().sha256 }
    stall.end()
    job.course.figures({ bytes: plain.sizeBytes, stored_bytes: put.sizeBytes })
    job.course.enter('prove')
    job.course.figures({ bytes: put.sizeBytes })
    await prove(ctx, job.key, proved)
    const { counts, auditChain } = await counting
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
    await dump.ended()
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

const countKeyTables = async (
  keyTables: readonly TableName[],
  snapshot: Snapshot,
): Promise<{ readonly counts: readonly KeyTableCount[]; readonly auditChain: AuditChainTail | null }> => {
  const counts: KeyTableCount[] = []
  for (const name of keyTables) {
    const rows = await snapshot.countRows(name)
    if (rows !== undefined) counts.push({ ...name, rows })
  }
  return { counts, auditChain: await snapshot.auditChain() }
}
