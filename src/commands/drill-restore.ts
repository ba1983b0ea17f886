import type { DumpContent } from '../domain/content.ts'
import type { Usable } from '../domain/selection.ts'
import { asFault, Fault } from '../errors.ts'
import { restricted } from '../pipeline/restrict.ts'
import { rewritten } from '../pipeline/rewrite.ts'
import { inTurns } from '../pipeline/turns.ts'
import type { Bytes } from '../ports.ts'
import type { Extension, Properties, ScratchDatabase, ScratchServer } from '../ports/drill.ts'
import { archiveOf, reading } from './archive.ts'
import type { DrillContext } from './drill-context.ts'

/** Restoring for a drill: as a role that is no superuser, into a database that nobody uses. */

export const likeOf = (backup: Usable): Properties =>
  // Of older backups it is not known what the database was like; then it is made as the server makes them.
  backup.state === 'complete' ? backup.manifest.source : undefined

/** Signed with a trusted key: what a superuser makes of it is what the backed-up server had. */
const isVouchedFor = (ctx: DrillContext, backup: Usable): boolean =>
  backup.state === 'complete' && backup.signed && ctx.vault.trusted.length > 0

/**
 * What only a superuser may create is created beforehand, by name, and only where a trusted signature vouches for the
 * archive that names it: an extension is a program.
 */
export const extensionsToCreate = async (
  ctx: DrillContext,
  backup: Usable,
  content: DumpContent,
  server: ScratchServer,
): Promise<readonly Extension[]> => {
  const untrusted = await server.untrusted(content.extensions)
  if (untrusted.length > 0 && !isVouchedFor(ctx, backup))
    throw new Fault(
      'rights',
      `The backup needs ${untrusted.map(({ name }) => name).join(', ')}, which only a superuser may create, and no trusted signature vouches for it.`,
      { hint: 'Set BACKUP_TRUSTED_KEYS to the public key of the server that made the backup.' },
    )
  return untrusted
}

/** Loads the archive. `rows` false: its definitions alone, with every table empty. Throws `mismatch` when the server refuses it. */
export const loadArchive = async (
  ctx: DrillContext,
  backup: Usable,
  database: ScratchDatabase,
  asked: { readonly extensions: readonly Extension[]; readonly rows: boolean },
): Promise<void> => {
  await database.createExtensions(asked.extensions)
  const leaveOut = new Set(
    asked.extensions.flatMap(({ schema }) => [
      `CREATE SCHEMA ${schema};`,
      `CREATE SCHEMA "${schema.replaceAll('"', '""')}";`,
    ]),
  )
  const scriptOf = (sql: Bytes): Bytes => {
    const isChanged = leaveOut.size > 0 || !asked.rows
    return restricted(isChanged ? rewritten(sql, { leaveOut, rows: asked.rows }) : sql, { oneTransaction: false })
  }
  const archive = archiveOf({ ...ctx, store: ctx.vault.store }, backup)
  try {
    await reading(ctx, archive, asked.rows ? 'Restoring' : 'Reading the definitions back', (sql, flow) => {
      const load = (part: Bytes): Promise<void> => database.load(scriptOf(part), flow)
      const alone = database.asSuperuser
      return alone === undefined || !isVouchedFor(ctx, backup) ? load(sql) : inTurns(sql, load, alone)
    })
  } catch (thrown) {
    throw asRefusal(asFault(thrown))
  }
}

/** A backup that a server refuses is no good, whatever a second attempt would be worth to a restore. */
const asRefusal = (fault: Fault): Fault =>
  fault.code === 'restore-failed' || fault.code === 'rights'
    ? new Fault('mismatch', fault.message, {
        all: fault.all,
        hint: 'The drill restores as a role that is no superuser and may run no programs. The line is that of the decrypted, unpacked archive: oslrs-backup restore --to-file shows it.',
        cause: fault,
      })
    : fault
