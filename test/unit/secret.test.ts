import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { redact, Secret } from '../../src/secret.ts'

const secret = new Secret('hunter2')

describe('a secret is never printed', () => {
  test.each<readonly [string, () => string]>([
    ['as text', () => String(secret)],
    ['in a template', () => secret.toString()],
    ['added to a text', () => ['', secret].join('')],
    ['as JSON', () => JSON.stringify({ deep: [secret] })],
    ['inspected', () => inspect(secret)],
    [
      'inspected with everything that is hidden',
      () => inspect({ secret }, { showHidden: true, depth: 10, getters: true }),
    ],
    ['by its members', () => JSON.stringify([Object.entries(secret), Object.getOwnPropertyNames(secret)])],
    ['spread', () => JSON.stringify(Object.assign({}, secret))],
    ['in an error', () => inspect(new Error('x', { cause: secret }))],
  ])('%s', (_how, printed) => {
    expect(printed()).not.toContain('hunter2')
  })

  test('but by whoever asks for it in so many words', () => {
    expect(secret.reveal()).toBe('hunter2')
  })
})

describe('redacting', () => {
  test.each<readonly [string, readonly string[], string, string]>([
    ['takes out every occurrence', ['hunter2'], 'hunter2 and hunter2', '*** and ***'],
    ['takes it out in mid-word', ['hunter2'], 'xhunter2x', 'x***x'],
    ['takes out the percent-encoded form', ['p@ss/w rd+'], 'postgres://u:p%40ss%2Fw%20rd%2B@h', 'postgres://u:***@h'],
    ['takes the longer of two that overlap', ['hunter', 'hunter2'], 'hunter2', '***'],
    ['whatever their order', ['hunter2', 'hunter'], 'hunter2 hunter', '*** ***'],
    ['takes patterns as they are', ['a.c$&'], 'abc a.c$&', 'abc ***'],
    ['leaves one or two letters alone, which protect nothing', ['a', 'ab'], 'a cab', 'a cab'],
    ['leaves a text without secrets as it is', ['hunter2'], 'all is well', 'all is well'],
    ['knows no secrets', [], 'hunter2', 'hunter2'],
    ['ignores an empty one', [''], 'abc', 'abc'],
  ])('%s', (_how, secrets, text, clean) => {
    expect(
      redact(
        text,
        secrets.map((value) => new Secret(value)),
      ),
    ).toBe(clean)
  })

  test.each(['say "friend"', String.raw`back\slash`, 'tab\tbed'])('takes out %j where it stands in JSON', (value) => {
    // The document of `--json` is redacted after it has been made, and so are the facts of the journal.
    const json = JSON.stringify({ message: `refused: ${value}` })
    expect(redact(json, [new Secret(value)])).toBe('{"message":"refused: ***"}')
  })
})
