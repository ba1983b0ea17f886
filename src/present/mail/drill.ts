import type { Check } from '../../domain/check.ts'
import type { DrillFacts } from '../../domain/news.ts'
import { formatBytes, formatDuration } from '../../domain/units.ts'
import type { Page, Section } from './page.ts'
import { footerOf, instantText } from './words.ts'

/** The recovery time objective: a registry is back within the hour. */
const rtoMs = 3_600_000

const mark: Readonly<Record<Check['state'], string>> = { ok: 'ok', warning: 'note', failed: 'FAILED' }

export const drillPage = (facts: DrillFacts): Page => {
  const { passed, checks, notes } = facts
  const failed = checks.filter(({ state }) => state === 'failed')
  return {
    subject: passed ? '[OSLRS] Restore Drill Passed' : '[OSLRS] CRITICAL: Restore Drill Failed',
    tone: passed ? (notes.length > 0 ? 'attention' : 'good') : 'bad',
    title: passed ? 'The restore drill passed' : 'The restore drill failed',
    lead: facts.verdict,
    first: [...failed.map(({ name, detail }) => `${name}: ${detail}`), ...notes],
    sections: sectionsOf(facts, failed),
    footer: footerOf(facts),
  }
}

const sectionsOf = (facts: DrillFacts, failed: readonly Check[]): readonly Section[] => {
  const { passed, backup, startedAt, now, checks, durations, restoredInMs, reportKey } = facts
  const all: readonly Section[] = [
    {
      title: 'The drill',
      facts: [
        ['Backup', backup === null ? 'none could be chosen' : backup.key],
        ...(backup === null
          ? []
          : ([
              [
                'Its state',
                `${instantText(backup.startedAt)}, ${formatDuration(startedAt.getTime() - backup.startedAt.getTime())} before the drill`,
              ],
              ['Its size', formatBytes(backup.sizeBytes)],
            ] as const)),
        ['Started', instantText(startedAt)],
        ['Ended', instantText(now)],
        [
          'Restored in',
          restoredInMs === null
            ? 'it did not get there'
            : `${formatDuration(restoredInMs)}, ${restoredInMs <= rtoMs ? 'within' : 'NOT within'} the hour that a restore may take`,
        ],
        ['Report', reportKey ?? 'could not be written to the store'],
      ],
    },
    { title: 'Checks', facts: checks.map(({ name, state, detail }) => [`${mark[state]}: ${name}`, detail] as const) },
    {
      title: 'Where the time went',
      facts: durations.map(({ stage, ms }) => [stage, formatDuration(ms)] as const),
    },
    ...(passed
      ? []
      : [
          {
            title: 'What to do now',
            steps: [
              { sentence: 'Treat backups as if none could be restored, until a drill has passed.' },
              ...failed.flatMap(({ hint }) => (hint === undefined ? [] : [{ sentence: hint }])),
              { sentence: 'Try another backup:', command: 'oslrs-backup verify --date YYYY-MM-DD' },
              { sentence: 'See what there is:', command: 'oslrs-backup list' },
            ],
          },
        ]),
  ]
  return all.filter(({ facts: shown, steps }) => (shown ?? steps ?? []).length > 0)
}
