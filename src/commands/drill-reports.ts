import { createPublicKey, type KeyObject } from 'node:crypto'
import type { AuditFigures } from '../domain/audit-check.ts'
import { decodeReport, encodeReport, type DrillReport, type StoredReport } from '../domain/drill-report.ts'
import { makeKey, parseKey, type ObjectKey } from '../domain/key.ts'
import { asFault } from '../errors.ts'
import type { StoredObject } from '../ports.ts'
import { atOnce } from './at-once.ts'
import { readText, writeText, type Vault } from './vault.ts'

/** The reports of drills in the store. */

/** Every report that can be read, newest first. `trusted`: whose signatures count. */
export const readReports = async (
  { store, layout }: Vault,
  records: readonly StoredObject[],
  trusted: readonly KeyObject[],
): Promise<readonly StoredReport[]> => {
  const keys = records.map(({ key }) => key).filter((key) => parseKey(layout, key)?.kind === 'drill')
  const reports: StoredReport[] = []
  await atOnce(keys, async (key) => {
    const report = decodeReport(key, (await readText(store, key)) ?? '', trusted)
    if (report !== undefined) reports.push(report)
  })
  return reports.toSorted((a, b) => (a.report.startedAt < b.report.startedAt ? 1 : -1))
}

/** Whose reports a drill believes: those that the trusted keys sign, and its own. */
export const reportKeysOf = (vault: Vault, signingKey: KeyObject | undefined): readonly KeyObject[] =>
  signingKey === undefined ? vault.trusted : [...vault.trusted, createPublicKey(signingKey)]

/**
 * What the drill before found of the audit chain. Where there are keys, only a signed report says so: whoever can write to
 * the store could otherwise raise what is taken for old.
 */
export const auditBefore = (reports: readonly StoredReport[], keys: readonly KeyObject[]): AuditFigures | null =>
  reports.find(({ report, signature }) => report.auditChain !== null && (keys.length === 0 || signature === 'valid'))
    ?.report.auditChain ?? null

/** Stores the report, under the second of its start, or the next one that is free; nothing is ever written over. */
export const storeReport = async (
  { store, layout }: Vault,
  report: DrillReport,
  key: KeyObject | undefined,
): Promise<ObjectKey> => {
  const text = encodeReport(report, key)
  let startedAt = new Date(report.startedAt)
  for (;;) {
    const reportKey = makeKey(layout, { kind: 'drill', startedAt })
    try {
      await writeText(store, reportKey, text, { ifAbsent: true })
      return reportKey
    } catch (thrown) {
      if (asFault(thrown).code !== 'refused') throw thrown
      startedAt = new Date(startedAt.getTime() + 1000)
    }
  }
}
