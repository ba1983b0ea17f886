import fc from 'fast-check'
import type { Json } from '../../src/domain/canonical.ts'

/** Valid JSON documents, harmed: as trees whose leaves are raw text, so that they can say what `JSON.stringify` never would. */

type Tree = string | { readonly list: readonly Tree[] } | { readonly members: readonly (readonly [string, Tree])[] }

const treeOf = (value: Json): Tree => {
  if (Array.isArray(value)) return { list: value.map(treeOf) }
  if (typeof value === 'object' && value !== null)
    return {
      members: Object.entries(value).map(([name, member]: [string, Json]) => [JSON.stringify(name), treeOf(member)]),
    }
  return JSON.stringify(value)
}

const textOf = (tree: Tree): string => {
  if (typeof tree === 'string') return tree
  return 'list' in tree
    ? `[${tree.list.map(textOf).join(',')}]`
    : `{${tree.members.map(([name, member]) => `${name}:${textOf(member)}`).join(',')}}`
}

const nested = (depth: number, open: string, close: string): string => `${open.repeat(depth)}1${close.repeat(depth)}`

/** What stands where something else should. */
const oddValue = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      'null',
      'true',
      '0',
      '-0',
      '-1',
      '0.5',
      '1.0',
      '1e0',
      '2',
      '1e400',
      '-1e400',
      '9007199254740991',
      '9007199254740993',
      '4e-324',
      '123456789012345678901234567890',
      '""',
      '[]',
      '{}',
      '[[]]',
      '"\\ud800"',
      '"\\udc00\\ud800"',
      '"\\u0000"',
      '"\\u007f"',
      '"\\u202e"',
      '"__proto__"',
      '"../../etc/passwd"',
      '"backups/daily/2026-02-24-app_db.sql.gz.age"',
      '"2026-02-24T24:00:00Z"',
      '"2026-02-24T01:00Z"',
      '"2026-02-24T23:59:60Z"',
      '"2026-02-30T01:00:00Z"',
      '"0000-01-01T00:00:00Z"',
      '"9999-12-31T23:59:59.99999999999999999999Z"',
      '"+275760-09-13T00:00:00Z"',
      '{"__proto__":{"rows":1}}',
      '{"constructor":{"prototype":{}}}',
      '"public.\\"a\\"\\"b\\""',
      '"public.\\"\\u0000\\""',
      '"daily"',
      '"monthly"',
      '"age"',
      '"none"',
      '"aes-256-gcm"',
      'NaN',
      'undefined',
      "'x'",
    ),
  },
  { weight: 3, arbitrary: fc.json({ maxDepth: 2 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.constantFrom(4096, 4097, 100_001).map((length) => JSON.stringify('x'.repeat(length))) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(3, 60, 3000)
      .chain((depth) => fc.constantFrom(nested(depth, '[', ']'), nested(depth, '{"a":', '}'))),
  },
)

const oddName = fc
  .oneof(
    fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      '',
      'formatVersion',
      'signature',
      'tables',
      'encryption',
    ),
    fc.string({ maxLength: 6 }),
  )
  .map((name) => JSON.stringify(name))

type Harm =
  | { readonly what: 'replace' | 'double'; readonly at: number; readonly by: string }
  | { readonly what: 'remove' | 'swap'; readonly at: number }
  | { readonly what: 'add' | 'rename'; readonly at: number; readonly name: string; readonly by: string }

const harm: fc.Arbitrary<Harm> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ what: fc.constant('replace' as const), at: fc.nat(300), by: oddValue }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('double' as const), at: fc.nat(300), by: oddValue }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constantFrom('remove' as const, 'swap' as const), at: fc.nat(300) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constantFrom('add' as const, 'rename' as const),
      at: fc.nat(300),
      name: oddName,
      by: oddValue,
    }),
  },
)

const sizeOf = (tree: Tree): number =>
  typeof tree === 'string'
    ? 1
    : 1 +
      ('list' in tree ? tree.list : tree.members.map(([, member]) => member)).reduce((sum, one) => sum + sizeOf(one), 0)

/** The tree with this done to its place of that number, in the order of its text. */
const harmed = (tree: Tree, done: Harm): Tree => {
  let left = done.at % sizeOf(tree)
  const visit = (place: Tree): Tree => {
    if (left-- === 0) return harmedHere(place, done)
    if (typeof place === 'string') return place
    if ('list' in place) return { list: place.list.map(visit) }
    return { members: place.members.flatMap((member) => visitMember(member)) }
  }
  const visitMember = ([name, member]: readonly [string, Tree]): (readonly [string, Tree])[] => {
    if (left !== 0) return [[name, visit(member)]]
    left -= 1
    switch (done.what) {
      case 'remove':
        return []
      case 'double':
        return [
          [name, member],
          [name, done.by],
        ]
      case 'rename':
        return [[done.name, member]]
      case 'replace':
      case 'swap':
      case 'add':
        return [[name, harmedHere(member, done)]]
    }
  }
  return visit(tree)
}

const harmedHere = (place: Tree, done: Harm): Tree => {
  switch (done.what) {
    case 'replace':
    case 'double':
      return done.by
    case 'remove':
      return typeof place === 'string' ? '""' : 'list' in place ? { list: [] } : { members: [] }
    case 'swap':
      return typeof place === 'string'
        ? { list: [place] }
        : 'list' in place
          ? { list: place.list.toReversed() }
          : { list: place.members.map(([, member]) => member) }
    case 'add':
    case 'rename':
      return typeof place === 'string'
        ? done.by
        : 'list' in place
          ? { list: [...place.list, done.by] }
          : { members: [...place.members, [done.name, done.by]] }
  }
}

/** Bytes, harmed as a disk or a wire does it: cut, a bit flipped, others put in between. */
export const harmedBytes = (whole: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> =>
  fc
    .tuple(
      whole,
      fc.array(
        fc.tuple(
          fc.constantFrom('cut', 'flip', 'splice', 'drop'),
          fc.nat(),
          fc.nat(7),
          fc.oneof(whole, fc.uint8Array({ maxLength: 4 })),
        ),
        { maxLength: 3 },
      ),
    )
    .map(([bytes, harms]) => {
      let all = Buffer.from(bytes)
      for (const [what, where, bit, other] of harms) {
        const at = where % (all.length + 1)
        if (what === 'cut') all = all.subarray(0, at)
        else if (what === 'drop') all = Buffer.concat([all.subarray(0, at), all.subarray(at + bit + 1)])
        else if (what === 'splice')
          all = Buffer.concat([all.subarray(0, at), other.subarray(where % (other.length + 1))])
        else if (at < all.length) all.writeUInt8(all.readUInt8(at) ^ (1 << bit), at)
      }
      return all
    })

/** These documents with up to four harms each, then perhaps harmed as bytes. */
export const harmedDocuments = (documents: readonly Json[]): fc.Arbitrary<Buffer> => {
  const text = fc
    .tuple(fc.constantFrom(...documents.map(treeOf)), fc.array(harm, { maxLength: 4 }))
    .map(([tree, harms]) => Buffer.from(textOf(harms.reduce(harmed, tree))))
  return fc.oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: harmedBytes(text) })
}
