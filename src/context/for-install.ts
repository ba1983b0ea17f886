import { envTemplate, knownAmong } from '../config/env-template.ts'
import { isSettingName, readForeignEnvFile, standardEnvFile } from '../config/load.ts'
import { settings } from '../config/settings.ts'
import type { Edge } from '../edge.ts'
import { Fault } from '../errors.ts'
import type { CommonOptions, Opened } from './parts.ts'

/** What install.sh asks of the configuration. */

/** The text of a configuration file. `given` are `NAME=value`; what stands in the file `from` wins over them. */
export const openTemplate = (
  edge: Edge,
  from: string | undefined,
  given: readonly string[],
): Promise<Opened<string>> => {
  const known = new Map(
    given.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const),
  )
  const unknown = [...known.keys()].find((name) => !isSettingName(name))
  if (unknown !== undefined) throw noSuchName(unknown)
  const taken = from === undefined ? {} : knownAmong(readForeignEnvFile(from))
  if (from !== undefined)
    edge.stderr.write(
      `Taken over from ${from}: ${Object.keys(taken).join(', ') || 'nothing, for it sets none of our names'}\n`,
    )
  return Promise.resolve({ context: envTemplate({ ...knownAmong(known), ...taken }), secrets: [] })
}

/** What the configuration file says of one name, unjudged; empty: nothing. */
export const openValue = (options: CommonOptions, name: string): Promise<Opened<string>> => {
  if (!isSettingName(name)) throw noSuchName(name)
  if (settings[name].secret)
    throw new Fault('usage', `${name} is a secret, and is not printed.`, { hint: 'Read the file itself.' })
  const values = readForeignEnvFile(options.envFile ?? standardEnvFile)
  return Promise.resolve({ context: values.get(name)?.trim() ?? '', secrets: [] })
}

const noSuchName = (name: string): Fault =>
  new Fault('usage', `${name} is not a name of the configuration.`, {
    hint: 'README.md, "Configuration", lists them.',
  })
