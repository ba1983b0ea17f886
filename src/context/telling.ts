import { hostname } from 'node:os'
import { systemClock } from '../adapters/clock.ts'
import { heartbeat } from '../adapters/heartbeat.ts'
import { newSessionName } from '../adapters/postgres/database.ts'
import { postgresPeople } from '../adapters/postgres/people.ts'
import { smtpPost } from '../adapters/smtp.ts'
import type { TellContext } from '../commands/tell-context.ts'
import type { Vault } from '../commands/vault.ts'
import type { Config } from '../config/load.ts'
import type { MailSettings } from '../config/mail.ts'
import type { PostgresTarget } from '../config/postgres-url.ts'
import type { Edge } from '../edge.ts'
import type { Journal } from '../ports.ts'
import { mailOf } from '../present/mail/mail.ts'
import { redact } from '../secret.ts'
import { stateOf } from './state.ts'
import packageJson from '../../package.json' with { type: 'json' }

export interface Tellers {
  readonly journal: Journal
  /** Where the administrators are read from; undefined where there is no database. */
  readonly target: PostgresTarget | undefined
  readonly mail: MailSettings | undefined
  readonly vault: Vault | undefined
  readonly standing: readonly string[]
}

export const tellContextOf = (
  edge: Edge,
  config: Config,
  { journal, target, mail, vault, standing }: Tellers,
): TellContext => ({
  journal,
  clock: systemClock,
  state: stateOf(config, journal),
  people: target === undefined ? undefined : postgresPeople(target, newSessionName(), edge.stop),
  furtherAddresses: config.values.BACKUP_ALERT_EMAILS ?? [],
  post: mail === undefined ? undefined : smtpPost(mail, mailOf),
  heartbeat: config.values.HEALTHCHECK_URL === undefined ? undefined : heartbeat(config.values.HEALTHCHECK_URL),
  vault,
  host: hostname(),
  environment: config.values.BACKUP_ENVIRONMENT ?? 'production',
  toolVersion: packageJson.version,
  standing,
  redact: (text) => redact(text, config.secrets),
})
