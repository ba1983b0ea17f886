import type { Backup } from '../domain/catalog.ts'
import { columnsMoved } from '../domain/comparison.ts'
import type { DumpContent } from '../domain/content.ts'
import type { Usable } from '../domain/selection.ts'
import { requireDumpable } from '../domain/source.ts'
import { parseTableName } from '../domain/table-name.ts'
import { ContentMeter, RowsMeter } from '../pipeline/content-meter.ts'
import { metered } from '../pipeline/copy-meter.ts'
import { drained } from '../pipeline/drained.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import type { AuditChainTail, Flow, Metered } from '../ports.ts'
import type { ScratchDatabase } from '../ports/drill.ts'
import { archiveOf, reading } from './archive.ts'
import type { DrillContext } from './drill-context.ts'

/** Taking down what there is: in the archive, and in the database that was restored from it. */

export interface ReadArchive {
  readonly content: DumpContent
  readonly plainBytes: number
  readonly largeObjects: number
}

/** Reads the archive to its end, with every check that its kind allows. */
export const readArchiveContent = async (ctx: DrillContext, backup: Usable): Promise<ReadArchive> => {
  const archive = archiveOf({ ...ctx, store: ctx.vault.store }, backup)
  const meter = new ContentMeter()
  let plainBytes = 0
  await reading(ctx, archive, 'Reading', (sql) =>
    drained(
      metered(sql, {
        update: (chunk) => {
          plainBytes += chunk.byteLength
          meter.update(chunk)
        },
      }),
    ),
  )
  return { content: meter.end(), plainBytes, largeObjects: archive.largeObjects() }
}

export interface ReadDatabase {
  readonly content: DumpContent
  readonly metered: Metered
  readonly auditTail: AuditChainTail | null
  readonly pgDump: string
}

/** Dumps the restored database as a backup would, into nothing but meters. */
export const readDatabaseContent = async (
  ctx: DrillContext,
  database: ScratchDatabase,
  expectedBytes: number,
): Promise<ReadDatabase> => {
  const source = await database.database.inspect()
  requireDumpable(source)
  const dumper = await database.dumperFor(source)
  return database.database.inSnapshot(ctx.stop, async (snapshot) => {
    const content = new ContentMeter()
    const metered = await flowing(ctx, 'Comparing', expectedBytes, async (flow, moved) => {
      const dump = dumper.whole(snapshot.id, flow, moved)
      try {
        for await (const chunk of dump.bytes()) content.update(chunk)
        return await dump.metered
      } catch (thrown) {
        flow.fail(thrown)
        throw thrown
      } finally {
        await dump.ended()
      }
    })
    return {
      content: content.end(),
      metered,
      auditTail: await snapshot.auditChain(),
      pgDump: dumper.version,
    }
  })
}

/** The same content with the rows of every table whose columns came back in another order read in the archive's order. */
export const inArchivesOrder = async (
  ctx: DrillContext,
  database: ScratchDatabase,
  archive: DumpContent,
  restored: DumpContent,
): Promise<DumpContent> => {
  const tables = new Map(restored.tables)
  for (const name of columnsMoved(archive, restored)) {
    const table = parseTableName(name)
    const columns = archive.tables.get(name)?.columns ?? []
    if (table === undefined) continue
    const rows = new RowsMeter(columns)
    let sizeBytes = 0
    await flowing(ctx, 'Comparing', undefined, async (flow, moved) => {
      for await (const chunk of database.copyOut(table, columns, flow)) {
        rows.update(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
        sizeBytes += chunk.byteLength
        moved(sizeBytes)
      }
    })
    tables.set(name, rows.end())
  }
  return { ...restored, tables }
}

/** A flow with a progress line and an eye on stalls; a failure is told by its root cause. */
const flowing = async <T>(
  ctx: DrillContext,
  doing: string,
  expectedBytes: number | undefined,
  work: (flow: Flow, moved: (totalBytes: number) => void) => Promise<T>,
): Promise<T> => {
  const flow = startFlow(ctx.stop)
  const stall = watchForStall(flow, ctx.stallMs)
  const progress = ctx.journal.progress(doing, expectedBytes)
  try {
    return await work(flow, (totalBytes) => {
      stall.moved()
      progress.at(totalBytes)
    })
  } catch (thrown) {
    flow.fail(thrown)
    throw flow.rootCause(thrown)
  } finally {
    stall.end()
    progress.end()
  }
}

/** The server that it was made from: by its manifest, else as the dump itself says. */
export const serverVersionOf = (backup: Backup, content: DumpContent): string | undefined =>
  backup.state === 'complete' ? backup.manifest.source.serverVersion : content.serverVersion
