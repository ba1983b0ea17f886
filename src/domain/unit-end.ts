/** How systemd says that a service ended: its `Result`, and the main process's exit status or the signal that ended it. */
export interface UnitEnd {
  /** `success`, `exit-code`, `signal`, `core-dump`, `timeout`, `oom-kill`, `start-limit-hit`, `resources`…: systemd.service(5). */
  readonly result: string
  /** undefined: the main process did not exit by itself, or there was none. */
  readonly exitStatus: number | undefined
  /** "SIGKILL"; undefined: no signal ended it. */
  readonly signal: string | undefined
}

/** What happened, as a sentence for whoever has to find out why. */
export const unitEndText = ({ result, exitStatus, signal }: UnitEnd): string => {
  const bySignal = signal === undefined ? '' : ` (${signal})`
  switch (result) {
    case 'oom-kill':
      return `It was killed because the memory ran out${bySignal}.`
    case 'timeout':
      return `It hung until its time was up, and was ended${bySignal}.`
    case 'signal':
      return `It was killed by the signal ${signal ?? 'of an unknown number'}${signal === 'SIGKILL' ? ', which a person sends, or the kernel when the memory runs out' : ''}.`
    case 'core-dump':
      return `It crashed${bySignal}.`
    case 'start-limit-hit':
      return 'It was started too often, and systemd refuses to start it again for an hour.'
    case 'exit-code':
      return `It ended with exit status ${String(exitStatus ?? 'unknown')}.`
    default:
      return `systemd could not start or keep it: its result is "${result}"${bySignal}.`
  }
}
