import { utcDate } from '../domain/calendar.ts'
import type { Backup, Catalog } from '../domain/catalog.ts'
import { failedCheck, type Check } from '../domain/check.ts'
import type { DrillReport } from '../domain/drill-report.ts'
import type { Selector } from '../domain/selection.ts'
import { asFault, Fault } from '../errors.ts'
import type { DrillContext } from './drill-context.ts'
import { drill } from './drill.ts'
import { auditBefore, readReports, reportKeysOf, storeReport } from './drill-reports.ts'
import { mailDrill, rememberDrill } from './tell-drill.ts'
import { placeWarnings, readInventory } from './vault.ts'
import { chosen } from './verify.ts'

export interface DrilledBackup {
  readonly report: DrillReport
  /** Where the report lies; null where it could not be stored. */
  readonly reportKey: string | null
  /** Told and not part of the report: that it could not be stored. */
  readonly after: readonly Check[]
}

export interface DrillsResult {
  readonly drills: readonly DrilledBackup[]
  /** Newer backups that cannot be used, where the newest was asked for: the drill is of an older one, and that is no pass. */
  readonly passedOver: readonly Check[]
  /** Sentences about what the place itself does to backups. */
  readonly warnings: readonly string[]
}

/** The drill of one backup, or of every one; each has its report in the store. */
export const drills = async (ctx: DrillContext, which: Selector | 'all'): Promise<DrillsResult> => {
  await ctx.vault.store.check('read')
  const [inventory, warnings] = await Promise.all([readInventory(ctx.vault), placeWarnings(ctx.vault, ctx.policy)])
  const keys = reportKeysOf(ctx.vault, ctx.signingKey)
  let reports = await readReports(ctx.vault, inventory.records, keys)
  const done: DrilledBackup[] = []
  const backups = chosen(inventory.catalog, which)
  const passedOver = which !== 'all' && which.by === 'latest' ? newerRuins(inventory.catalog, backups) : []
  for (const backup of backups) {
    ctx.stop.throwIfAborted()
    ctx.journal.info(`Drilling ${backup.key}.`, { place: ctx.place.kind })
    const { report, administrators } = await drill(ctx, backup, auditBefore(reports, keys))
    const stored = await withReportStored(ctx, report)
    ctx.journal.info(report.sentence, { report: stored.reportKey ?? 'not stored', exit_status: report.exitStatus })
    reports = [{ key: stored.reportKey ?? '', report, signature: 'valid' }, ...reports]
    done.push(stored)
    await mailDrill(ctx.tell, { ...stored, administrators, passedOver })
  }
  await rememberDrill(
    ctx.tell,
    done.map((one) => ({ ...one, passedOver })),
  )
  return { drills: done, passedOver, warnings }
}

const withReportStored = async (ctx: DrillContext, report: DrillReport): Promise<DrilledBackup> => {
  try {
    return { report, reportKey: await storeReport(ctx.vault, report, ctx.signingKey), after: [] }
  } catch (thrown) {
    return { report, reportKey: null, after: [failedCheck('report', asFault(thrown))] }
  }
}

const newerRuins = (catalog: Catalog, [backup]: readonly Backup[]): Check[] => {
  if (backup?.state !== 'complete' && backup?.state !== 'unverified-older') return []
  const day = utcDate(new Date(backup.manifest.timestamp))
  return catalog.flatMap((other) =>
    other.state === 'damaged' && other.tier === 'daily' && other.period > day
      ? [
          failedCheck(
            'newest backup',
            new Fault('damaged', `There is a newer backup, of ${other.period}, that cannot be used: ${other.why}.`),
          ),
        ]
      : [],
  )
}
