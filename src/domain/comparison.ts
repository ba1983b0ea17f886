import type { DumpContent, Rows } from './content.ts'
import type { ManifestTable } from './manifest.ts'

/**
 * The heart of a drill: what was recorded, what the archive holds, and what the restored database holds, against each
 * other. Pure, so that each drill can also show that it turns red; see domain/drill-alarm.ts.
 */
export interface ToCompare {
  /** The manifest's tables; null for backups that recorded none. */
  readonly recorded: readonly ManifestTable[] | null
  readonly archive: DumpContent
  readonly restored: DumpContent
  /**
   * A second, empty restore of the archive's definitions: how the server itself writes them when it reads them back (it
   * puts casts in other places, say). undefined: not made, for it was not needed.
   */
  readonly reread: DumpContent | undefined
}

export interface ComparedTables {
  /** Sentences; none: they are the same. */
  readonly differences: readonly string[]
  /** Tables whose rows are the same and lie in another order. */
  readonly reordered: readonly string[]
}

export interface ComparedDefinitions {
  readonly differences: readonly string[]
  /** What the server writes otherwise when it reads it back. */
  readonly rewritten: readonly string[]
}

/** Every table's rows: the manifest's against the archive's, and the archive's against the restored ones. */
export const compareTables = ({ recorded, archive, restored }: Omit<ToCompare, 'reread'>): ComparedTables => {
  const differences: string[] = []
  const reordered: string[] = []
  for (const wanted of recorded ?? []) {
    const held = archive.tables.get(wanted.name)
    if (held === undefined) differences.push(`${wanted.name}: in the manifest, and not in the archive`)
    else if (held.rows !== wanted.rows)
      differences.push(`${wanted.name}: ${rowsText(held)} in the archive, ${String(wanted.rows)} by the manifest`)
    else if (held.sha256 !== wanted.sha256 || held.bytes !== wanted.bytes)
      differences.push(`${wanted.name}: the archive's rows are not the ones in the manifest`)
  }
  const known = recorded === null ? undefined : new Set(recorded.map(({ name }) => name))
  for (const [name, held] of archive.tables) {
    if (known?.has(name) === false) differences.push(`${name}: in the archive, and not in the manifest`)
    const found = restored.tables.get(name)
    if (found === undefined) differences.push(`${name}: missing in the restored database`)
    else if (found.rows !== held.rows)
      differences.push(`${name}: ${rowsText(found)} restored, ${String(held.rows)} in the archive`)
    else if (found.sha256 !== held.sha256) {
      if (sameRows(found, held)) reordered.push(name)
      else differences.push(`${name}: the restored rows are not the archive's`)
    }
  }
  for (const name of restored.tables.keys())
    if (!archive.tables.has(name)) differences.push(`${name}: restored, and not in the archive`)
  return { differences, reordered }
}

const rowsText = ({ rows }: Rows): string => `${String(rows)} ${rows === 1 ? 'row' : 'rows'}`
const sameRows = (a: Rows, b: Rows): boolean =>
  a.sum === b.sum && a.bytes === b.bytes && a.columns.join() === b.columns.join()

/**
 * Everything but rows: definitions, indexes, constraints, where sequences stand, functions, triggers, policies, comments,
 * large objects. Objects may come in another order; a text that is another one must be what a second restore shows, too.
 */
export const compareDefinitions = (input: Omit<ToCompare, 'recorded'>): ComparedDefinitions => {
  const { archive, restored, reread } = input
  const differences: string[] = []
  const rewritten: string[] = []
  for (const [entry, digests] of archive.entries) {
    const found = restored.entries.get(entry)
    if (found === undefined) differences.push(`${entry}: missing in the restored database`)
    else if (found.length !== digests.length)
      differences.push(
        `${entry}: ${String(found.length)} in the restored database, ${String(digests.length)} in the archive`,
      )
    else if (same(found, digests)) continue
    else if (same(found, reread?.entries.get(entry) ?? [])) rewritten.push(entry)
    else differences.push(`${entry}: not as the archive defines it`)
  }
  for (const entry of restored.entries.keys())
    if (!archive.entries.has(entry)) differences.push(`${entry}: in the restored database, and not in the archive`)
  return { differences, rewritten }
}

/** All differences: what the alarm test asks for. */
export const differencesOf = (input: ToCompare): readonly string[] => [
  ...compareTables(input).differences,
  ...compareDefinitions(input).differences,
]

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((digest, index) => digest === b[index])

/**
 * Tables of which both sides hold the same columns in another order (a column added to a parent comes before the child's
 * own ones in a restore): their rows must be read once more, in the archive's order, before they can be compared.
 */
export const columnsMoved = (archive: DumpContent, restored: DumpContent): readonly string[] =>
  [...archive.tables].flatMap(([name, held]) => {
    const found = restored.tables.get(name)
    const moved =
      found !== undefined &&
      found.columns.join() !== held.columns.join() &&
      found.columns.toSorted().join() === held.columns.toSorted().join()
    return moved ? [name] : []
  })
