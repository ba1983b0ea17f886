import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { startFlow } from '../../src/pipeline/flow.ts'
import { outputOf, throughProgram, type ProgramCall, type ProgramEnd } from '../../src/pipeline/program.ts'
import { breakingAfter, collected, faultOf, streamOf } from '../support/builders.ts'

const environment = { PATH: '/usr/bin:/bin' }
const call = (file: string, ...args: readonly string[]): ProgramCall => ({ file, args, environment })
const shell = (script: string): ProgramCall => call('sh', '-c', script)
/** What a program's end is told as: its facts, for the tests to look at. */
const explain = (end: ProgramEnd): Fault =>
  new Fault('program-failed', `${String(end.exitCode)} ${String(end.signal)} ${end.stderr.trim()}`)
const mebibyte = randomBytes(1024 * 1024)

/** A stream that never ends by itself, and says whether it was ended. */
const endless = (): { bytes: AsyncGenerator<Uint8Array>; ended: () => boolean } => {
  let ended = false
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        await Promise.resolve()
        yield mebibyte
      }
    } finally {
      ended = true
    }
  }
  return { bytes: chunks(), ended: () => ended }
}

const pidFile = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-program-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'pid')
}
const isRunning = async (file: string): Promise<boolean> => {
  try {
    process.kill(Number(await readFile(file, 'utf8')), 0)
    return true
  } catch {
    return false
  }
}

describe('bytes through a program', () => {
  test.each([
    ['none', Buffer.alloc(0)],
    ['a few', Buffer.from('hello')],
    ['more than fits a pipe', Buffer.alloc(3_000_000, 'abc')],
  ])('come out as it makes them: %s', async (_what, bytes) => {
    const flow = startFlow()
    expect((await collected(throughProgram(call('cat'), streamOf(bytes), flow, explain))).equals(bytes)).toBe(true)
    expect(flow.signal.aborted).toBe(false)
  })

  // An argument longer than the system takes (E2BIG); too few files or processes come to the same.
  test.each([0, 1, 2])('are those of no program that cannot be started, number %i of three in a row', async (which) => {
    const flow = startFlow()
    const input = endless()
    const calls = [0, 1, 2].map((number) => call('cat', ...(number === which ? ['x'.repeat(300_000)] : [])))
    const bytes = calls.reduce<AsyncGenerator<Uint8Array>>(
      (before, next) => throughProgram(next, before, flow, explain),
      input.bytes,
    )
    expect(await faultOf(() => collected(bytes))).toMatchObject({
      code: 'program-failed',
      message: 'The program cat could not be started (E2BIG).',
    })
  })

  test('need no input', async () => {
    expect(String(await collected(throughProgram(shell('echo made; cat'), undefined, startFlow(), explain)))).toBe(
      'made\n',
    )
  })

  test('pass through two programs as through one', async () => {
    const flow = startFlow()
    const twice = throughProgram(
      call('rev'),
      throughProgram(call('rev'), streamOf('abc\n'), flow, explain),
      flow,
      explain,
    )
    expect(String(await collected(twice))).toBe('abc\n')
  })

  test('never see a shell, and no environment but the one given', async () => {
    const hostile = '$(id); `id` > x'
    expect(
      String(await collected(throughProgram(call('printf', '%s', hostile), undefined, startFlow(), explain))),
    ).toBe(hostile)
    const bare: ProgramCall = { file: '/usr/bin/env', args: [], environment: { ONLY: 'this' } }
    expect(String(await collected(throughProgram(bare, undefined, startFlow(), explain)))).toBe('ONLY=this\n')
  })

  test('let be seen what a program that ended well had to say', async () => {
    const ends: ProgramEnd[] = []
    await collected(
      throughProgram(shell('echo careful >&2'), undefined, startFlow(), explain, (end) => void ends.push(end)),
    )
    expect(ends).toEqual([{ exitCode: 0, signal: undefined, stderr: 'careful\n' }])
  })

  test('keep of what it says the first 16 KiB', async () => {
    const ends: ProgramEnd[] = []
    const talkative = shell('head -c 1000000 /dev/zero | tr "\\0" x >&2')
    await collected(throughProgram(talkative, undefined, startFlow(), explain, (end) => void ends.push(end)))
    expect(ends[0]?.stderr).toBe('x'.repeat(16_384))
  })
})

