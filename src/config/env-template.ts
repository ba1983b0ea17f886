import { settings, type Setting, type SettingName } from './settings.ts'

/** What install.sh makes of the application's own file and of what it knows itself: a value by its name. */
export type KnownValues = Readonly<Partial<Record<SettingName, string>>>

const names = Object.keys(settings) as SettingName[]

/** The names of ours among those of another file, in our order; what is empty there is not set. */
export const knownAmong = (values: ReadonlyMap<string, string>): KnownValues =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = values.get(name)
      return value === undefined || value.trim() === '' ? [] : [[name, value]]
    }),
  )

const head = `# The configuration of oslrs-backup, for the units and for the command line. The rules are those of EnvironmentFile= in
# systemd.exec(5): NAME=value; a value with spaces or quotes in it, or with # at its start, in quotes. A line that
# begins with # does not hold; what stands in it holds where nothing is set.
# Is all well? sudo oslrs-backup run --dry-run
`

/** A configuration file in which every name is explained, and those that are known have their values. */
export const envTemplate = (known: KnownValues): string =>
  [head, ...names.map((name) => entry(name, settings[name], known[name]))].join('\n')

const entry = (name: string, { about, secret, standard }: Setting<unknown>, value: string | undefined): string => {
  const words = [
    about.replaceAll('`', ''),
    ...(secret ? [`Secret: also ${name}_FILE=/path, or a systemd credential ${name}.`] : []),
  ].join(' ')
  const line = value === undefined ? `#${name}=${quoted(standard ?? '')}` : `${name}=${quoted(value)}`
  return `${wrapped(words)
    .map((text) => `# ${text}\n`)
    .join('')}${line}\n`
}

/** Reads as the value itself by the rules of the file; see env-file.ts. */
export const quoted = (value: string): string => {
  if (/^[\w.:/@%+=,-]*$/.test(value)) return value
  return value.includes("'") ? `"${value.replaceAll(/["\\$`]/g, String.raw`\$&`)}"` : `'${value}'`
}

const widest = 118

const wrapped = (words: string): string[] => {
  const lines: string[] = []
  for (const word of words.split(' ')) {
    const line = lines.at(-1)
    if (line === undefined || line.length + 1 + word.length > widest) lines.push(word)
    else lines[lines.length - 1] = `${line} ${word}`
  }
  return lines
}
