import { Fault } from '../errors.ts'
import { outputOf, throughProgram, type ProgramCall, type ProgramEnd } from '../pipeline/program.ts'
import type { Bytes, Flow } from '../ports.ts'

type Environment = Readonly<Record<string, string>>

const call = (environment: Environment, ...args: readonly string[]): ProgramCall => ({ file: 'age', args, environment })

/** Without what it quotes of the bytes it has read. */
const firstLine = (end: ProgramEnd): string =>
  (end.stderr.split('\n')[0] ?? '')
    .replace(/^age: (error: )?/, '')
    .replace(/: ".*/, '')
    .slice(0, 200) || `it ended with ${end.signal ?? `exit status ${String(end.exitCode)}`}`

const failed = (end: ProgramEnd): Fault =>
  new Fault('program-failed', `age failed: ${firstLine(end)}.`, {
    hint: 'It is worth trying again; if it stays, see: age --version',
  })

/** "1.1.1" */
export const ageVersion = async (environment: Environment): Promise<string> =>
  (await outputOf(call(environment, '--version'), undefined, failed)).trim().replace(/^v/, '').slice(0, 40)

/** Recipients are public keys and may be seen in the list of processes. */
export const encrypt = (environment: Environment, input: Bytes, recipients: readonly string[], flow: Flow): Bytes =>
  throughProgram(
    call(environment, ...recipients.flatMap((recipient) => ['--recipient', recipient])),
    input,
    flow,
    failed,
  )

/** age checks every 64 KiB before it passes them on, and the end: a truncated file never ends well. */
export const decrypt = (environment: Environment, input: Bytes, identityFile: string, flow: Flow): Bytes =>
  throughProgram(call(environment, '--decrypt', '--identity', identityFile), input, flow, (end) => {
    const words = firstLine(end)
    if (words.includes('no identity matched'))
      return new Fault(
        'credentials',
        `The identity in ${identityFile} does not open this backup: it was sealed for other keys.`,
        {
          hint: 'The manifest lists the recipients; age-keygen -y FILE prints the one of a key file.',
        },
      )
    if (/identity|identities|reading ".*key|open /.test(words) && !words.includes('header'))
      return new Fault('configuration', `The identity file ${identityFile} cannot be used: ${words}.`, {
        hint: 'It is the file that age-keygen wrote, readable by this user: BACKUP_AGE_IDENTITY_FILE.',
      })
    // Killed, or out of threads or memory: then the words are of its runtime, and say nothing of the archive.
    if (end.signal !== undefined || !end.stderr.startsWith('age: error: ')) return failed(end)
    return new Fault('damaged', `The sealed archive is damaged: age says ${words}.`, {
      hint: 'Fetch another backup: oslrs-backup list',
    })
  })
