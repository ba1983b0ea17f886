import { execa } from 'execa'
import { query, urlOf } from '../support/postgres.ts'
import type { Contender } from './contenders.ts'
import { countRows } from './database.ts'

export interface Restored {
  readonly contender: string
  readonly rows: number
  readonly seconds: number
}

/**
 * What the contender left behind is restored with age, gunzip and psql alone, into a new database, and its rows are
 * counted. Throws where they are not those of the source.
 */
export const restoreAndCompare = async (
  port: number,
  contender: Contender,
  expected: Readonly<Record<string, number>>,
): Promise<Restored | undefined> => {
  const archive = await contender.archive()
  if (archive === undefined) return undefined
  const name = 'restored'
  const maintenance = urlOf(port, 'postgres')
  await query(maintenance, `CREATE DATABASE ${name}`)
  try {
    const since = performance.now()
    const psql = `psql -X -q -o /dev/null -v ON_ERROR_STOP=1 ${urlOf(port, name)}`
    await execa('bash', ['-c', `set -eo pipefail; ${archive.open} | ${psql}`, 'bench', archive.path], {
      stdin: 'ignore',
    })
    const seconds = (performance.now() - since) / 1000
    const found = await countRows(urlOf(port, name))
    if (JSON.stringify(found) !== JSON.stringify(expected))
      throw new Error(
        `The archive of "${contender.name}" restores to ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`,
      )
    return { contender: contender.id, rows: Object.values(found).reduce((sum, rows) => sum + rows, 0), seconds }
  } finally {
    await query(maintenance, `DROP DATABASE ${name}`)
  }
}
