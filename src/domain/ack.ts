import type { KeyObject } from 'node:crypto'
import * as z from 'zod'
import type { CompleteBackup } from './catalog.ts'
import { signatureState, signDocument, type SignedDocument } from './signature.ts'

/**
 * `backups/acks/DATE.json`: a person has seen that the backup of that day has lost rows, and says that this is meant. It
 * names each backup that it makes good, for nobody has seen another. It is signed like a manifest; where keys are trusted,
 * an unsigned one counts for nothing.
 */
const ackSchema = z.object({
  formatVersion: z.literal(1),
  date: z.iso.date(),
  /** First the backup of that day, then its neighbours that have lost no more. */
  backups: z
    .array(z.object({ s3Key: z.string().max(4096), checksumSha256: z.string().regex(/^[0-9a-f]{64}$/) }))
    .min(1)
    .max(1000),
  /** What was accepted, as it was told. */
  anomalies: z.array(z.string().max(4096)).max(1000),
  reason: z.string().min(1).max(1000),
  acceptedAt: z.iso.datetime(),
  signature: z.object({ keyId: z.string().regex(/^[0-9a-f]{16}$/), ed25519: z.string().max(4096) }).optional(),
})
export type Ack = z.output<typeof ackSchema>

/** undefined for what counts for nothing: not an acceptance, of another day than its key says, or not signed as it should be. */
export const decodeAck = (text: string, date: string, trusted: readonly KeyObject[]): Ack | undefined => {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  const parsed = ackSchema.safeParse(document)
  if (!parsed.success || parsed.data.date !== date) return undefined
  const isVouchedFor = trusted.length === 0 || signatureState(document as SignedDocument, trusted) === 'valid'
  return isVouchedFor ? parsed.data : undefined
}

/** The acceptance of a backup's anomalies, and of its neighbours' that have lost no more; signed where there is a key. */
export const acceptanceOf = (
  backup: CompleteBackup,
  {
    neighbours,
    anomalies,
    reason,
    now,
    key,
  }: {
    readonly neighbours: readonly CompleteBackup[]
    readonly anomalies: readonly string[]
    readonly reason: string
    readonly now: Date
    readonly key: KeyObject | undefined
  },
): Ack => {
  const ack: Ack = {
    formatVersion: 1,
    date: backup.period,
    backups: [backup, ...neighbours].map(({ key: s3Key, manifest: { checksumSha256 } }) => ({ s3Key, checksumSha256 })),
    anomalies: [...anomalies],
    reason,
    acceptedAt: now.toISOString(),
  }
  return key === undefined
    ? ack
    : { ...ack, signature: signDocument(JSON.parse(JSON.stringify(ack)) as SignedDocument, key) }
}
