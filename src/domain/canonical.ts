/** Anything JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/**
 * The canonical text of a JSON document, over which it is signed: exactly what `jq -cjS .` prints (jq 1.6), so that jq
 * and openssl alone can check a signature. Keys sorted, no white space, UTF-8; control characters and DEL escaped.
 *
 * Numbers must be safe integers, and texts whole: jq prints others in its own way. Throws RangeError otherwise, so a
 * document that cannot be checked by others is never signed and never passes.
 */
export const canonicalText = (value: Json): string => {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw new RangeError('not a safe integer')
    return String(value)
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new RangeError('half a surrogate pair')
    return JSON.stringify(value).replaceAll('\u007f', '\\u007f')
  }
  if (value === null || typeof value === 'boolean') return String(value)
  if (isList(value)) return `[${value.map(canonicalText).join(',')}]`
  const members = Object.entries(value).toSorted(([a], [b]) => compareByCodePoint(a, b))
  return `{${members.map(([name, member]) => `${canonicalText(name)}:${canonicalText(member)}`).join(',')}}`
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)

// jq sorts by code point, JavaScript by UTF-16 unit; they differ for characters beyond U+FFFF.
const compareByCodePoint = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
