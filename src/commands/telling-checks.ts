import { masked } from '../domain/addresses.ts'
import { check, type Check } from '../domain/check.ts'
import { asFault } from '../errors.ts'
import type { ToldContext } from './run-told.ts'
import { findRecipients } from './tell.ts'

/** Would whoever must know hear of it? Logs in to the mail server, and sends nothing. Addresses are shown masked. */
export const tellingChecks = async ({ tell, audit }: ToldContext): Promise<readonly Check[]> => [
  await check('state folder', async () => {
    try {
      await tell.state.check()
      return `${tell.state.path} may be written`
    } catch (thrown) {
      const { message, hint } = asFault(thrown)
      return { state: 'warning', detail: message, ...(hint === undefined ? {} : { hint }) }
    }
  }),
  await check('mail', async () => {
    const { to, leftOut } = await findRecipients(tell)
    const who = `${String(to.length)} recipient(s)${to.length === 0 ? '' : `: ${to.map(masked).join(', ')}`}${
      leftOut === 0 ? '' : `; ${String(leftOut)} left out, for nobody can be reached there`
    }`
    if (tell.post === undefined)
      return {
        state: 'warning',
        detail: `neither SMTP_URL nor RESEND_API_KEY is set: nobody is told by mail. ${who}`,
      }
    const detail = `${await tell.post.check()}; ${who}`
    return to.length === 0 ? { state: 'warning', detail } : detail
  }),
  ...(tell.heartbeat === undefined
    ? []
    : [
        await check('health check', () =>
          Promise.resolve(
            `${tell.heartbeat?.description ?? ''}; it is not called now, for a call would say that a backup runs`,
          ),
        ),
      ]),
  ...(audit === undefined
    ? []
    : [
        await check('audit trail', async () => {
          const hindrance = await audit.hindrance()
          return hindrance === undefined ? 'a row can be added' : { state: 'warning', detail: hindrance }
        }),
      ]),
]
