import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseEnvFile } from '../../src/config/env-file.ts'
import { envTemplate, knownAmong, quoted } from '../../src/config/env-template.ts'
import { settings } from '../../src/config/settings.ts'

const names = Object.keys(settings)

describe('the configuration that install.sh makes', () => {
  test('explains every name, and sets none unasked', () => {
    const text = envTemplate({})
    for (const name of names) expect(text).toMatch(new RegExp(`^(# .*\n)+#${name}=`, 'm'))
    expect(parseEnvFile(text)).toEqual({ values: new Map(), faultyLines: [] })
    expect(text.split('\n').filter((line) => line.length > 120)).toEqual([])
  })

  test('shows what holds where nothing is set: with the # taken away, each line is good', () => {
    const { values } = parseEnvFile(envTemplate({}).replaceAll(/^#(?=[A-Z])/gm, ''))
    expect([...values.keys()]).toEqual(names)
    for (const { standard } of Object.values(settings))
      if (standard !== undefined) expect([...values.values()]).toContain(standard)
  })

  test('sets what is known, however it looks', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.string({ unit: fc.constantFrom('a', "'", '"', '\\', '$', '`', '#', ';', '=', ' ', '\n', '\t') }),
        (password, path) => {
          const known = { DATABASE_URL: password, BACKUP_STORE_DIR: path }
          expect(Object.fromEntries(parseEnvFile(envTemplate(known)).values)).toEqual(known)
        },
      ),
    )
  })

  test.each([
    ['simple', 'simple'],
    ['postgres://u:p/w+1=@h:5432/d', 'postgres://u:p/w+1=@h:5432/d'],
    ['two words', "'two words'"],
    ['#hash', "'#hash'"],
    ["it's $5", `"it's \\$5"`],
    ['', ''],
  ])('quotes only what must be: %s', (value, text) => {
    expect(quoted(value)).toBe(text)
  })

  test("takes from another program's file what is ours, and what is not empty", () => {
    const { values } = parseEnvFile(
      'PORT=3000\nS3_REGION=fra1\nS3_ENDPOINT=\nDATABASE_URL="postgres://h/d"\nNODE_ENV=x\n',
    )
    expect(knownAmong(values)).toEqual({ DATABASE_URL: 'postgres://h/d', S3_REGION: 'fra1' })
  })
})
