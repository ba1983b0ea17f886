import { check, type Check } from '../domain/check.ts'
import type { Backup, Catalog, CompleteBackup } from '../domain/catalog.ts'
import { select, type Selector } from '../domain/selection.ts'
import { formatBytes, formatCount } from '../domain/units.ts'
import { Fault } from '../errors.ts'
import { metered } from '../pipeline/copy-meter.ts'
import { DigestMeter } from '../pipeline/digest-meter.ts'
import { drained } from '../pipeline/drained.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import { requireSameStored, unseal, whyUnopened } from '../pipeline/unseal.ts'
import type { Journal, Programs } from '../ports.ts'
import { readCatalog, type Vault } from './vault.ts'

export interface ReadContext {
  readonly vault: Vault
  readonly programs: Programs
  readonly journal: Journal
  readonly stop: AbortSignal
  readonly identityFile: string | undefined
  readonly stallMs: number
}

export interface VerifyOptions {
  readonly which: Selector | 'all'
  readonly depth: 'stored' | 'archive' | 'restore'
}

export interface VerifiedBackup {
  readonly key: string
  readonly checks: readonly Check[]
}

export interface VerifyResult {
  readonly depth: VerifyOptions['depth']
  readonly backups: readonly VerifiedBackup[]
}

/** Checks backups as they lie in the store. What cannot be checked counts as failed. Changes nothing. */
export const verify = async (ctx: ReadContext, asked: VerifyOptions): Promise<VerifyResult> => {
  if (asked.depth === 'restore')
    throw new Fault(
      'not-in-this-version',
      'The drill that restores into a scratch database is not in this version, and less than a drill is not called one.',
      {
        hint: 'Check everything up to the restore: oslrs-backup verify --depth archive',
      },
    )
  await ctx.vault.store.check('read')
  const catalog = await readCatalog(ctx.vault)
  const backups: VerifiedBackup[] = []
  for (const backup of chosen(catalog, asked.which)) {
    ctx.stop.throwIfAborted()
    backups.push({ key: backup.key, checks: await checksOf(ctx, backup, asked.depth) })
  }
  return { depth: asked.depth, backups }
}

const chosen = (catalog: Catalog, which: Selector | 'all'): readonly Backup[] => {
  if (which !== 'all') return [select(catalog, which)]
  const backups = catalog.filter((backup) => backup.state !== 'orphan')
  if (backups.length === 0)
    throw new Fault('no-such-backup', 'There is no backup to verify.', { hint: 'See: oslrs-backup list' })
  return backups
}

const checksOf = async (ctx: ReadContext, backup: Backup, depth: 'stored' | 'archive'): Promise<readonly Check[]> => {
  switch (backup.state) {
    case 'complete':
      return [
        await manifestCheck(ctx, backup),
        await check(depth === 'stored' ? 'stored bytes' : 'archive', () =>
          depth === 'stored' ? readStored(ctx, backup) : readArchive(ctx, backup),
        ),
      ]
    case 'damaged':
      return [
        await check('manifest', () => Promise.reject(new Fault('damaged', `The backup is damaged: ${backup.why}.`))),
      ]
    case 'unverified-older':
    case 'orphan':
      return [
        await check('manifest', () =>
          Promise.reject(
            new Fault('not-in-this-version', 'Backups of the previous system cannot be checked by this version.', {
              hint: 'They stay where they are, untouched.',
            }),
          ),
        ),
      ]
  }
}

const manifestCheck = (ctx: ReadContext, backup: CompleteBackup): Promise<Check> =>
  check('manifest', () => {
    const key = backup.manifest.signature?.keyId
    if (ctx.vault.trusted.length > 0)
      return Promise.resolve(`agrees with its object; signed with the trusted key ${key ?? ''}`)
    return Promise.resolve({
      state: 'warning',
      detail:
        key === undefined
          ? 'agrees with its object; it is not signed'
          : `agrees with its object; its signature was not checked, for BACKUP_TRUSTED_KEYS is not set`,
    })
  })

const readStored = async (ctx: ReadContext, { key, manifest }: CompleteBackup): Promise<string> => {
  const meter = new DigestMeter()
  const progress = ctx.journal.progress('Reading', manifest.sizeBytes)
  try {
    await drained(
      metered(ctx.vault.store.get(key), {
        update: (chunk) => {
          ctx.stop.throwIfAborted()
          meter.update(chunk)
          progress.at(meter.sizeBytes)
        },
      }),
    )
  } finally {
    progress.end()
  }
  requireSameStored(meter.end(), manifest)
  return `${formatBytes(manifest.sizeBytes)} with the SHA-256 of the manifest`
}

const readArchive = async (ctx: ReadContext, { key, manifest }: CompleteBackup): Promise<string> => {
  const flow = startFlow(ctx.stop)
  const stall = watchForStall(flow, ctx.stallMs)
  const progress = ctx.journal.progress('Reading', manifest.plain.sizeBytes)
  let plainBytes = 0
  try {
    const tools = { programs: ctx.programs, gzip: await ctx.programs.gzip(), identityFile: ctx.identityFile }
    for await (const chunk of unseal(ctx.vault.store.get(key), manifest, tools, flow)) {
      stall.moved()
      plainBytes += chunk.byteLength
      progress.at(plainBytes)
    }
  } catch (thrown) {
    flow.fail(thrown)
    throw await whyUnopened(flow.rootCause(thrown), () => ctx.vault.store.get(key), manifest)
  } finally {
    stall.end()
    progress.end()
  }
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0)
  return `opened and read to its end: ${formatBytes(plainBytes)} of SQL, ${String(manifest.tables.length)} tables with ${formatCount(rows)} rows, all digests as recorded`
}
