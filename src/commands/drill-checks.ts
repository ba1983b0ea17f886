import { overlooked } from '../domain/drill-alarm.ts'
import { applicationRoles } from '../domain/application.ts'
import { coversItself, judgeAudit, type AuditFigures } from '../domain/audit-check.ts'
import type { Check } from '../domain/check.ts'
import { compareDefinitions, compareTables, differencesOf, type ToCompare } from '../domain/comparison.ts'
import type { Manifest } from '../domain/manifest.ts'
import { formatCount } from '../domain/units.ts'
import type { AuditChainTail } from '../ports.ts'
import type { RestoredContents } from '../ports/drill.ts'

/** The checks of a drill on what was restored, each with its figure. */

const red = 65
const sayAtMost = 20

/** A failed check for what was found, or an `ok` one with its figure. */
const judged = (name: string, differences: readonly string[], figure: string): Check =>
  differences.length === 0
    ? { name, state: 'ok', detail: figure }
    : { name, state: 'failed', detail: listed(differences), exitStatus: red }

const listed = (sentences: readonly string[]): string => {
  const rest = sentences.length - sayAtMost
  return [
    ...sentences.slice(0, sayAtMost).map((sentence) => `- ${sentence}`),
    ...(rest > 0 ? [`- and ${formatCount(rest)} more`] : []),
  ].join('\n')
}

/** Which check tells of an entry of pg_dump's: each begins with its type. */
const isSequence = (entry: string): boolean => entry.startsWith('SEQUENCE SET ')
const isLargeObject = (entry: string): boolean =>
  /^(BLOBS?|BLOB METADATA|LARGE OBJECTS?|COMMENT LARGE OBJECT .*) /.test(entry)

export const comparisonChecks = (
  input: ToCompare,
  largeObjects: { readonly archive: number; readonly restored: number },
): Check[] => {
  const { tables, entries } = input.restored
  const { differences: ofTables, reordered } = compareTables(input)
  const { differences, rewritten } = compareDefinitions(input)
  const rows = [...tables.values()].reduce((sum, table) => sum + table.rows, 0)
  const sequences = [...entries.keys()].filter(isSequence).length
  const definitions = [...entries.keys()].filter((entry) => !isSequence(entry) && !isLargeObject(entry)).length
  const inOrder = `${formatCount(tables.size - reordered.length)} with the same digest`
  const inOther = reordered.length > 0 ? `, ${formatCount(reordered.length)} with the same rows in another order` : ''
  const otherwise =
    rewritten.length > 0
      ? `; ${formatCount(rewritten.length)} of them the server writes otherwise, as a second restore shows`
      : ''
  const objects =
    largeObjects.archive === largeObjects.restored
      ? []
      : [`${formatCount(largeObjects.restored)} restored, ${formatCount(largeObjects.archive)} in the archive`]
  return [
    judged(
      'tables',
      ofTables,
      `${formatCount(tables.size)} with ${formatCount(rows)} rows, measured again: ${inOrder}${inOther}`,
    ),
    judged(
      'definitions',
      differences.filter((one) => !isSequence(one) && !isLargeObject(one)),
      `${formatCount(definitions)} as in the archive${otherwise}`,
    ),
    judged('sequences', differences.filter(isSequence), `${formatCount(sequences)} stand where they stood`),
    judged(
      'large objects',
      [...objects, ...differences.filter(isLargeObject)],
      `${formatCount(largeObjects.restored)}, with the same content`,
    ),
  ]
}

/** The drill's own alarm test: what does not turn red for what is wrong cannot vouch for what is right. */
export const alarmCheck = (
  input: ToCompare,
  compare: (input: ToCompare) => readonly string[] = differencesOf,
): Check => {
  const missed = overlooked(input, compare)
  return missed.length === 0
    ? {
        name: 'alarm',
        state: 'ok',
        detail: 'the comparison turned red for a count and a digest that were off, and for a value and a definition',
      }
    : {
        name: 'alarm',
        state: 'failed',
        detail: `the comparison overlooked what was put there for it to find: ${missed.join(', ')}`,
        hint: 'This is a fault of oslrs-backup, and its drills prove nothing: please report it.',
        exitStatus: red,
      }
}

export interface CheckedAudit {
  readonly check: Check
  readonly figures: AuditFigures | null
}

export const auditCheck = async (
  contents: RestoredContents,
  tail: AuditChainTail | null,
  recorded: Manifest['auditChain'],
  before: AuditFigures | null,
): Promise<CheckedAudit> => {
  const name = 'audit chain'
  const links = tail === null ? null : await contents.auditLinks()
  if (links === null || tail === null) {
    const check: Check =
      recorded === null
        ? { name, state: 'warning', detail: 'there is none in this database' }
        : { name, state: 'failed', detail: 'the manifest records one, and it is not there', exitStatus: red }
    return { check, figures: null }
  }
  let rows = 0
  let selfHashFailures = 0
  await contents.forEachAuditRow((row) => {
    rows += 1
    if (!coversItself(row)) selfHashFailures += 1
  })
  const figures = { rows, tailHash: tail.tailHash, selfHashFailures, ...links }
  const { state, sentences } = judgeAudit(figures, recorded, before)
  const figure = `${formatCount(rows)} rows, ${formatCount(selfHashFailures)} altered; ${formatCount(links.forks)} forks, ${formatCount(links.gaps)} gaps${before === null ? '' : ` (${formatCount(before.forks)} and ${formatCount(before.gaps)} at the drill before)`}`
  return {
    check: {
      name,
      state,
      detail: sentences.length === 0 ? figure : `${figure}\n${listed(sentences)}`,
      ...(state === 'failed' ? { exitStatus: red } : {}),
    },
    figures,
  }
}

export const rolesCheck = async (contents: RestoredContents): Promise<Check> => {
  const name = 'roles'
  const found = await contents.roleNames()
  if (found === null) return { name, state: 'warning', detail: 'there is no table public.roles in this database' }
  const missing = applicationRoles.filter((role) => !found.includes(role))
  return judged(
    name,
    missing.map((role) => `the application's role ${role} is missing`),
    `all ${String(applicationRoles.length)} of the application's are there`,
  )
}
