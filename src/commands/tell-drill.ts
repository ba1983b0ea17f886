import type { Check } from '../domain/check.ts'
import type { DrillReport } from '../domain/drill-report.ts'
import { drillDone } from '../domain/status.ts'
import { findRecipients, sendNews, senderOf } from './tell.ts'
import type { TellContext } from './tell-context.ts'

/** Telling of a drill. As all telling, it never throws: the drill's verdict stands in its report. */

export interface ToldDrill {
  readonly report: DrillReport
  readonly reportKey: string | null
  readonly after: readonly Check[]
  readonly passedOver: readonly Check[]
}

/** A drill whose report nobody can read, or that was of an older backup than there should be, is none that has passed. */
const hasPassed = ({ report, after, passedOver }: ToldDrill): boolean =>
  report.verdict === 'green' && after.length === 0 && passedOver.length === 0

/** For the dashboard and the metrics. Of several drills the first that did not pass counts. */
export const rememberDrill = async (tell: TellContext, drills: readonly ToldDrill[]): Promise<void> => {
  const told = drills.find((one) => !hasPassed(one)) ?? drills.at(-1)
  if (told === undefined) return
  const { report } = told
  await tell.state.update((status) =>
    drillDone(status, {
      at: report.startedAt,
      passed: hasPassed(told),
      key: report.backup.key,
      sentence: report.sentence,
    }),
  )
}

/** To the administrators by the database that is backed up; where there is none here, by the one that was restored. */
export const mailDrill = async (
  tell: TellContext,
  told: ToldDrill & { readonly administrators: readonly string[] | undefined },
): Promise<void> => {
  const { report, administrators } = told
  const restored = administrators === undefined ? undefined : { superAdmins: () => Promise.resolve(administrators) }
  const recipients = await findRecipients({ ...tell, people: tell.people ?? restored })
  const { startedAt, sizeBytes } = report.backup
  await sendNews(
    tell,
    {
      kind: 'drill',
      facts: {
        ...senderOf(tell),
        startedAt: new Date(report.startedAt),
        backup:
          startedAt === null || sizeBytes === null
            ? null
            : { key: report.backup.key, startedAt: new Date(startedAt), sizeBytes },
        passed: hasPassed(told),
        verdict: report.sentence,
        checks: [
          ...report.checks.map(({ hint, ...one }): Check => (hint === null ? one : { ...one, hint })),
          ...told.after,
          ...told.passedOver,
        ],
        durations: report.stages.map(({ name, durationMs }) => ({ stage: name, ms: durationMs })),
        restoredInMs: report.recovery?.durationMs ?? null,
        reportKey: told.reportKey,
        notes: report.notContained.map((missing) => `Not in a backup: ${missing}.`),
      },
    },
    recipients,
  )
}
