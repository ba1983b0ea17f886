import { createHash } from 'node:crypto'
import type { Json } from './canonical.ts'

/**
 * The application's audit trail is a chain: each row's hash covers the hash of the row before it. These are its rules, as
 * the application writes them, for whoever adds a row and for whoever checks the chain.
 */
export const genesisHash = createHash('sha256').update('OSLRS-AUDIT-GENESIS-2026').digest('hex')

/** Everybody who writes into the chain holds this transaction-level advisory lock meanwhile. */
export const chainLockKey = 8_151_642_026

export interface ChainedRow {
  readonly id: string
  readonly action: string
  readonly actorId: string | null
  readonly createdAt: Date
  readonly details: Json
  readonly previousHash: string
}

export const chainHash = ({ id, action, actorId, createdAt, details, previousHash }: ChainedRow): string =>
  createHash('sha256')
    .update(
      [id, action, actorId ?? 'SYSTEM', createdAt.toISOString(), canonicalDetails(details), previousHash].join('|'),
    )
    .digest('hex')

/** JSON as JavaScript prints it, with the keys of every object sorted; nothing at all is `{}`. */
export const canonicalDetails = (details: Json): string => (details === null ? '{}' : JSON.stringify(sorted(details)))

const sorted = (value: Json): Json => {
  if (isList(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  // By a prototype-less object, so that a key such as __proto__ is a key; integers would still come first, as in JavaScript they always do.
  const copy = Object.create(null) as Record<string, Json>
  for (const [name, member] of Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    copy[name] = sorted(member)
  return copy
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)
