import { CommanderError } from 'commander'
import type { Edge } from '../edge.ts'
import { asFault, Fault, type ExitStatus } from '../errors.ts'
import type { CommonOptions, Opened } from '../context/parts.ts'
import { faultDocument, faultText, outcomeDocument, type Outcome } from '../present/outcome.ts'
import type { Paint } from '../present/paint.ts'
import { redact, type Secret } from '../secret.ts'
import { build, commandNames, hasColour } from './tree.ts'

/** The command line: parses, opens a context, runs one command, prints its outcome. Returns the exit status. */
export const main = async (edge: Edge): Promise<ExitStatus> => {
  const wantsJson = edge.argv.includes('--json')
  let command = 'oslrs-backup'
  let secrets: readonly Secret[] = []
  const begin = async <T>(
    name: string,
    options: CommonOptions,
    open: () => Promise<Opened<T>>,
    work: (context: T, paint: Paint) => Promise<Outcome>,
  ): Promise<void> => {
    command = name
    const { context, secrets: found } = await open()
    secrets = found
    const { paintFor } = await import('../present/paint.ts')
    const outcome = await work(context, paintFor(hasColour(edge)))
    edge.stdout.write(options.json ? outcomeDocument(name, outcome) : outcome.text)
    status = outcome.exitStatus
  }
  let status: ExitStatus = 0
  try {
    await build(edge, begin).parseAsync([...edge.argv], { from: 'user' })
    return status
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0
    // A signal reaches our programs as well (Ctrl-C, systemctl stop), and their end is no news then.
    const cause: unknown = edge.stop.aborted ? edge.stop.reason : thrown
    const fault = cause instanceof CommanderError ? usageFault(cause, edge.argv) : asFault(cause)
    const tell = (text: string): string => redact(text, secrets)
    if (wantsJson) edge.stdout.write(tell(faultDocument(command, fault)))
    const mark = (edge.environment['JOURNAL_STREAM'] ?? '') === '' ? '' : '<3>'
    edge.stderr.write(
      tell(faultText(fault))
        .split('\n')
        .map((line) => `${mark}${line}\n`)
        .join(''),
    )
    if (edge.argv.includes('--verbose')) edge.stderr.write(tell(causes(fault)))
    return fault.exitStatus
  }
}

/** The chain of errors underneath; only with --verbose, for whoever looks for the fault in this program or a server. */
const causes = (fault: Fault): string => {
  const lines: string[] = []
  for (let at: unknown = fault; at instanceof Error; at = at.cause) {
    const code = 'code' in at && typeof at.code === 'string' ? ` [${at.code}]` : ''
    // A server's own words may quote a row; its code and where we asked are enough.
    lines.push(
      at === fault
        ? `Stack: ${at.stack ?? ''}`
        : `Caused by ${at.name}${code} ${(at.stack ?? '').split('\n').slice(1, 6).join('\n')}`,
    )
  }
  return `${lines.join('\n')}\n`
}

const usageFault = (error: CommanderError, argv: readonly string[]): Fault => {
  const [first] = argv.filter((word) => !word.startsWith('-'))
  const known = first !== undefined && commandNames.includes(first)
  const message = error.message.replace(/^error: /, '').replace(/\n/g, ' ')
  const sentence =
    error.code === 'commander.help'
      ? 'No command was given.'
      : `${message.charAt(0).toUpperCase()}${message.slice(1)}${/[.)]$/.test(message) ? '' : '.'}`
  return new Fault('usage', sentence, { hint: `oslrs-backup ${known ? `${first} ` : ''}--help` })
}
