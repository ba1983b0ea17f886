import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const src = join(import.meta.dirname, '../../src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .toSorted()

/** Each layer, and the layers that it may import from. Data flows one way; nothing points back. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  cli: ['program', 'errors'],
  'dump-meter': ['pipeline', 'ports', 'errors'],
  program: ['program', 'context', 'commands', 'present', 'domain', 'edge', 'errors', 'secret'],
  // It hands the makers of mails and metrics to those who send and write them.
  context: ['context', 'adapters', 'commands', 'config', 'domain', 'ports', 'present', 'edge', 'errors', 'secret'],
  commands: ['commands', 'domain', 'pipeline', 'ports', 'errors'],
  present: ['present', 'domain', 'errors'],
  adapters: ['adapters', 'ports', 'pipeline', 'domain', 'config', 'errors', 'secret'],
  pipeline: ['pipeline', 'ports', 'domain', 'errors'],
  config: ['config', 'domain', 'errors', 'secret'],
  ports: ['ports', 'domain'],
  domain: ['domain', 'errors'],
  edge: [],
  errors: [],
  secret: [],
}

const textOf = (file: string): string => readFileSync(join(src, file), 'utf8')
const layerOf = (file: string): string => (file.split('/')[0] ?? '').replace(/\.ts$/, '')
const importsOf = (file: string): string[] =>
  [...textOf(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].flatMap((found) => {
    const target = relative(src, join(src, dirname(file), found[1] ?? ''))
    return target.startsWith('..') ? [] : [target]
  })

describe('the house', () => {
  test.each(files)('%s imports only what its layer may', (file) => {
    const allowed = arrows[layerOf(file)]
    expect(allowed, `no layer is called ${layerOf(file)}`).toBeDefined()
    expect(importsOf(file).filter((target) => allowed?.includes(layerOf(target)) !== true)).toEqual([])
  })

  test('has no circles', () => {
    const done = new Set<string>()
    const visit = (file: string, path: readonly string[]): void => {
      expect(path, [...path, file].join(' → ')).not.toContain(file)
      if (done.has(file)) return
      for (const target of importsOf(file)) visit(target, [...path, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
  })

  test('touches the process only at its edges', () => {
    const users = files.filter((file) =>
      /(?<![\w.'’])process\.[a-z]/.test(textOf(file).replaceAll(/^\s*(\*|\/\/).*$/gm, '')),
    )
    expect(users).toEqual(['cli.ts', 'dump-meter.ts'])
  })

  test('has rooms that one can look through', () => {
    const long = files.filter((file) => textOf(file).split('\n').length > 330)
    // One state machine, which would only be harder to follow in two files.
    expect(long).toEqual(['pipeline/dump-scanner.ts'])
    expect(files.filter((file) => /utils?\.ts$|index\.ts$/.test(file))).toEqual([])
    expect(files.filter((file) => textOf(file).includes('export default'))).toEqual([])
  })

  test('is tested without pretence', () => {
    const tests = join(import.meta.dirname, '..')
    const pretending = readdirSync(tests, { recursive: true, encoding: 'utf8' }).filter(
      (file) =>
        file.endsWith('.test.ts') &&
        /\b(vi|jest)\.(mock|spyOn|fn)\(|\.only\(/.test(
          readFileSync(join(tests, file), 'utf8').replaceAll(/\/.*\\b\(vi.*/g, ''),
        ),
    )
    expect(pretending).toEqual([])
  })
})
