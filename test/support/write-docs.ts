import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { settings, type Setting } from '../../src/config/settings.ts'
import { exitStatuses } from '../../src/errors.ts'

/** `npm run docs`: makes the README's tables from the code, so that they cannot disagree. */
export const readmePath = join(import.meta.dirname, '../../README.md')

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const configuration = (): string =>
  table(
    ['Name', 'Standard', 'Meaning'],
    Object.entries(settings as Record<string, Setting<unknown>>).map(([name, setting]) => [
      `\`${name}\``,
      setting.standard === undefined ? '' : `\`${setting.standard}\``,
      [setting.about, ...(setting.secret ? [`Secret: also \`${name}_FILE\`, or a systemd credential.`] : [])].join(' '),
    ]),
  )

const statuses = (): string =>
  table(
    ['Status', 'Meaning'],
    exitStatuses.map(({ status, meaning }) => [String(status), meaning]),
  )

const withPart = (text: string, name: string, part: string): string =>
  text.replace(
    new RegExp(`(<!-- begin: ${name} -->\n)[^]*?(<!-- end: ${name} -->)`),
    (_all, begin: string, end: string) => `${begin}${part}\n${end}`,
  )

export const withGeneratedParts = (readme: string): string =>
  withPart(withPart(readme, 'configuration', configuration()), 'exit statuses', statuses())

if (process.argv[1] === import.meta.filename)
  writeFileSync(readmePath, withGeneratedParts(readFileSync(readmePath, 'utf8')))
