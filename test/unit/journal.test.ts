import { describe, expect, test } from 'vitest'
import { openJournal, type JournalOptions } from '../../src/adapters/journal.ts'
import type { Journal } from '../../src/ports.ts'

/** A journal that writes into a list, and a clock that is set by hand. */
const opened = (
  options: Partial<JournalOptions> = {},
): { journal: Journal; written: string[]; at: (ms: number) => void } => {
  const written: string[] = []
  let ms = 0
  const journal = openJournal(
    {
      write: (text) => void written.push(text),
      terminal: false,
      journald: false,
      verbose: false,
      redact: (text) => text.replaceAll('hunter2', '***'),
      ...options,
    },
    { now: () => new Date(ms), monotonicMs: () => ms },
  )
  return { journal, written, at: (now) => (ms = now) }
}
const said = (options: Partial<JournalOptions>, say: (journal: Journal) => void): string => {
  const { journal, written } = opened(options)
  say(journal)
  return written.join('')
}

describe('a message', () => {
  test.each<readonly [string, Partial<JournalOptions>, string]>([
    ['in a log', {}, 'Dumped. rows=3 table=public.users\nWarning: Slow. seconds=61\n'],
    ['in the journal', { journald: true }, '<6>Dumped. rows=3 table=public.users\n<4>Slow. seconds=61\n'],
    ['on a terminal', { terminal: true }, 'Dumped.\nWarning: Slow.\n'],
    [
      'on a terminal, where more is asked for',
      { terminal: true, verbose: true },
      'Dumped. rows=3 table=public.users\nWarning: Slow. seconds=61\n',
    ],
  ])('%s', (_where, options, text) => {
    expect(
      said(options, (journal) => {
        journal.info('Dumped.', { rows: 3, table: 'public.users' })
        journal.warn('Slow.', { seconds: 61 })
      }),
    ).toBe(text)
  })

  test('for whoever looks for faults is said only when more is asked for', () => {
    const debug = (journal: Journal): void => {
      journal.debug('Details.')
    }
    expect(said({}, debug)).toBe('')
    expect(said({ verbose: true }, debug)).toBe('Details.\n')
    expect(said({ verbose: true, journald: true }, debug)).toBe('<7>Details.\n')
  })

  test('quotes facts that are more than a word', () => {
    expect(
      said({}, (journal) => {
        journal.info('x', {
          plain: '2026-02-24T01:00:00Z',
          path: '/srv/a+b',
          words: 'two words',
          empty: '',
          quote: 'a"b',
          equals: 'a=b',
        })
      }),
    ).toBe(
      String.raw`x plain=2026-02-24T01:00:00Z path=/srv/a+b words="two words" empty="" quote="a\"b" equals="a=b"` +
        '\n',
    )
  })

  test.each(['\n', '\r\n', '\n\n\n', '\r'])('is one line, though it holds %j', (lineEnd) => {
    const text = said({ journald: true }, (journal) => {
      journal.warn(`one${lineEnd}<0>two`, { fact: `three${lineEnd}four` })
    })
    expect(text).toMatch(/^<4>one <0>two fact=.*\n$/)
    expect(text.split('\n')).toHaveLength(2)
  })

  test('holds no secrets, neither in the sentence nor in the facts', () => {
    expect(
      said({ verbose: true }, (journal) => {
        journal.info('It is hunter2.', { password: 'hunter2' })
        journal.debug('hunter2')
      }),
    ).toBe('It is ***. password=***\n***\n')
  })

  test.each([
    ['an escape sequence', '\u001b]0;title\u0007'],
    ['a cursor that goes back', 'a\bb'],
    ['a control character beyond ASCII', '\u009b31m'],
  ])('makes a terminal obey nothing: %s', (_what, hostile) => {
    // pg_dump's own words are told, and they hold the names of tables.
    const text = said({ terminal: true, verbose: true }, (journal) => {
      journal.warn(`pg_dump said: ${hostile}`, { fact: hostile })
    })

    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })
})

describe('progress on a terminal', () => {
  test('is shown from the first second on, a line that is written over, and wiped at the end', () => {
    const { journal, written, at } = opened({ terminal: true })
    const progress = journal.progress('Dumping', 10_000_000)
    at(999)
    progress.at(1_000_000)
    expect(written).toEqual([])
    at(1000)
    progress.at(2_000_000)
    expect(written).toEqual([
      '\r\u001b[K[####................] Dumping: 2.0 MB of about 10.0 MB, 2.0 MB/s, about 4.0 s left',
    ])
    at(1100)
    progress.at(3_000_000)
    expect(written).toHaveLength(1)
    at(1200)
    progress.at(3_000_000)
    expect(written).toHaveLength(2)
    progress.end()
    expect(written.at(-1)).toBe('\r\u001b[K')
  })

  test('of work that took less than a second shows nothing at all', () => {
    const { journal, written, at } = opened({ terminal: true })
    const progress = journal.progress('Dumping', undefined)
    at(900)
    progress.at(1)
    progress.end()
    expect(written).toEqual([])
  })

  test.each([
    ['nobody knows how much it will be', undefined],
    ['it has become more than expected', 1000],
  ])('tells no end when %s', (_when, expected) => {
    const { journal, written, at } = opened({ terminal: true })
    const progress = journal.progress('Dumping', expected)
    at(2000)
    progress.at(4_000_000)
    expect(written).toEqual(['\r\u001b[KDumping: 4.0 MB, 2.0 MB/s'])
  })

  test('before anything has moved divides by nothing', () => {
    const { journal, written, at } = opened({ terminal: true })
    const progress = journal.progress('Dumping', 1000)
    at(1000)
    progress.at(0)
    expect(written.join('')).toContain('Dumping: 0 B, 0 B/s')
  })
})

describe('progress in a log', () => {
  test('is a line a minute, with its figure', () => {
    const { journal, written, at } = opened({ journald: true })
    const progress = journal.progress('Dumping', 120_000_000)
    for (const seconds of [1, 30, 59, 60, 61, 119, 120]) {
      at(seconds * 1000)
      progress.at(seconds * 1_000_000)
    }
    progress.end()
    expect(written).toEqual([
      '<6>Dumping: 60.0 MB of about 120 MB, 1.0 MB/s, about 1 min 0 s left. bytes=60000000\n',
      '<6>Dumping: 120 MB, 1.0 MB/s. bytes=120000000\n',
    ])
  })
})
