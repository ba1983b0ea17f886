import type { Bytes } from '../ports.ts'
import { DumpScanner } from './dump-scanner.ts'

/**
 * The statements of a dump of a schema that say who owns what and who may do what with it, in their order, each with its
 * `;`. Where pg_dump lets another role grant, it brackets that with SET SESSION AUTHORIZATION, which is kept.
 */
const saysRights =
  /^(GRANT |REVOKE |ALTER DEFAULT PRIVILEGES |(RE)?SET SESSION AUTHORIZATION|ALTER (?!EVENT TRIGGER )[A-Z ]+ [\s\S]* OWNER TO [^;]*;$)/

export const rightsIn = async (dump: Bytes): Promise<readonly string[]> => {
  const statements: string[] = []
  const ignored = (): void => undefined
  const scanner = new DumpScanner({
    text: (kind, bytes) => {
      const text = kind === 'statement' ? bytes.toString('utf8') : ''
      if (saysRights.test(text)) statements.push(text)
    },
    copyBegins: ignored,
    copyRows: ignored,
    copyEnds: ignored,
  })
  for await (const chunk of dump) scanner.push(chunk)
  scanner.end()
  return statements
}
