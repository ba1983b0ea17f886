/**
 * Reads `NAME=value` files by the rules of systemd's EnvironmentFile= (systemd.exec(5), and the state machine in
 * systemd's src/basic/env-file.c), so that the units and the command line see the same values in the same file:
 * `#` and `;` begin a comment only at the start of a line, a password may hold `#` anywhere else; unquoted values lose
 * the white space around them; single quotes keep all; in double quotes a backslash protects `"`, `\`, `$` and backtick.
 *
 * Returns the values in order of appearance, later ones winning. Lines that are no assignment are told with their
 * number, never with their text (it may be half a password).
 */
export const parseEnvFile = (text: string): { values: Map<string, string>; faultyLines: number[] } => {
  const values = new Map<string, string>()
  const faultyLines: number[] = []
  let at = 0
  let line = 1

  const next = (): string => {
    const char = text.charAt(at++)
    if (char === '\n') line += 1
    return char
  }
  const atLineEnd = (): boolean => at >= text.length || text.charAt(at) === '\n'
  const skipLine = (): void => {
    while (!atLineEnd()) next()
    next()
  }

  const readQuoted = (quote: string): string => {
    let value = ''
    while (at < text.length) {
      const char = next()
      if (char === quote) return value
      if (char === '\\' && quote === '"' && at < text.length) {
        const escaped = next()
        if (escaped !== '\n') value += '"\\$`'.includes(escaped) ? escaped : `\\${escaped}`
      } else value += char
    }
    return value
  }

  const readValue = (): string => {
    let value = ''
    // White space at the end is dropped, but not what a quote or a backslash has protected.
    let protectedLength = 0
    let afterQuoteOrStart = true
    while (!atLineEnd()) {
      const char = next()
      if (char === '\\') {
        if (at < text.length) {
          const escaped = next()
          if (escaped !== '\n' && escaped !== '\r') value += escaped
        }
        protectedLength = value.length
        afterQuoteOrStart = false
      } else if (afterQuoteOrStart && (char === '"' || char === "'")) {
        value += readQuoted(char)
        protectedLength = value.length
      } else if (!afterQuoteOrStart || !isBlank(char)) {
        value += char
        afterQuoteOrStart = false
      }
    }
    next()
    return value.slice(0, protectedLength) + value.slice(protectedLength).replace(/[ \t\r\n]+$/, '')
  }

  while (at < text.length) {
    const char = text.charAt(at)
    if (isBlank(char)) next()
    else if (char === '#' || char === ';') skipLine()
    else {
      const startLine = line
      const name = /^([A-Za-z_][A-Za-z0-9_]*)[ \t]*=/.exec(text.slice(at, at + 300))
      if (name?.[1] === undefined) {
        faultyLines.push(startLine)
        skipLine()
      } else {
        at += name[0].length
        values.set(name[1], readValue())
      }
    }
  }
  return { values, faultyLines }
}

/** systemd's WHITESPACE: no other character is passed over. */
const isBlank = (char: string): boolean => ' \t\r\n'.includes(char)
