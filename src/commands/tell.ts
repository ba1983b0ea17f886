import { addressees, masked } from '../domain/addresses.ts'
import type { News, Sender } from '../domain/news.ts'
import { mailSent, type MailRecord } from '../domain/status.ts'
import { asFault } from '../errors.ts'
import type { TellContext } from './tell-context.ts'

/** Telling people. Nothing here throws: what became of a backup does not depend on who hears of it. */

export interface Recipients {
  readonly to: readonly string[]
  /** Addresses that cannot be delivered. */
  readonly leftOut: number
  /** The administrators as the database names them; undefined where it was not asked in vain. */
  readonly administrators: readonly string[] | undefined
}

/**
 * The administrators and BACKUP_ALERT_EMAILS. When the database does not answer, or has no such tables, the administrators
 * are those that the last success has stored. `database`: where to read them instead, on the same server.
 */
export const findRecipients = async (ctx: TellContext, database?: string): Promise<Recipients> => {
  const administrators = await ctx.people?.superAdmins(database).catch((thrown: unknown) => {
    ctx.journal.info(`Who must know is taken from the last success: ${asFault(thrown).message}`)
    return undefined
  })
  const known = administrators ?? (await ctx.state.read()).recipients
  return { ...addressees(known, ctx.furtherAddresses), administrators }
}

export const senderOf = (ctx: TellContext): Sender => ({
  host: ctx.host,
  environment: ctx.environment,
  toolVersion: ctx.toolVersion,
  standing: ctx.standing,
  now: ctx.clock.now(),
})

/** Sends a mail to each, logs and remembers what became of it. undefined: nobody was to be told, or there is no way. */
export const sendNews = async (
  ctx: TellContext,
  news: News,
  { to, leftOut }: Recipients,
): Promise<MailRecord | undefined> => {
  const { post, journal } = ctx
  if (post === undefined) {
    journal.info('Nobody is told by mail: neither SMTP_URL nor RESEND_API_KEY is set.')
    return undefined
  }
  if (to.length === 0) {
    journal.warn('Nobody is told by mail: there is no address that can be delivered.', { left_out: leftOut })
    return undefined
  }
  const { subject, deliveries } = await post.send(news, to)
  const refused = deliveries.flatMap(({ address, fault }) =>
    fault === undefined ? [] : [`${masked(address)}: ${fault}`],
  )
  const accepted = deliveries.length - refused.length
  for (const sentence of refused) journal.warn(`A mail was not delivered to ${sentence}`)
  journal.info(`The mail was accepted for ${String(accepted)} of ${String(to.length)}.`, {
    accepted,
    refused: refused.length,
    left_out: leftOut,
  })
  const record = { at: ctx.clock.now().toISOString(), subject, accepted, refused }
  await ctx.state.update((status) =>
    mailSent(
      status,
      record,
      news.kind === 'failure' && news.facts.what === 'backup' ? 'a failed backup' : 'something else',
    ),
  )
  return record
}

/** Beats, and says in the log when nobody heard it. */
export const beat = async (ctx: TellContext, sign: 'start' | 'success' | 'fail', words: string): Promise<void> => {
  const fault = await ctx.heartbeat?.beat(sign, words)
  if (fault !== undefined) ctx.journal.warn(`The health check was not told: ${fault}`)
}
