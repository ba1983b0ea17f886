import { inspect } from 'node:util'

/** A value that must never be printed. However it is turned into text, JSON or a debug view, `***` comes out. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself, for the one place that hands it to a server or a program's environment. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }

  [inspect.custom](): string {
    return '***'
  }
}

/** `text` with every one of the secrets in it, raw, percent-encoded or escaped for JSON, replaced by `***`. */
export const redact = (text: string, secrets: readonly Secret[]): string =>
  secrets
    .flatMap((secret) => formsOf(secret.reveal()))
    // A one- or two-letter "secret" would blot out ordinary words and protect nothing.
    .filter((value) => value.length > 2)
    .toSorted((a, b) => b.length - a.length)
    .reduce((clean, value) => clean.replaceAll(value, '***'), text)

const formsOf = (value: string): string[] => [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)]
