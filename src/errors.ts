/**
 * Every way this program can fail, and the exit status that tells it to systemd and to people.
 *
 * One table: the code, `--help`, the README and the tests read it from here. The statuses are those of
 * sysexits.h where it has one that fits; 130 and 143 are the shell's for SIGINT and SIGTERM.
 */
export const exitStatuses = [
  { status: 0, meaning: 'done' },
  { status: 64, meaning: 'usage: the command line is wrong' },
  { status: 65, meaning: 'data is damaged, stale, or does not match' },
  { status: 66, meaning: 'no such backup' },
  { status: 69, meaning: 'another run holds the lock' },
  { status: 70, meaning: 'failed for good: this was the last attempt' },
  { status: 73, meaning: 'refused, to protect data' },
  { status: 75, meaning: 'failed, worth retrying' },
  { status: 78, meaning: 'configuration, credentials or versions: retrying cannot help' },
  { status: 130, meaning: 'interrupted (SIGINT)' },
  { status: 143, meaning: 'stopped (SIGTERM)' },
] as const

export type ExitStatus = (typeof exitStatuses)[number]['status']

const statusOf = {
  usage: 64,
  damaged: 65,
  mismatch: 65,
  stale: 65,
  'no-such-backup': 66,
  'lock-held': 69,
  'gave-up': 70,
  refused: 73,
  'day-taken': 73,
  'database-unavailable': 75,
  'lock-lost': 75,
  'lock-timeout': 75,
  'gave-way': 75,
  'dump-failed': 75,
  'program-failed': 75,
  stalled: 75,
  'storage-failed': 75,
  'mail-failed': 75,
  'restore-failed': 75,
  unexpected: 75,
  configuration: 78,
  credentials: 78,
  rights: 78,
  version: 78,
  'program-missing': 78,
  interrupted: 130,
  terminated: 143,
} as const satisfies Record<string, ExitStatus>

export type FaultCode = keyof typeof statusOf

export interface FaultMore {
  /** What to do next: a sentence, or better a command to paste; a line for each step. */
  readonly hint?: string
  /** Several faults found at once, each a sentence. */
  readonly all?: readonly string[]
  /** The error underneath; for `--verbose` and tests, its text is never shown unasked. */
  readonly cause?: unknown
}

/**
 * The only error this program throws on purpose. `message` is a sentence for a person and holds neither
 * secrets nor personal data; foreign errors are translated into it in the adapters.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  readonly hint: string | undefined
  readonly all: readonly string[]

  constructor(code: FaultCode, message: string, more: FaultMore = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.code = code
    this.hint = more.hint
    this.all = more.all ?? []
  }

  get exitStatus(): ExitStatus {
    return statusOf[this.code]
  }
}

/** What the system has too little of, whoever asks for it (errno(3)), and how to give more. */
export const scarce: Readonly<Record<string, string>> = {
  EMFILE: 'this process may open no more files. In the unit: LimitNOFILE=; in a shell: ulimit -n',
  ENFILE: 'the machine may open no more files: sysctl fs.file-nr',
  EAGAIN: 'this user may have no more processes. In the unit: TasksMax=; in a shell: ulimit -u',
  ENOMEM: 'the machine has no memory left for it: free -m',
}

/**
 * Any thrown thing as a Fault. A foreign error that reached this point is a fault in the program itself, but where it had no
 * file left to open, which may be met anywhere.
 */
export const asFault = (thrown: unknown): Fault => {
  if (thrown instanceof Fault) return thrown
  if (isErrno(thrown, 'EMFILE', 'ENFILE'))
    return new Fault('unexpected', `No more files may be opened (${thrown.code ?? ''}).`, {
      hint: `It is worth trying again; if it stays: ${scarce[thrown.code ?? ''] ?? ''}`,
      cause: thrown,
    })
  const name = thrown instanceof Error ? thrown.name : typeof thrown
  return new Fault('unexpected', `Something happened that this program does not know (${name}).`, {
    hint: 'Run it again with --verbose, and report what it prints.',
    cause: thrown,
  })
}

/** True for errors of the operating system with this code, such as ENOENT. */
export const isErrno = (thrown: unknown, ...codes: readonly string[]): thrown is NodeJS.ErrnoException =>
  thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' && codes.includes(thrown.code)
