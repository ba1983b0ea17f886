/** A table's SQL name, `public.users` or `"Odd Schema"."ta.ble"`, as pg_dump writes it and the manifest states it. */

const identifier = String.raw`(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)`
/** One qualified name from the beginning of a text. */
export const qualifiedName = new RegExp(String.raw`^(${identifier})\.(${identifier})`)
const whole = new RegExp(`${qualifiedName.source}$`)

const unquote = (part: string): string => (part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part)
const quote = (part: string): string => `"${part.replaceAll('"', '""')}"`

/** undefined when the text is anything but one qualified name; such a text must not get into SQL. */
export const parseTableName = (text: string): { schema: string; table: string } | undefined => {
  const found = whole.exec(text)
  return found?.[1] === undefined || found[2] === undefined || text.includes('\0')
    ? undefined
    : { schema: unquote(found[1]), table: unquote(found[2]) }
}

/** Safe in SQL whatever the name holds. */
export const quoteTableName = (name: { readonly schema: string; readonly table: string }): string =>
  `${quote(name.schema)}.${quote(name.table)}`

const simple = /^[a-z_][a-z0-9_$]*$/
/** For people and manifests: quoted only where the name needs it. `parseTableName` reads it back; not for use in SQL. */
export const tableNameText = (name: { readonly schema: string; readonly table: string }): string =>
  [name.schema, name.table].map((part) => (simple.test(part) ? part : quote(part))).join('.')

/** An entry of BACKUP_KEY_TABLES: unqualified means `public`. undefined when it is no name. */
export const parseKeyTable = (entry: string): { schema: string; table: string } | undefined =>
  parseTableName(entry) ?? parseTableName(`public.${entry}`)
