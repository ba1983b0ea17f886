import type { SmtpOptions } from '../../support/smtp.ts'
import { allMeet, told, type Command, type PlannedFault } from './plan.ts'

/** What those can do who are told of a night or a drill: the mail server, and the dead-man's switch. */
export interface TellingStrike {
  readonly mail?: 'down' | 'mute' | SmtpOptions
  readonly ping?: 'down' | 'mute' | 500
}
type TellingFault = PlannedFault<TellingStrike>

const telling: readonly Command[] = ['run', 'verify']
/** The backup is there and the drill was passed: neither fails for want of somebody to hear of it. */
const of = (name: string, strike: TellingStrike, says: string | RegExp): TellingFault => ({
  name,
  strike,
  met: allMeet(strike.ping === undefined ? telling : ['run'], told(0, says, '')),
})

const mail = (why: string): RegExp =>
  new RegExp(`A mail was not delivered to o…@oyo\\.ng: .*${why}[^]*accepted for 0 of 1`)

export const tellingFaults: readonly TellingFault[] = [
  of('no mail server is there', { mail: 'down' }, mail('connection refused')),
  { ...of('the mail server says nothing', { mail: 'mute' }, mail('no answer in time')), isSlow: true },
  {
    ...of(
      'the mail server takes a mail and does not acknowledge it',
      { mail: { hangsAfterData: true } },
      mail('no answer'),
    ),
    isSlow: true,
  },
  of('the mail server refuses the mail', { mail: { refusesMessage: true } }, mail('the message was refused')),
  of('the mail server refuses every address', { mail: { refusesTo: () => true } }, mail('the address was refused')),
  of('the mail server wants a login', { mail: { login: { user: 'a', password: 'b' } } }, mail('authentication')),
  of("the dead-man's switch is down", { ping: 'down' }, 'The health check was not told: '),
  { ...of("the dead-man's switch says nothing", { ping: 'mute' }, 'The health check was not told: '), isSlow: true },
  of("the dead-man's switch answers 500", { ping: 500 }, /The health check was not told: \S+ answered with 500/),
]