describe('a program that fails is the news, and the stream never ends normally', () => {
  test.each<readonly [string, ProgramCall, string]>([
    ['it exits 3 at once', shell('exit 3'), '3 undefined'],
    ['it exits 3 after all of its output', shell('cat; exit 3'), '3 undefined'],
    ['it says why', shell('echo why >&2; exit 1'), '1 undefined why'],
    ['it is killed', shell('kill -9 $$'), 'undefined SIGKILL'],
    ['it is terminated', shell('kill -TERM $$'), 'undefined SIGTERM'],
  ])('%s', async (_what, program, message) => {
    const flow = startFlow()
    const fault = await faultOf(() => collected(throughProgram(program, streamOf('input'), flow, explain)))
    expect(fault.message.trim()).toBe(message)
    expect(flow.rootCause(undefined)).toBe(fault)
  })

  test('in mid-stream, after some of its output', async () => {
    const flow = startFlow()
    const seen: number[] = []
    const fault = await faultOf(async () => {
      for await (const chunk of throughProgram(shell('head -c 1000000 /dev/zero; exit 4'), undefined, flow, explain))
        seen.push(chunk.byteLength)
    })
    expect(fault.message).toContain('4 undefined')
    expect(seen.reduce((sum, bytes) => sum + bytes, 0)).toBe(1_000_000)
  })

  test('while its input would go on for ever', async () => {
    const { bytes, ended } = endless()
    const fault = await faultOf(() =>
      collected(throughProgram(shell('head -c 10 >/dev/null; exit 5'), bytes, startFlow(), explain)),
    )
    expect(fault.message).toContain('5 undefined')
    expect(ended()).toBe(true)
  })

  test('in the middle of several programs, whichever it is', async () => {
    for (const broken of [0, 1, 2]) {
      const flow = startFlow()
      const programs = [0, 1, 2].map((at) => (at === broken ? shell('head -c 100000 >/dev/null; exit 7') : call('cat')))
      const { bytes, ended } = endless()
      const through = programs.reduce<AsyncIterable<Uint8Array>>(
        (input, program) => throughProgram(program, input, flow, explain),
        bytes,
      )
      expect((await faultOf(() => collected(through))).message).toContain('7 undefined')
      expect(ended()).toBe(true)
    }
  })

  test('that is not installed, or cannot be run', async () => {
    const folder = await pidFile()
    await writeFile(folder, '#!/bin/sh\n', { mode: 0o644 })
    for (const file of ['no-such-program-of-ours', '/nonexistent/program', folder])
      expect(
        (await faultOf(() => collected(throughProgram(call(file), streamOf('x'), startFlow(), explain)))).code,
      ).toBe('program-missing')
  })
})

describe('a program that stops reading and exits 0 has not done its work', () => {
  test.each([
    ['for ever', () => endless().bytes],
    ['for a while', () => streamOf(...Array.from({ length: 8 }, () => mebibyte))],
  ])('where the input goes on %s', async (_how, input) => {
    const fault = await faultOf(() =>
      collected(throughProgram(call('head', '-c', '10'), input(), startFlow(), explain)),
    )
    expect(fault.message).toContain('it stopped reading before the end of its input')
  })
})

describe('an input that breaks', () => {
  test.each<readonly [string, ProgramCall]>([
    ['through a program that would end well', call('cat')],
    ['through a program that would fail of a short input', shell('cat >/dev/null; exit 1')],
  ])('is the news: %s', async (_what, program) => {
    const flow = startFlow()
    const own = new Error('the root cause')
    await expect(collected(throughProgram(program, breakingAfter(own, 'some', mebibyte), flow, explain))).rejects.toBe(
      own,
    )
    expect(flow.rootCause(undefined)).toBe(own)
  })

  test('before its first byte', async () => {
    const own = new Error('the root cause')
    await expect(collected(throughProgram(call('cat'), breakingAfter(own), startFlow(), explain))).rejects.toBe(own)
  })
})

