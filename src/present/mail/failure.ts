import type { FailureFacts } from '../../domain/news.ts'
import { stageText } from '../../domain/stage.ts'
import { formatBytes, formatDuration } from '../../domain/units.ts'
import type { Page, Section, Step } from './page.ts'
import { counted, footerOf, instantText, undeliveredText } from './words.ts'

/** What failed, since when, is there still a good backup and how old, what do I do now. */
export const failurePage = (facts: FailureFacts): Page => {
  const { what, undelivered } = facts
  return {
    ...headings[what],
    tone: 'bad',
    lead: leadOf(facts),
    first: undelivered === null ? [] : [undeliveredText(undelivered)],
    sections: [
      failedSection(facts),
      ...(what === 'backup' ? [sinceSection(facts)] : []),
      lastGoodSection(facts),
      { title: 'What to do now', steps: stepsOf(facts) },
    ],
    footer: footerOf(facts),
  }
}

const headings: Readonly<Record<FailureFacts['what'], Pick<Page, 'subject' | 'title'>>> = {
  backup: { subject: '[OSLRS] CRITICAL: Daily Backup Failed', title: 'The daily backup failed' },
  drill: { subject: '[OSLRS] CRITICAL: Restore Drill Failed', title: 'The restore drill failed' },
  watch: { subject: '[OSLRS] CRITICAL: No Fresh Backup', title: 'There is no fresh backup' },
}

const leadOf = ({ what, attempts, unit, host, environment }: FailureFacts): string => {
  const where = `on ${host} (${environment})`
  switch (what) {
    case 'backup':
      return unit === null
        ? `A backup was asked for by hand ${where}, and none was made.`
        : `No backup was made in ${counted(attempts, 'attempt')} ${where}. It will not be tried again before the next night.`
    case 'drill':
      return `The drill ${where} did not show that a backup can be restored. Until it does, treat it as if none could.`
    case 'watch':
      return `The watch ${where} looked for a backup that is young enough, and found none.`
  }
}

const failedSection = ({ stage, message, all, attempts }: FailureFacts): Section => ({
  title: 'What failed',
  sentences: [message],
  points: all,
  facts: [
    ['While', stage === null ? 'unknown: it ended without a word' : stageText[stage]],
    ['Attempts', String(attempts)],
  ],
})

const sinceSection = ({ failingSince, consecutiveFailures, now }: FailureFacts): Section => ({
  title: 'Since when',
  sentences: [
    failingSince === null
      ? 'This is the first failure that this machine knows of since its last success.'
      : `Since ${instantText(failingSince)}, ${formatDuration(Math.max(0, now.getTime() - failingSince.getTime()))} ago: ${counted(Math.max(1, consecutiveFailures), 'night')} in a row.`,
  ],
})

const lastGoodSection = ({ lastGood, now }: FailureFacts): Section => {
  const title = 'Is there still a good backup?'
  switch (lastGood.known) {
    case 'seen in the store':
    case 'remembered':
      return {
        title,
        sentences: [
          lastGood.known === 'remembered'
            ? 'Probably: this machine made one and remembers it. The store could not be asked just now.'
            : 'Yes. It was seen in the store just now, and its manifest and archive agree.',
        ],
        facts: [
          ['Last good backup', lastGood.key],
          ['From', instantText(lastGood.startedAt)],
          ['Age', formatDuration(Math.max(0, now.getTime() - lastGood.startedAt.getTime()))],
          ['Size', formatBytes(lastGood.sizeBytes)],
        ],
      }
    case 'there is none':
      return { title, sentences: ['NO. The store was asked just now, and holds no complete backup.'] }
    case 'nothing':
      return { title, sentences: ['Nobody knows: the store could not be asked, and this machine remembers none.'] }
  }
}

const stepsOf = ({ what, hint, unit, lastGood }: FailureFacts): Step[] => [
  ...(hint === null ? [] : [{ sentence: hint }]),
  unit === null
    ? {
        sentence: 'It was run by hand. To see more of what happens:',
        command: `oslrs-backup ${commandOf[what]} --verbose`,
      }
    : { sentence: 'See what happened:', command: `journalctl -u ${unit} --since '24 hours ago' --no-pager` },
  ...(what === 'backup'
    ? [
        { sentence: 'Find what is wrong; this changes nothing:', command: 'sudo oslrs-backup run --dry-run' },
        {
          sentence: 'Then take the backup; do not wait for the night:',
          command: unit === null ? 'oslrs-backup run' : `sudo systemctl start ${unit}`,
        },
      ]
    : [{ sentence: 'See what there is:', command: 'oslrs-backup list' }]),
  ...(lastGood.known === 'there is none' || lastGood.known === 'nothing'
    ? [{ sentence: 'Change nothing in the database that you could not do again, until there is a backup.' }]
    : []),
]

const commandOf: Readonly<Record<FailureFacts['what'], string>> = {
  backup: 'run',
  drill: 'verify',
  watch: 'list --max-age 26h',
}
