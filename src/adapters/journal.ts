import { harmless } from '../domain/harmless.ts'
import { formatBytes, formatDuration } from '../domain/units.ts'
import type { Clock, Facts, Journal, Progress } from '../ports.ts'

export interface JournalOptions {
  readonly write: (text: string) => void
  /** A person is watching: plain sentences and a moving progress line. */
  readonly terminal: boolean
  /** stderr goes to journald: a priority before each line (sd-daemon(3)). */
  readonly journald: boolean
  readonly verbose: boolean
  /** Takes out what must not be seen. */
  readonly redact: (text: string) => string
}

const priorities = { warn: 4, info: 6, debug: 7 } as const

const factText = (facts: Facts | undefined): string =>
  Object.entries(facts ?? {})
    .map(([name, value]) => ` ${name}=${/^[\w.:+/-]+$/.test(String(value)) ? String(value) : JSON.stringify(value)}`)
    .join('')

/** Talk on stderr: a sentence, then `key=value` facts where a machine or a log reads. */
export const openJournal = (options: JournalOptions, clock: Clock): Journal => {
  const say = (level: keyof typeof priorities, sentence: string, facts?: Facts): void => {
    const mark = options.journald ? `<${String(priorities[level])}>` : ''
    const word = level === 'warn' && !options.journald ? 'Warning: ' : ''
    const text = options.terminal && !options.verbose ? sentence : `${sentence}${factText(facts)}`
    // One message is one line, whatever it holds.
    options.write(`${mark}${word}${harmless(options.redact(text).replaceAll(/[\r\n\t]+/g, ' '))}\n`)
  }
  return {
    info: (sentence, facts) => {
      say('info', sentence, facts)
    },
    warn: (sentence, facts) => {
      say('warn', sentence, facts)
    },
    debug: (sentence, facts) => {
      if (options.verbose) say('debug', sentence, facts)
    },
    progress: (what, expectedBytes) =>
      options.terminal
        ? terminalProgress(what, expectedBytes, options.write, clock)
        : minuteProgress(
            what,
            expectedBytes,
            (sentence, facts) => {
              say('info', sentence, facts)
            },
            clock,
          ),
  }
}

const showAfterMs = 1000
const everyMs = 200

const progressText = (what: string, bytes: number, expectedBytes: number | undefined, elapsedMs: number): string => {
  const rate = (bytes / Math.max(elapsedMs, 1)) * 1000
  const known = expectedBytes !== undefined && expectedBytes > bytes && rate > 0
  const left = known ? `, about ${formatDuration(((expectedBytes - bytes) / rate) * 1000)} left` : ''
  return `${what}: ${formatBytes(bytes)}${known ? ` of about ${formatBytes(expectedBytes)}` : ''}, ${formatBytes(rate)}/s${left}`
}

const bar = (bytes: number, expectedBytes: number | undefined): string => {
  if (expectedBytes === undefined || expectedBytes <= bytes) return ''
  const filled = Math.floor((bytes / expectedBytes) * 20)
  return `[${'#'.repeat(filled)}${'.'.repeat(20 - filled)}] `
}

/** A line that is written over, from the first second on. */
const terminalProgress = (
  what: string,
  expectedBytes: number | undefined,
  write: (text: string) => void,
  clock: Clock,
): Progress => {
  const since = clock.monotonicMs()
  let shownAt = since + showAfterMs - everyMs
  let shown = false
  return {
    at: (totalBytes) => {
      const now = clock.monotonicMs()
      if (now - shownAt < everyMs) return
      shownAt = now
      shown = true
      write(`\r\u001b[K${bar(totalBytes, expectedBytes)}${progressText(what, totalBytes, expectedBytes, now - since)}`)
    },
    end: () => {
      if (shown) write('\r\u001b[K')
      shown = false
    },
  }
}

/** A line a minute. */
const minuteProgress = (
  what: string,
  expectedBytes: number | undefined,
  say: (sentence: string, facts: Facts) => void,
  clock: Clock,
): Progress => {
  const since = clock.monotonicMs()
  let saidAt = since
  return {
    at: (totalBytes) => {
      const now = clock.monotonicMs()
      if (now - saidAt < 60_000) return
      saidAt = now
      say(`${progressText(what, totalBytes, expectedBytes, now - since)}.`, { bytes: totalBytes })
    },
    end: () => undefined,
  }
}