describe('a flow that fails elsewhere', () => {
  test('ends the program, and its fault is thrown', async () => {
    const flow = startFlow()
    const file = await pidFile()
    const own = new Fault('lock-lost', 'elsewhere')
    const fault = await faultOf(async () => {
      for await (const _chunk of throughProgram(
        shell(`echo $$ > ${file}; echo ready; exec sleep 1000`),
        undefined,
        flow,
        explain,
      ))
        flow.fail(own)
    })
    expect(fault).toBe(own)
    expect(await isRunning(file)).toBe(false)
  })

  test('starts no program at all when it has failed before', async () => {
    const flow = startFlow()
    const file = await pidFile()
    const own = new Fault('lock-lost', 'elsewhere')
    flow.fail(own)
    expect(await faultOf(() => collected(throughProgram(shell(`echo $$ > ${file}`), undefined, flow, explain)))).toBe(
      own,
    )
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('its last words are heard, even those that come after its end', async () => {
  const late = shell('(sleep 0.3; echo words >&2) & exec 1>&-; exit 3')
  expect(await faultOf(() => collected(throughProgram(late, endless().bytes, startFlow(), explain)))).toMatchObject({
    message: '3 undefined words',
  })
})

describe('a reader that stops early', () => {
  test('ends the program and its input, and has no fault to tell', async () => {
    const flow = startFlow()
    const file = await pidFile()
    const { bytes, ended } = endless()
    for await (const chunk of throughProgram(shell(`echo $$ > ${file}; exec cat`), bytes, flow, explain)) {
      expect(chunk.byteLength).toBeGreaterThan(0)
      break
    }
    expect(await isRunning(file)).toBe(false)
    expect(ended()).toBe(true)
    expect(flow.signal.aborted).toBe(true)
    expect(flow.rootCause('nothing')).toBe('nothing')
  })

  test.each(['cat', 'gzip -1', 'head -c 100000000 /dev/zero'])(
    'for a reason of its own is not told that %s could not write: the reader’s reason is the news',
    async (program) => {
      const own = new Fault('storage-failed', 'There is no space left.')
      for (let n = 0; n < 10; n += 1) {
        const flow = startFlow()
        const reading = async (): Promise<void> => {
          for await (const _chunk of throughProgram(shell(`exec ${program}`), endless().bytes, flow, explain)) throw own
        }
        await expect(reading()).rejects.toBe(own)
        expect(flow.rootCause(own)).toBe(own)
      }
    },
  )

  test('ends a program that does not listen to SIGTERM as well', { timeout: 20_000 }, async () => {
    const file = await pidFile()
    for await (const _chunk of throughProgram(
      shell(`trap '' TERM; echo $$ > ${file}; echo ready; while :; do sleep 0.1; done`),
      undefined,
      startFlow(),
      explain,
    ))
      break
    expect(await isRunning(file)).toBe(false)
  })

  test('ends all programs of a chain', async () => {
    const flow = startFlow()
    const { bytes, ended } = endless()
    const chain = throughProgram(call('cat'), throughProgram(call('cat'), bytes, flow, explain), flow, explain)
    for await (const _chunk of chain) break
    expect(ended()).toBe(true)
  })
})

describe('what a small program prints', () => {
  test('comes back, with its input given', async () => {
    expect(await outputOf(call('cat'), 'in', explain)).toBe('in')
    expect(await outputOf(call('printf', '%s', '15.18'), undefined, explain)).toBe('15.18')
  })

  test('does not when it fails, or is missing', async () => {
    const fault = await faultOf(() => outputOf(shell('echo why >&2; exit 3'), undefined, explain))
    expect(fault.message).toBe('3 undefined why')
    expect((await faultOf(() => outputOf(call('no-such-program-of-ours'), undefined, explain))).code).toBe(
      'program-missing',
    )
  })

  test('is at most a megabyte', async () => {
    await expect(outputOf(shell('head -c 5000000 /dev/zero'), undefined, explain)).rejects.toBeInstanceOf(Fault)
  })
})
