import type { Ack } from '../domain/ack.ts'
import type { Json } from '../domain/canonical.ts'
import type { Backup } from '../domain/catalog.ts'
import { harmless } from '../domain/harmless.ts'
import type { PromotionPlan } from '../domain/promotion.ts'
import type { Decision, RetentionPlan } from '../domain/retention.ts'
import type { ExitStatus, Fault } from '../errors.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'

/** What promoting and pruning did, or would do: each backup with its reasons. */

export interface PruneView {
  readonly plan: RetentionPlan
  readonly sweep: {
    readonly uploads: readonly { readonly upload: { readonly key: string }; readonly because: string }[]
    readonly records: readonly { readonly key: string; readonly because: string }[]
  }
  readonly dryRun: boolean
  readonly removed: readonly string[]
  readonly faults: readonly { readonly key: string; readonly fault: Fault }[]
}

export interface PromoteView {
  readonly plan: PromotionPlan
  readonly dryRun: boolean
  readonly promoted: readonly { readonly month: string; readonly key: string; readonly from: string }[]
  readonly faults: readonly { readonly month: string; readonly fault: Fault }[]
}

/** The first fault's status; 73 where something is due and held back. */
const statusOf = (faults: readonly { readonly fault: Fault }[], isHeld: boolean): ExitStatus =>
  faults[0]?.fault.exitStatus ?? (isHeld ? 73 : 0)

const faultLines = (
  faults: readonly { readonly fault: Fault }[],
  nameOf: (index: number) => string,
  paint: Paint,
): string[] =>
  faults.map(({ fault }, index) => {
    const hint = fault.hint === undefined ? '' : `\n  → ${fault.hint}`
    return paint.red(`FAILED ${harmless(nameOf(index))}: ${harmless(fault.message + hint)}`)
  })

const faultJson = (fault: Fault): Json => ({ code: fault.code, message: fault.message, hint: fault.hint ?? null })

const count = (number: number, one: string): string => `${String(number)} ${one}${number === 1 ? '' : 's'}`

export const pruneOutcome = (view: PruneView, paint: Paint): Outcome => {
  const { plan, sweep, faults } = view
  const leftOver = [...sweep.records, ...sweep.uploads.map(({ upload, because }) => ({ key: upload.key, because }))]
  const goes = view.dryRun ? 'would go' : 'go'
  const rows = [
    ...plan.remove.map((decision) => [paint.yellow(goes), ...rowOf(decision)]),
    ...plan.keep.map((decision) => ['stay', ...rowOf(decision)]),
  ]
  const held = plan.held.map((why) => paint.red(`Nothing may be removed now: ${harmless(why)}`))
  const going = plan.remove.length + leftOver.length
  const staying = `${count(plan.keep.length, 'backup')} ${plan.keep.length === 1 ? 'stays' : 'stay'}`
  const verdict = view.dryRun
    ? `Would remove ${count(plan.remove.length, 'backup')} and ${count(leftOver.length, 'leftover')}, and keep ${count(plan.keep.length, 'backup')}. Nothing was changed.`
    : going === 0
      ? `Nothing was removed, and ${staying}.`
      : `Removed ${String(going - faults.length)} of the ${String(going)} backups and leftovers that were due, and ${staying}.`
  const thaw = plan.held.some((why) => why.includes('anomaly'))
    ? ['If the loss is meant: oslrs-backup prune --accept-anomaly DATE --reason TEXT']
    : []
  return {
    exitStatus: statusOf(faults, plan.heldBack > 0),
    text: `${[
      ...(rows.length === 0 ? [] : [columns(['', 'TIER', 'DATE', 'STATE', 'BECAUSE'], rows), '']),
      ...leftOver.map(({ key, because }) => paint.yellow(`${goes}: ${harmless(key)} (${because})`)),
      ...faultLines(faults, (index) => faults[index]?.key ?? '', paint),
      ...held,
      verdict,
      ...thaw,
    ].join('\n')}\n`,
    document: {
      dryRun: view.dryRun,
      keep: plan.keep.map(decisionJson),
      remove: plan.remove.map(decisionJson),
      leftOver: leftOver.map(({ key, because }) => ({ key, because: [because] })),
      held: plan.held,
      heldBack: plan.heldBack,
      removed: view.removed,
      faults: faults.map(({ key, fault }) => ({ key, ...(faultJson(fault) as object) })),
    },
  }
}

const rowOf = ({ backup, because }: Decision): string[] => [
  backup.tier,
  backup.period,
  stateOf(backup),
  harmless(because.join('\n')),
]

const stateOf = (backup: Backup): string => (backup.state === 'unverified-older' ? 'older' : backup.state)

const decisionJson = ({ backup, because }: Decision): Json => ({
  key: backup.key,
  tier: backup.tier,
  period: backup.period,
  state: backup.state,
  because,
})

const allThere = 'Every month that has a good backup has its monthly.'
const noneGood = 'There is no good backup, so no month can have its monthly. See what there is: oslrs-backup list'

export const promoteOutcome = (view: PromoteView, paint: Paint): Outcome => {
  const { plan, faults } = view
  const waiting = plan.held.some(({ needsPerson }) => needsPerson)
  const done = view.dryRun
    ? plan.promote.map(({ month, from }) => `Would make the backup of ${from.period} the monthly of ${month}.`)
    : view.promoted.map(({ month, from }) => paint.green(`The monthly of ${month} is made, from ${harmless(from)}.`))
  const told = [
    ...done,
    ...plan.held.map(({ month, why, needsPerson }) =>
      (needsPerson ? paint.red : paint.yellow)(`No monthly of ${month}: ${harmless(why)}.`),
    ),
    ...faultLines(faults, (index) => faults[index]?.month ?? '', paint),
  ]
  const lines = [
    ...(told.length > 0 ? told : [plan.anyGood ? allThere : paint.red(noneGood)]),
    ...(view.dryRun ? ['Nothing was changed.'] : []),
  ]
  return {
    exitStatus: statusOf(faults, waiting),
    text: lines.map((line) => `${line}\n`).join(''),
    document: {
      dryRun: view.dryRun,
      promote: plan.promote.map(({ month, from }) => ({ month, from: from.key })),
      held: plan.held.map(({ month, from, why, needsPerson }) => ({ month, from: from.key, why, needsPerson })),
      anyGood: plan.anyGood,
      promoted: view.promoted.map((one) => ({ ...one })),
      faults: faults.map(({ month, fault }) => ({ month, ...(faultJson(fault) as object) })),
    },
  }
}

/** `ack` undefined: there was nothing to accept. */
export const acceptanceOutcome = (asked: { readonly date: string }, ack: Ack | undefined, paint: Paint): Outcome => ({
  exitStatus: 0,
  text:
    ack === undefined
      ? `The backup of ${asked.date} carries no anomaly, or it is accepted already. Nothing was changed.\n`
      : `${[
          paint.green(`Accepted, for the backup of ${ack.date}:`),
          ...ack.anomalies.map((anomaly) => `  - ${harmless(anomaly)}`),
          ...(ack.backups.length > 1
            ? [
                `With it, as they have lost no more: ${ack.backups
                  .slice(1)
                  .map(({ s3Key }) => harmless(s3Key))
                  .join(', ')}.`,
              ]
            : []),
          'What the policy would now remove: oslrs-backup prune --dry-run',
        ].join('\n')}\n`,
  document: { accepted: ack === undefined ? null : (JSON.parse(JSON.stringify(ack)) as Json) },
})
