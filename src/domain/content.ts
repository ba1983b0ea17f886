/** What a dump holds, without its data; see pipeline/content-meter.ts. */
export interface DumpContent {
  /** By the name as the dump writes it. */
  readonly tables: ReadonlyMap<string, Rows>
  /** By what pg_dump announces: the digests of its statements, sorted (overloaded names have several). */
  readonly entries: ReadonlyMap<string, readonly string[]>
  /** In the order in which they are created. */
  readonly extensions: readonly { readonly name: string; readonly schema: string }[]
  /** Of the server that was dumped: "15.18". */
  readonly serverVersion: string | undefined
}

/** A table's rows, in the order of the dump and in none. */
export interface Rows {
  /** As the COPY statement lists them, quoted where they need it. */
  readonly columns: readonly string[]
  readonly rows: number
  readonly bytes: number
  /** Of its data lines in their order, as the manifest states it. */
  readonly sha256: string
  /** Eight 32-bit sums over the SHA-256s of its lines, in hex. */
  readonly sum: string
}
