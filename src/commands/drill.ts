import type { AuditFigures } from '../domain/audit-check.ts'
import type { Backup } from '../domain/catalog.ts'
import type { ToCompare } from '../domain/comparison.ts'
import { compareDefinitions } from '../domain/comparison.ts'
import { recoveryObjectiveMs, type DrillReport } from '../domain/drill-report.ts'
import type { Usable } from '../domain/selection.ts'
import { formatBytes, formatCount, formatDuration } from '../domain/units.ts'
import { parsePgVersion } from '../domain/version.ts'
import { asFault, Fault } from '../errors.ts'
import type { ScratchDatabase, ScratchServer } from '../ports/drill.ts'
import { alarmCheck, auditCheck, comparisonChecks, rolesCheck } from './drill-checks.ts'
import type { DrillContext } from './drill-context.ts'
import { extensionsToCreate, likeOf, loadArchive } from './drill-restore.ts'
import { reportOf, type Findings } from './drill-report.ts'
import { newLogbook, type Logbook } from './logbook.ts'
import {
  inArchivesOrder,
  readArchiveContent,
  readDatabaseContent,
  serverVersionOf,
  type ReadArchive,
} from './measure.ts'
import { manifestCheck } from './verify.ts'

/** The stage whose length is what a real restore would take. */
const restoring = 'restore'

export interface Drilled {
  readonly report: DrillReport
  /** Who must know of it, as the restored database says; undefined where it did not come to that, or has no such tables. */
  readonly administrators: readonly string[] | undefined
}

/**
 * One drill: brings one backup back, from the store to a database that holds it, and compares what is there with what was
 * recorded. It does not throw for what it finds: whatever cannot be checked is a failed check, and its report says so.
 * `before` is what the last drill found of the audit chain.
 */
export const drill = async (ctx: DrillContext, backup: Backup, before: AuditFigures | null): Promise<Drilled> => {
  const startedAt = ctx.clock.now()
  const log = newLogbook(ctx.clock)
  const found: Findings = {}
  log.enter('archive')
  try {
    log.add(await manifestCheck(ctx, backup))
    if (backup.state === 'complete' || backup.state === 'unverified-older')
      await restoreAndCompare(ctx, backup, before, log, found)
  } catch (thrown) {
    // Whoever stops a drill wants none, and no report of it either.
    ctx.stop.throwIfAborted()
    log.failed(asFault(thrown))
  }
  log.end()
  return { report: await reportOf(ctx, backup, { startedAt, log, found }), administrators: found.administrators }
}

const restoreAndCompare = async (
  ctx: DrillContext,
  backup: Usable,
  before: AuditFigures | null,
  log: Logbook,
  found: Findings,
): Promise<void> => {
  const archive = await readArchiveContent(ctx, backup)
  log.add({ name: 'archive', state: 'ok', detail: archiveFigure(backup, archive) })
  found.content = archive
  const version = serverVersionOf(backup, archive.content)
  const serverMajor = parsePgVersion(version ?? '')?.major ?? null

  log.enter('open the place')
  await ctx.place.holding({ serverMajor, plainBytes: archive.plainBytes }, async (server) => {
    found.server = server
    found.psql = await server.psqlVersion()
    if (serverMajor !== null && server.serverMajor < serverMajor)
      throw new Fault(
        'version',
        `The backup is of PostgreSQL ${String(serverMajor)}, and the server there is ${server.serverVersion}.`,
        {
          hint: 'A drill needs a server of at least that version.',
        },
      )
    const extensions = await extensionsToCreate(ctx, backup, archive.content, server)
    log.enter(restoring)
    await server.inDatabase(likeOf(backup), async (database) => {
      found.database = { name: database.name, kept: database.kept }
      await loadArchive(ctx, backup, database, { extensions, rows: true })
      log.enter('compare')
      log.add(...recoveryChecks(log, server, found))
      const input = await compared(ctx, backup, { archive, server, database, extensions, log, found })
      log.enter('application')
      const audit = await auditCheck(
        database.contents,
        found.auditTail ?? null,
        backup.state === 'complete' ? backup.manifest.auditChain : null,
        before,
      )
      found.audit = audit.figures
      log.add(audit.check, await rolesCheck(database.contents), alarmCheck(input))
      found.administrators = await database.contents.superAdmins()
      log.enter('clean up')
    })
  })
}

const compared = async (
  ctx: DrillContext,
  backup: Usable,
  {
    archive,
    server,
    database,
    extensions,
    log,
    found,
  }: {
    readonly archive: ReadArchive
    readonly server: ScratchServer
    readonly database: ScratchDatabase
    readonly extensions: Awaited<ReturnType<typeof extensionsToCreate>>
    readonly log: Logbook
    readonly found: Findings
  },
): Promise<ToCompare> => {
  const measured = await readDatabaseContent(ctx, database, archive.plainBytes)
  found.pgDump = measured.pgDump
  found.auditTail = measured.auditTail
  const restored = await inArchivesOrder(ctx, database, archive.content, measured.content)
  const first: ToCompare = {
    recorded: backup.state === 'complete' ? backup.manifest.tables : null,
    archive: archive.content,
    restored,
    reread: undefined,
  }
  const input = { ...first, reread: await rereadWhereNeeded(ctx, backup, first, server, extensions, log) }
  log.add(...comparisonChecks(input, { archive: archive.largeObjects, restored: measured.metered.largeObjects }))
  return input
}

/** Where definitions came back as another text: what the same archive gives when it is read by the server once more. */
const rereadWhereNeeded = async (
  ctx: DrillContext,
  backup: Usable,
  input: ToCompare,
  server: ScratchServer,
  extensions: Awaited<ReturnType<typeof extensionsToCreate>>,
  log: Logbook,
): Promise<ToCompare['reread']> => {
  if (compareDefinitions(input).differences.length === 0) return undefined
  log.enter('second restore, of the definitions')
  return server.inDatabase(likeOf(backup), async (database) => {
    await loadArchive(ctx, backup, database, { extensions, rows: false })
    return (await readDatabaseContent(ctx, database, 0)).content
  })
}

const archiveFigure = (backup: Usable, { content, plainBytes, largeObjects }: ReadArchive): string => {
  const rows = [...content.tables.values()].reduce((sum, table) => sum + table.rows, 0)
  const { sizeBytes, checksumSha256 } = backup.manifest
  const recorded = backup.state === 'complete' ? ', size and digests as recorded' : ''
  return `${formatBytes(sizeBytes)} stored with SHA-256 ${checksumSha256.slice(0, 16)}…; opened to ${formatBytes(plainBytes)} of SQL with its trailer, ${formatCount(content.tables.size)} tables with ${formatCount(rows)} rows, ${formatCount(largeObjects)} large objects${recorded}`
}

const recoveryChecks = (log: Logbook, server: ScratchServer, found: Findings) => {
  const durationMs = log.durationOf(restoring) ?? 0
  found.recoveryMs = durationMs
  const isWithin = durationMs <= recoveryObjectiveMs
  return [
    { name: 'restore', state: 'ok', detail: `loaded into ${server.description}, as a role that is no superuser` },
    {
      name: 'recovery time',
      state: isWithin ? 'ok' : 'warning',
      detail: `${formatDuration(durationMs)}, ${isWithin ? 'within' : 'NOT within'} the hour that a restore may take`,
    },
  ] as const
}
