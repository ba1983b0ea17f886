import type { MailAddress } from './mail-address.ts'
import { resendServers, type SmtpServer } from './smtp-url.ts'
import type { Values } from './settings.ts'

export interface MailSettings {
  /** Tried in order, until one can be reached. */
  readonly servers: readonly SmtpServer[]
  readonly from: MailAddress
}

/** How mail is sent; undefined where no server is named. SMTP_URL wins over RESEND_API_KEY, which the application has. */
export const mailSettingsOf = (values: Values, faults: string[]): MailSettings | undefined => {
  const { SMTP_URL: server, RESEND_API_KEY: resendKey } = values
  const servers = server !== undefined ? [server] : resendKey !== undefined ? resendServers(resendKey) : []
  if (servers.length === 0) return undefined
  const from = values.EMAIL_FROM ?? applicationsSender(values)
  if (from === undefined) {
    faults.push('EMAIL_FROM is not set (nor EMAIL_FROM_ADDRESS), and a mail must come from somebody')
    return undefined
  }
  return { servers, from }
}

const applicationsSender = ({ EMAIL_FROM_ADDRESS: address, EMAIL_FROM_NAME: name }: Values): MailAddress | undefined =>
  address === undefined ? undefined : { name: name ?? '', address }
