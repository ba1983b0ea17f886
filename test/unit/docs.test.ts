import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import { readmePath, withGeneratedParts } from '../support/write-docs.ts'

test("the README's tables are the code's (else: npm run docs)", () => {
  const readme = readFileSync(readmePath, 'utf8')
  for (const name of Object.keys(settings)) expect(readme).toContain(`| \`${name}\` |`)
  expect(readme).toBe(withGeneratedParts(readme))
})
