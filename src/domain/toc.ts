/** What pg_dump says in the comments and statements of a plain dump, beside the SQL. */

/**
 * The entry that a comment announces, such as "INDEX public.users_by_name": of
 * `-- Name: users_by_name; Type: INDEX; Schema: public; Owner: -`. pg_dump writes names in one line there, whatever they
 * hold, and the same name always in the same way. undefined for every other comment.
 */
export const tocEntryOf = (comment: string): string | undefined => {
  const found = /^-- (?:Data for )?Name: (.*); Type: ([^;]*); Schema: (.*?)(?:; Owner: .*)?\r?\n?$/.exec(comment)
  if (found === null) return undefined
  const [, name = '', type = '', schema = ''] = found
  return `${type} ${schema === '-' ? '' : `${schema}.`}${name}`
}

/** "15.18" of `-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)` */
export const serverVersionOf = (comment: string): string | undefined =>
  /^-- Dumped from database version (\d+(?:\.\d+|devel|beta\d+|rc\d+)?)/.exec(comment)?.[1]

const identifier = String.raw`("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)`
const createExtension = new RegExp(
  String.raw`^CREATE EXTENSION IF NOT EXISTS ${identifier} WITH SCHEMA ${identifier};$`,
)

export const extensionOf = (statement: string): { readonly name: string; readonly schema: string } | undefined => {
  const found = createExtension.exec(statement)
  return found === null ? undefined : { name: unquoted(found[1] ?? ''), schema: unquoted(found[2] ?? '') }
}

const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name)
