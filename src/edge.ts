/** What the process is to the program: src/cli.ts makes it, and nothing else touches `process`. */
export interface Edge {
  /** Without node and the script. */
  readonly argv: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdout: Out
  readonly stderr: Out
  /** Asks whoever sits at the terminal, on stderr, and returns the line typed; undefined: nobody does. */
  readonly ask: ((question: string) => Promise<string>) | undefined
  /** Aborts on SIGTERM and SIGINT, with the Fault to end with. */
  readonly stop: AbortSignal
  /** node with src/dump-meter.ts, and its arguments. */
  readonly meter: readonly [file: string, ...args: string[]]
  /** Of the zlib in this node. */
  readonly zlibVersion: string
}

export interface Out {
  readonly write: (text: string) => void
  readonly isTerminal: boolean
}
