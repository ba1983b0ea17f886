import type { AuditFigures } from '../domain/audit-check.ts'
import type { Backup } from '../domain/catalog.ts'
import { statusOfDrill, verdictOfDrill } from '../domain/drill-verdict.ts'
import { recoveryObjectiveMs, type DrillReport } from '../domain/drill-report.ts'
import type { AuditChainTail } from '../ports.ts'
import type { ScratchServer } from '../ports/drill.ts'
import type { DrillContext } from './drill-context.ts'
import type { Logbook } from './logbook.ts'
import type { ReadArchive } from './measure.ts'

/** What a drill has found out so far; what is not there was not come to. */
export interface Findings {
  content?: ReadArchive
  server?: ScratchServer
  psql?: string
  pgDump?: string
  database?: { readonly name: string; readonly kept: boolean }
  auditTail?: AuditChainTail | null
  audit?: AuditFigures | null
  recoveryMs?: number
  /** Addresses of the application's administrators, as they were restored. */
  administrators?: readonly string[]
}

export const reportOf = async (
  ctx: DrillContext,
  backup: Backup,
  { startedAt, log, found }: { readonly startedAt: Date; readonly log: Logbook; readonly found: Findings },
): Promise<DrillReport> => {
  const manifest = backup.state === 'complete' || backup.state === 'unverified-older' ? backup.manifest : undefined
  const tables = [...(found.content?.content.tables.values() ?? [])]
  const verdict = verdictOfDrill(log.checks, backup)
  return {
    formatVersion: 1,
    kind: 'drill',
    startedAt: startedAt.toISOString(),
    endedAt: ctx.clock.now().toISOString(),
    ...verdict,
    exitStatus: statusOfDrill(log.checks),
    backup: {
      key: backup.key,
      tier: backup.tier,
      period: backup.period,
      startedAt: manifest === undefined ? null : new Date(manifest.timestamp).toISOString(),
      sizeBytes: manifest?.sizeBytes ?? null,
      sha256: manifest?.checksumSha256 ?? null,
      encryption:
        backup.state === 'complete'
          ? backup.manifest.encryption.algorithm
          : backup.state === 'unverified-older'
            ? backup.sealing
            : null,
      signedBy:
        backup.state === 'complete' && backup.signed && ctx.vault.trusted.length > 0
          ? (backup.manifest.signature?.keyId ?? null)
          : null,
    },
    by: {
      host: ctx.host,
      environment: ctx.environment,
      tool: ctx.toolVersion,
      psql: found.psql ?? null,
      pgDump: found.pgDump ?? null,
      age: await ctx.programs.ageVersion().catch(() => null),
      compressor: (await ctx.programs.gzip()).name,
    },
    restoredInto:
      found.server === undefined
        ? null
        : {
            kind: ctx.place.kind,
            description: found.server.description,
            serverVersion: found.server.serverVersion,
            database: found.database?.name ?? null,
            kept: found.database?.kept ?? false,
          },
    checks: log.checks.map(({ name, state, detail, hint }) => ({ name, state, detail, hint: hint ?? null })),
    figures:
      found.content === undefined
        ? null
        : {
            tables: tables.length,
            rows: tables.reduce((sum, table) => sum + table.rows, 0),
            plainBytes: found.content.plainBytes,
            largeObjects: found.content.largeObjects,
            definitions: found.content.content.entries.size,
          },
    auditChain: found.audit ?? null,
    stages: log.stages.map((stage) => ({ ...stage })),
    recovery:
      found.recoveryMs === undefined ? null : { durationMs: found.recoveryMs, objectiveMs: recoveryObjectiveMs },
    notContained: backup.state === 'complete' ? backup.manifest.notContained : [],
  }
}
