import { domainToASCII } from 'node:url'

/** Who can be told by mail. Addresses are personal data: logs and checks show them masked. */

/** RFC 2606 and RFC 6761: nobody lives there, and a mail to them comes back. */
const reserved = /(^|\.)(example(\.(com|org|net))?|test|invalid|localhost)$/

/**
 * The address as it is sent to, or undefined where it cannot be delivered: malformed, or of a reserved domain. Quoted
 * local parts, comments and anything that could end a header line are malformed here, though a standard allows some.
 */
export const deliverable = (text: string): string | undefined => {
  const found = /^([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([^\s@]+)$/.exec(text.trim())
  const [, local = '', domain = ''] = found ?? []
  const ascii = domainToASCII(domain).toLowerCase()
  const isDomain = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/.test(ascii)
  return isDomain && local.length <= 64 && ascii.length <= 253 && !reserved.test(ascii)
    ? `${local}@${ascii}`
    : undefined
}

export interface Addressees {
  /** Each once, in order of appearance. */
  readonly to: readonly string[]
  /** How many cannot be delivered. */
  readonly leftOut: number
}

export const addressees = (...lists: readonly (readonly string[])[]): Addressees => {
  const all = [...new Set(lists.flat())]
  const to = new Map<string, string>()
  let leftOut = 0
  for (const text of all) {
    const address = deliverable(text)
    if (address === undefined) leftOut += 1
    // Two spellings that differ in case are one mailbox, whatever the standard says.
    else if (!to.has(address.toLowerCase())) to.set(address.toLowerCase(), address)
  }
  return { to: [...to.values()], leftOut }
}

/** "a…@gmail.com" */
export const masked = (address: string): string => {
  const at = address.lastIndexOf('@')
  return at < 1 ? '…' : `${String.fromCodePoint(address.codePointAt(0) ?? 0)}…${address.slice(at)}`
}
