import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { check, type Check } from '../domain/check.ts'
import { makeKey, type ObjectKey } from '../domain/key.ts'
import { earlyExpiries } from '../domain/lifecycle.ts'
import { signDocument } from '../domain/signature.ts'
import { requireDumpable, requireSameSource } from '../domain/source.ts'
import { formatBytes } from '../domain/units.ts'
import { asFault, Fault } from '../errors.ts'
import { DigestMeter } from '../pipeline/digest-meter.ts'
import { startFlow, watchForStall } from '../pipeline/flow.ts'
import { seal } from '../pipeline/seal.ts'
import type { Bytes, SourceDatabase } from '../ports.ts'
import type { RunContext } from './run-context.ts'
import type { ToldContext } from './run-told.ts'
import type { RunOptions } from './run.ts'
import { requireSigner } from './signer.ts'
import { tellingChecks } from './telling-checks.ts'
import { readCatalog, type Vault } from './vault.ts'

/** `run --dry-run`: exercises each part that a run needs, and changes nothing that stays. Every check is made. */
export const preflight = async (ctx: ToldContext, asked: RunOptions): Promise<readonly Check[]> => {
  const source = await ctx.database.inspect().catch((thrown: unknown) => ({ thrown }))
  const known = (): SourceDatabase => {
    if ('thrown' in source)
      throw new Fault('database-unavailable', 'Not tried: the database was not reached.', { cause: source.thrown })
    return source
  }
  return [
    await check('database', () => {
      if ('thrown' in source) throw source.thrown
      return Promise.resolve(
        `PostgreSQL ${source.serverVersion} on ${source.host}, database ${source.database}, ${formatBytes(source.sizeBytes)}`,
      )
    }),
    await check('rights', () => {
      requireDumpable(known())
      return Promise.resolve('this role may read everything')
    }),
    await check('lock', () => {
      known()
      return ctx.database.holdingLock({ giveWay: true }, () => Promise.resolve('free'))
    }),
    await check('snapshot', () => {
      known()
      return ctx.database.inSnapshot(ctx.stop, (snapshot) =>
        Promise.resolve(`${String(snapshot.tables.length)} tables locked and frozen`),
      )
    }),
    await check('dump, seal', () => trialDump(ctx, known())),
    await check('encryption', () => encryption(ctx)),
    await check('signature', () => Promise.resolve(signature(ctx))),
    await check('store', () => canary(ctx)),
    await check('store habits', () => habits(ctx)),
    await check('source', async () => {
      const { systemIdentifier } = known()
      requireSameSource(await readCatalog(ctx.vault), { systemIdentifier, environment: ctx.environment }, asked)
      return `environment ${ctx.environment}, cluster ${systemIdentifier ?? 'unknown'}`
    }),
    ...(await tellingChecks(ctx)),
    ...[...ctx.warnings, ...('thrown' in source ? [] : source.warnings)].map((detail): Check => ({
      name: 'note',
      state: 'warning',
      detail,
    })),
  ]
}

/** All but the rows, through the whole pipeline, into nothing. */
const trialDump = async (ctx: RunContext, source: SourceDatabase): Promise<string> => {
  const dumper = await ctx.programs.dumperFor(source)
  const gzip = await ctx.programs.gzip()
  const flow = startFlow(ctx.stop)
  const stall = watchForStall(flow, ctx.stallMs)
  const dump = dumper.trial(flow, stall.moved)
  const sealedMeter = new DigestMeter()
  try {
    for await (const chunk of seal(dump, ctx.programs, gzip, ctx.recipients, flow)) {
      stall.moved()
      sealedMeter.update(chunk)
    }
    const { sizeBytes } = await dump.metered
    return `pg_dump ${dumper.version}, ${gzip.name}: the schema gave ${formatBytes(sizeBytes)}, sealed ${formatBytes(sealedMeter.sizeBytes)}`
  } finally {
    stall.end()
    await dump.ended()
  }
}

const encryption = async (ctx: RunContext): Promise<string | Pick<Check, 'state' | 'detail'>> => {
  if (ctx.recipients.length === 0)
    return { state: 'warning', detail: 'switched off: whoever reads the store reads the registry' }
  const detail = `age ${await ctx.programs.ageVersion()}, ${String(ctx.recipients.length)} recipient(s)`
  return detail
}

const signature = ({ vault, signingKey }: RunContext): string | Pick<Check, 'state' | 'detail'> => {
  requireSigner(vault, signingKey, 'A backup')
  return signingKey === undefined
    ? { state: 'warning', detail: 'no signing key: manifests are not signed' }
    : `Ed25519 key ${signDocument({ canary: 1 }, signingKey).keyId}`
}

/** Writes an object, reads it back, asks for it as a stranger, and removes it. */
const canary = async (ctx: RunContext): Promise<string | Pick<Check, 'state' | 'detail' | 'hint'>> => {
  const { store, layout } = ctx.vault
  await store.check('write')
  const key = makeKey(layout, { kind: 'canary', id: randomUUID() })
  const content = randomBytes(4096)
  async function* body(): Bytes {
    await Promise.resolve()
    yield content
  }
  const put = await store.put(key, body(), {
    contentType: 'application/octet-stream',
    expectedBytes: content.length,
    ifAbsent: true,
  })
  let removed = true
  try {
    await store.prove(key, { ...put, sha256: createHash('sha256').update(content).digest('hex') })
    const chunks: Uint8Array[] = []
    for await (const chunk of store.get(key)) chunks.push(chunk)
    if (!Buffer.concat(chunks).equals(content))
      throw new Fault('damaged', 'What the store gives back is not what was written.')
    if (await store.isPublic(key))
      throw new Fault(
        'configuration',
        `Anybody can read what lies in ${store.description}: a stranger read the canary.`,
        {
          hint: 'Make the bucket private (no public access, no bucket policy that allows it), or the folder 0700.',
        },
      )
  } finally {
    removed = await remove(ctx, key)
  }
  return removed
    ? `written, read back, not readable by strangers, removed; ${store.description}`
    : {
        state: 'warning',
        detail: `written, read back, not readable by strangers; ${key} stays, for this key may not remove (BACKUP_PRUNE=off)`,
      }
}

/** Where another host prunes, a key that may not remove is what one wants. */
const remove = async ({ vault, mayRemove }: RunContext, key: ObjectKey): Promise<boolean> => {
  try {
    await vault.store.delete(key)
  } catch (thrown) {
    if (!mayRemove && asFault(thrown).code === 'credentials') return false
    throw thrown
  }
  if ((await vault.store.head(key)) === undefined) return true
  throw new Fault('storage-failed', 'A removed object is still there.')
}

const habits = async ({ vault, policy, mayRemove }: RunContext): Promise<string | Pick<Check, 'state' | 'detail'>> => {
  // Only pruning asks for unfinished uploads, and a key that may not ask would fail there.
  const unfinished = mayRemove ? `, unfinished uploads ${String(await countUnfinished(vault))}` : ''
  const { versioning, objectLock, expiryRules } = await vault.store.habits()
  const early = expiryRules === 'unknown' ? [] : earlyExpiries(expiryRules, vault.layout, policy)
  const facts = `versioning ${versioning}, object lock ${objectLock}, lifecycle rules ${expiryRules === 'unknown' ? 'unknown' : String(expiryRules.length)}${unfinished}`
  return early.length > 0 ? { state: 'warning', detail: [...early, facts].join('\n') } : facts
}

const countUnfinished = async ({ store, layout }: Vault): Promise<number> => {
  let count = 0
  for await (const _ of store.unfinished(layout.prefix)) count += 1
  return count
}
