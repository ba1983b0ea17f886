import { alarmOf, kindOfUnit } from '../domain/alarm.ts'
import { Fault } from '../errors.ts'
import type { ServiceManager } from '../ports/service-manager.ts'
import { reportFailure } from './report-failure.ts'
import type { TellContext } from './tell-context.ts'

export interface AlertContext {
  readonly manager: ServiceManager
  readonly tell: TellContext
}

export interface AlertResult {
  /** In a sentence: who was told, or why nobody. */
  readonly sentence: string
  readonly accepted: number
}

/**
 * A unit has failed: people are told, unless another attempt comes, or they know already. Throws `mail-failed`, which is
 * worth retrying, where a mail was to be sent and nobody's was accepted, and `configuration` where nobody can be told.
 */
export const alert = async ({ manager, tell }: AlertContext, unit: string): Promise<AlertResult> => {
  const what = kindOfUnit(unit)
  if (what === undefined)
    throw new Fault('usage', `${unit} is no unit that people are alerted about.`, {
      hint: 'The units call it: systemctl cat oslrs-backup',
    })
  const alarm = alarmOf(what, await manager.stateOf(unit), await tell.state.read(), tell.clock.now())
  if (!alarm.tell) return { sentence: alarm.why, accepted: 0 }

  const { accepted, refused } = await reportFailure(tell, { ...alarm, unit })
  if (accepted > 0)
    return { sentence: `${String(accepted)} of ${String(accepted + refused.length)} mails were accepted.`, accepted }
  if (refused.length > 0)
    throw new Fault('mail-failed', 'No mail about the failure was accepted.', {
      all: refused,
      hint: 'It is tried again in a while. To see whether mail can be sent: sudo oslrs-backup run --dry-run',
    })
  if (tell.heartbeat !== undefined) return { sentence: 'No mail can be sent; the health check was asked.', accepted }
  throw new Fault('configuration', `${unit} has failed, and there is no way to tell anybody.`, {
    hint: 'Set SMTP_URL or RESEND_API_KEY, and BACKUP_ALERT_EMAILS; or HEALTHCHECK_URL.',
  })
}
