import { describe, expect, test } from 'vitest'
import { parseEnvFile } from '../../src/config/env-file.ts'

/** Facts about systemd are from src/basic/env-file.c of systemd 255 (Ubuntu 24.04). */
const valuesOf = (text: string): Record<string, string> => Object.fromEntries(parseEnvFile(text).values)
const valueOf = (text: string): string | undefined => parseEnvFile(text).values.get('A')

describe('a value', () => {
  test.each([
    ['plain', 'A=value', 'value'],
    ['with white space around', 'A= \t value \t ', 'value'],
    ['with white space inside', 'A=one  two', 'one  two'],
    ['with white space before its =', 'A \t=value', 'value'],
    ['of a line that is indented', '  \tA=value', 'value'],
    ['empty', 'A=', ''],
    ['of white space alone', 'A=  \t', ''],
    ['with = in it', 'A=a=b==c', 'a=b==c'],
    ['with # and ; in it', 'A=pass#word;x', 'pass#word;x'],
    ['that begins with #', 'A=#1', '#1'],
    ['with a # behind white space, which is no comment', 'A=value # not a comment', 'value # not a comment'],
    ['with $ and backticks, which mean nothing', 'A=$HOME`id`${X}', '$HOME`id`${X}'],
    ['at the end of the file', 'B=1\nA=value', 'value'],
    ['in UTF-8', 'A=Ọ̀yọ́ 人😀', 'Ọ̀yọ́ 人😀'],
  ])('%s', (_what, text, value) => {
    expect(valueOf(text)).toBe(value)
  })
})

describe('single quotes keep everything', () => {
  test.each([
    ['white space', "A='  x '", '  x '],
    ['double quotes', `A='a"b'`, 'a"b'],
    ['backslashes', String.raw`A='a\b\\c\'`, String.raw`a\b\\c` + '\\'],
    ['dollars', "A='$HOME'", '$HOME'],
    ['line ends', "A='one\ntwo\n'\nB=1", 'one\ntwo\n'],
    ['nothing', "A=''", ''],
  ])('%s', (_what, text, value) => {
    expect(valueOf(text)).toBe(value)
  })
})

describe('double quotes', () => {
  test.each([
    ['keep white space', 'A="  x "', '  x '],
    ['keep single quotes', `A="it's"`, "it's"],
    ['keep line ends', 'A="one\ntwo"\nB=1', 'one\ntwo'],
    ['let a backslash protect a quote', String.raw`A="a\"b"`, 'a"b'],
    ['let a backslash protect itself', String.raw`A="a\\b"`, String.raw`a\b`],
    ['let a backslash protect a dollar and a backtick', 'A="\\$a\\`b"', '$a`b'],
    ['keep the backslash before anything else', String.raw`A="a\nb\'c"`, String.raw`a\nb\'c`],
    ['join lines at a backslash', 'A="one\\\ntwo"', 'onetwo'],
    ['keep #', 'A="#x"', '#x'],
  ])('%s', (_what, text, value) => {
    expect(valueOf(text)).toBe(value)
  })
})

describe('quotes beside other things', () => {
  test.each([
    ['two quoted pieces are joined', `A="one"'two'`, 'onetwo'],
    ['also over white space, which falls out', `A="one" 'two'`, 'onetwo'],
    ['text after a quote is joined', 'A="one" two', 'onetwo'],
    ['white space after a quote falls out', 'A="one "  ', 'one '],
    ['a quote in mid-value is only a character', `A=it's "x"`, `it's "x"`],
  ])('%s', (_what, text, value) => {
    expect(valueOf(text)).toBe(value)
  })
})

describe('a backslash without quotes', () => {
  test.each([
    ['takes the next character as it is', String.raw`A=a\b\\c\"d\ `, String.raw`ab\c"d `],
    ['protects white space at the end', 'A=x\\ ', 'x '],
    ['protects a quote at the beginning', String.raw`A=\"x\"`, '"x"'],
    ['joins lines', 'A=one\\\ntwo', 'onetwo'],
    ['joins lines, with the white space of the second', 'A=one \\\n  two', 'one   two'],
    ['joins several', 'A=a\\\nb\\\nc', 'abc'],
    ['at the end of the file is nothing', 'A=x\\', 'x'],
  ])('%s', (_what, text, value) => {
    expect(valueOf(text)).toBe(value)
  })
})

describe('lines', () => {
  test('of comment and empty ones are passed over', () => {
    expect(valuesOf('# one\n; two\n   # three\n\n \t\nA=1\n#B=2\n;C=3\n')).toEqual({ A: '1' })
  })

  test('may end as on Windows', () => {
    expect(valuesOf('A=1\r\n# x\r\nB="2"\r\n\r\nC=3 \r\n')).toEqual({ A: '1', B: '2', C: '3' })
    expect(parseEnvFile('A=1\r\n\r\nB=2\r\n').faultyLines).toEqual([])
  })

  test('later win over earlier ones', () => {
    expect(valuesOf('A=1\nA=2\nB=1\nA=\n')).toEqual({ A: '', B: '1' })
  })

  test('of an empty file are none', () => {
    expect(parseEnvFile('')).toEqual({ values: new Map(), faultyLines: [] })
  })

  test('that never close their quote run to the end of the file, as with systemd', () => {
    expect(valuesOf('A="one\nB=2\n')).toEqual({ A: 'one\nB=2\n' })
  })
})

describe('a line that is no assignment is told by its number', () => {
  test.each([
    ['a word', 'word', [1]],
    ['with export before it', 'A=1\nexport B=2\nC=3', [2]],
    ['a name with a hyphen', 'MY-NAME=1', [1]],
    ['a name that begins with a digit', '1A=1', [1]],
    ['a name beyond ASCII', 'ÄB=1', [1]],
    ['nothing before the =', '=1', [1]],
    ['each of several', 'A=1\nfoo\nB=2\nbar baz\n', [2, 4]],
    ['behind a value of several lines', 'A="x\ny\nz"\nfoo\n', [4]],
    ['behind a joined line', 'A=x\\\ny\nfoo\n', [3]],
  ])('%s', (_what, text, lines) => {
    expect(parseEnvFile(text).faultyLines).toEqual(lines)
  })

  test('and takes none of the others with it', () => {
    expect(valuesOf('A=1\n???\nB=2')).toEqual({ A: '1', B: '2' })
  })
})

describe('read as systemd reads it, so that the units and the command line see the same', () => {
  test.each([
    ['only space, tab and line ends are white space around a value', 'A=\u00a0x\u00a0', '\u00a0x\u00a0'],
    ['a form feed at the end stays', 'A=x\f', 'x\f'],
    ['a backslash before a Windows line end joins nothing and leaves no carriage return', 'A=b\\\r\nB=c', 'b'],
  ])('%s', (_what, text, value) => {
    expect(valueOf(text)).toBe(value)
  })

  test('the line after a comment that ends with a backslash counts (since systemd 254), or is told as a fault', () => {
    // Passing over it without a word would be a setting that silently does not hold.
    const { values, faultyLines } = parseEnvFile('# see C:\\backups\\\nA=1\n')
    expect(values.get('A') === '1' || faultyLines.length > 0).toBe(true)
  })
})
