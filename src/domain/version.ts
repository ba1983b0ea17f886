/** A PostgreSQL version: "15.18" is { major: 15, minor: 18 }. Versions before 10 are not known here. */
export interface PgVersion {
  readonly text: string
  readonly major: number
  readonly minor: number
}

/** From `pg_dump --version` or `server_version`: the first "15.18", "17devel" or "16" in the text. */
export const parsePgVersion = (text: string): PgVersion | undefined => {
  const found = /(?<![\d.])(\d{2,3})(?:\.(\d+)|(?:devel|beta|rc)\d*)?/.exec(text)
  return found === null ? undefined : { text: found[0], major: Number(found[1]), minor: Number(found[2] ?? '0') }
}

/**
 * Of the installed ones the one to dump this server with: its own major, for a newer one writes settings that the server
 * does not know (`SET transaction_timeout`) into the dump; else the oldest that is newer. undefined: all are too old.
 */
export const bestDumper = <T extends { readonly version: PgVersion }>(
  installed: readonly T[],
  serverMajor: number,
): T | undefined =>
  installed
    .filter(({ version }) => version.major >= serverMajor)
    .toSorted((a, b) => a.version.major - b.version.major)[0]

/** First minor of each major whose psql knows `\restrict` (release notes of 2025-08-14, CVE-2025-8714); 18 has it from the start. */
const restrictSince: Readonly<Record<number, number>> = { 13: 22, 14: 19, 15: 14, 16: 10, 17: 6 }

export const knowsRestrict = ({ major, minor }: PgVersion): boolean =>
  major >= 18 || minor >= (restrictSince[major] ?? Number.POSITIVE_INFINITY)
