import { deliverable } from '../domain/addresses.ts'

export interface MailAddress {
  readonly name: string
  readonly address: string
}

/** `address`, or `Name <address>`; a sentence where it is neither. */
export const parseSender = (text: string): MailAddress | string => {
  const found = /^(?:"?(?<name>[^"<>\r\n]*?)"?\s*<(?<inner>[^<>]*)>|(?<bare>[^<>"\s]*))$/.exec(text.trim())?.groups
  const address = deliverable(found?.['inner'] ?? found?.['bare'] ?? '')
  return address === undefined
    ? 'must be an address that exists, as backup@oyo.gov.ng or OSLRS Backup <backup@oyo.gov.ng>'
    : { name: found?.['name'] ?? '', address }
}
