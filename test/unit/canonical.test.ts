import { describe, expect, test } from 'vitest'
import { canonicalText, type Json } from '../../src/domain/canonical.ts'

describe('the canonical text', () => {
  test.each<readonly [Json, string]>([
    [null, 'null'],
    [true, 'true'],
    [false, 'false'],
    [0, '0'],
    [-17, '-17'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    [Number.MIN_SAFE_INTEGER, '-9007199254740991'],
    [1e15, '1000000000000000'],
    ['', '""'],
    ['a"b\\c/d', String.raw`"a\"b\\c/d"`],
    ['\b\f\n\r\t', String.raw`"\b\f\n\r\t"`],
    ['\u0000\u001f', String.raw`"\u0000\u001f"`],
    ['\u007f', String.raw`"\u007f"`],
    ['\u0080\u2028é人😀', '"\u0080\u2028é人😀"'],
    [[], '[]'],
    [{}, '{}'],
    [[1, [2, {}], 'x'], '[1,[2,{}],"x"]'],
    [{ b: 1, a: 2 }, '{"a":2,"b":1}'],
    [{ a: { d: 1, c: [{ z: 1, y: 2 }] } }, '{"a":{"c":[{"y":2,"z":1}],"d":1}}'],
    [{ ab: 1, a: 2, B: 3, '': 4, '10': 5, '9': 6 }, '{"":4,"10":5,"9":6,"B":3,"a":2,"ab":1}'],
    // By code point: U+FF41 before U+1F600, though its UTF-16 units come after.
    [{ '\u{1f600}': 1, '\uff41': 2 }, '{"\uff41":2,"\u{1f600}":1}'],
    [JSON.parse('{"__proto__":1,"constructor":2}') as Json, '{"__proto__":1,"constructor":2}'],
  ])('of %j is %s', (value, text) => {
    expect(canonicalText(value)).toBe(text)
  })

  test.each([
    ['NaN', NaN],
    ['infinity', Infinity],
    ['a fraction', 1.5],
    ['a tiny number', 5e-324],
    ['a number beyond the safe integers', 2 ** 53],
    ['negative zero', -0],
  ])('is refused for %s, which others would print in their own way', (_name, value) => {
    expect(() => canonicalText(value)).toThrow(RangeError)
    expect(() => canonicalText({ deep: [{ inside: value }] })).toThrow(RangeError)
  })

  test.each([
    ['high', '\ud83d'],
    ['low', '\ude00'],
    ['in the middle', 'a\ud83db'],
  ])(
    'is refused for half a surrogate pair (%s), for jq refuses it: such a text could not be checked by others',
    (_where, text) => {
      expect(() => canonicalText([text])).toThrow(RangeError)
      expect(() => canonicalText({ [text]: 1 })).toThrow(RangeError)
    },
  )
})
