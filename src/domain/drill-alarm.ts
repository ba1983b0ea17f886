import type { DumpContent, Rows } from './content.ts'
import type { ToCompare } from './comparison.ts'
import type { ManifestTable } from './manifest.ts'

/**
 * The alarm test of a drill: the comparison is given what was really found with one thing off, and must say so. A smoke
 * detector that nobody tests is an ornament. `name` says what is off.
 */
export interface Falsified {
  readonly name: string
  readonly input: ToCompare
}

/** An empty database has no rows to falsify; then it is told a table that is not there. */
const phantom: ManifestTable = { name: 'public.oslrs_alarm_test', rows: 1, bytes: 2, sha256: '0'.repeat(64) }

/** One version of the input for each thing that can be off; all else is as it was found. */
export const falsified = (input: ToCompare): readonly Falsified[] => {
  const recorded: readonly ManifestTable[] =
    input.recorded ??
    [...input.archive.tables].map(([name, { rows, bytes, sha256 }]) => ({ name, rows, bytes, sha256 }))
  const [first = phantom, ...others] = recorded
  // Of what is good: where all is red already, nothing more can turn red.
  const firstRestored = [...input.restored.tables].find(
    ([name, { sum }]) => input.archive.tables.get(name)?.sum === sum,
  )
  const firstEntry = [...input.restored.entries].find(
    ([name, digests]) => digests.length > 0 && input.archive.entries.get(name)?.join() === digests.join(),
  )
  return [
    {
      name: 'a count in the manifest',
      input: { ...input, recorded: [{ ...first, rows: first.rows + 1 }, ...others] },
    },
    {
      name: 'a digest in the manifest',
      input: { ...input, recorded: [{ ...first, sha256: turned(first.sha256) }, ...others] },
    },
    ...(firstRestored === undefined
      ? []
      : [{ name: 'a restored value', input: { ...input, restored: withRows(input.restored, ...firstRestored) } }]),
    ...(firstEntry === undefined
      ? []
      : [
          {
            name: 'a restored definition',
            input: { ...input, restored: withEntry(input.restored, firstEntry[0], [turned(firstEntry[1][0] ?? '')]) },
          },
          {
            name: 'a definition that is missing',
            input: { ...input, restored: withEntry(input.restored, firstEntry[0], undefined) },
          },
        ]),
  ]
}

/** What the comparison overlooked; none: the alarm works. */
export const overlooked = (input: ToCompare, compare: (input: ToCompare) => readonly string[]): readonly string[] => {
  const honest = new Set(compare(input))
  return falsified(input).flatMap(({ name, input: off }) =>
    compare(off).some((difference) => !honest.has(difference)) ? [] : [name],
  )
}

/** Another digest: its first digit is another one. */
const turned = (digest: string): string => `${digest.startsWith('0') ? '1' : '0'}${digest.slice(1)}`

const withRows = (content: DumpContent, name: string, rows: Rows): DumpContent => ({
  ...content,
  tables: new Map([...content.tables, [name, { ...rows, sha256: turned(rows.sha256), sum: turned(rows.sum) }]]),
})

const withEntry = (content: DumpContent, entry: string, digests: readonly string[] | undefined): DumpContent => ({
  ...content,
  entries: new Map(
    digests === undefined
      ? [...content.entries].filter(([name]) => name !== entry)
      : [...content.entries, [entry, digests]],
  ),
})
