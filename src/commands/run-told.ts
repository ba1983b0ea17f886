import { nextRunAfter } from '../domain/next-run.ts'
import { attemptBegun, attemptSucceeded, type MailRecord } from '../domain/status.ts'
import { asFault } from '../errors.ts'
import type { AuditTrail } from '../ports/telling.ts'
import { newCourse, type Course } from './course.ts'
import type { RunContext } from './run-context.ts'
import { run, type RunResult } from './run.ts'
import { beat, findRecipients, senderOf, sendNews } from './tell.ts'
import type { TellContext } from './tell-context.ts'
import { tellFailure, type ToldOptions } from './tell-failure.ts'

export interface ToldContext extends RunContext {
  readonly tell: TellContext
  /** undefined: BACKUP_AUDIT=off. */
  readonly audit: AuditTrail | undefined
}

export interface ToldResult extends RunResult {
  /** Why there is no audit row; undefined: there is one, or none is wanted. */
  readonly auditNote: string | undefined
  /** undefined: nobody was to be told, or there is no way. */
  readonly mail: MailRecord | undefined
}

/** `run`, and whoever must know hears of it. What becomes of the telling changes nothing about the backup. */
export const runTold = async (ctx: ToldContext, asked: ToldOptions): Promise<ToldResult> => {
  const { tell } = ctx
  const course = newCourse(ctx)
  const startedAt = ctx.clock.now()
  const attempt = { startedAt, attempt: asked.attempt }
  const starting = beat(tell, 'start', `Attempt ${String(asked.attempt)} on ${tell.host}.`)
  try {
    const result = await run(ctx, asked, course, async () => {
      await tell.state.update((status) => attemptBegun(status, attempt))
    })
    await starting
    return await tellSuccess(ctx, result, course)
  } catch (thrown) {
    // A signal reaches our programs as well, and their end is no news then.
    const fault = asFault(ctx.stop.aborted ? ctx.stop.reason : thrown)
    course.failed(fault.code)
    await starting
    await tellFailure(tell, { ...asked, startedAt, fault, stage: course.at ?? null })
    throw fault
  }
}

const tellSuccess = async (ctx: ToldContext, result: RunResult, course: Course): Promise<ToldResult> => {
  const { tell } = ctx
  const { manifest, after } = result
  course.enter('audit')
  const auditNote = await ctx.audit?.append({
    action: 'system.backup',
    details: {
      key: manifest.s3Key,
      sizeBytes: manifest.sizeBytes,
      sha256: manifest.checksumSha256,
      startedAt: manifest.timestamp,
      durationMs: manifest.durationMs,
      tables: manifest.tables.length,
      rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
      encryption: manifest.encryption.algorithm,
      attempt: manifest.attempt,
      environment: manifest.environment,
      host: tell.host,
      toolVersion: tell.toolVersion,
    },
  })
  if (auditNote !== undefined) ctx.journal.info(auditNote)
  course.enter('mail')
  const notes = [...after.notes, ...(auditNote === undefined ? [] : [auditNote])].map(tell.redact)
  const recipients = await findRecipients(tell)
  const before = await tell.state.read()
  await tell.state.update((status) =>
    attemptSucceeded(
      status,
      {
        startedAt: manifest.timestamp,
        endedAt: ctx.clock.now().toISOString(),
        attempt: manifest.attempt,
        key: manifest.s3Key,
        sizeBytes: manifest.sizeBytes,
        checksumSha256: manifest.checksumSha256,
        durationMs: manifest.durationMs,
        anomalies: manifest.anomalies,
        notes,
      },
      { administrators: recipients.administrators, monthlySizeBytes: result.monthlySizeBytes },
    ),
  )
  const sender = senderOf(tell)
  const [mail] = await Promise.all([
    sendNews(
      tell,
      {
        kind: 'success',
        facts: {
          ...sender,
          manifest,
          promoted: after.promoted,
          removed: after.removed.length,
          notes,
          before,
          nextRun: nextRunAfter(sender.now),
        },
      },
      recipients,
    ),
    beat(tell, 'success', `${manifest.s3Key}, ${String(manifest.sizeBytes)} bytes, ${String(notes.length)} notes.`),
  ])
  course.end()
  return { ...result, auditNote, mail }
}
