import { execa } from 'execa'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Fault } from '../../src/errors.ts'
import { CopyMeter } from '../../src/pipeline/copy-meter.ts'
import { startFlow } from '../../src/pipeline/flow.ts'
import { MeteredDump } from '../../src/pipeline/metered-dump.ts'
import { throughProgram, type ProgramCall, type ProgramEnd } from '../../src/pipeline/program.ts'
import type { Bytes, DumpSection, Flow } from '../../src/ports.ts'
import { collected, faultOf } from '../support/builders.ts'

/** Real processes: the meter itself, and for pg_dump and the compressor small ones of the shell. */

const environment = { PATH: '/usr/bin:/bin' }
const meter: ProgramCall = {
  file: process.execPath,
  args: [join(import.meta.dirname, '../../src/dump-meter.ts')],
  environment,
}
const shell = (script: string, ...args: readonly string[]): ProgramCall => ({
  file: 'sh',
  args: ['-c', script, 'sh', ...args],
  environment,
})
const explain = (end: ProgramEnd): Fault =>
  new Fault('program-failed', `${String(end.exitCode)} ${String(end.signal)} ${end.stderr.trim()}`)

const trailer = '--\n-- PostgreSQL database dump complete\n--\n\n'
const line = `${'x'.repeat(999)}\n`
const rows = line.repeat(3000)
const texts: Readonly<Record<DumpSection, string>> = {
  'pre-data': `CREATE TABLE public.a (x text);\n${trailer}`,
  data: `COPY public.a (x) FROM stdin;\n${rows}\\.\n\n${trailer}`,
  'post-data': `CREATE INDEX i ON public.a (x);\n${trailer}`,
}
const whole = Object.values(texts).join('')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oslrs-metered-'))
  for (const [section, text] of Object.entries(texts)) await writeFile(join(folder, section), text)
  return () => rm(folder, { recursive: true, force: true })
})

interface Dumped {
  readonly dump: MeteredDump
  readonly flow: Flow
  readonly moved: number[]
}
/** Each section is what its script writes, with the file of it as $1. */
const dumping = (scripts: Partial<Record<DumpSection, string>> = {}, by = meter): Dumped => {
  const flow = startFlow()
  const moved: number[] = []
  const programs = (['pre-data', 'data', 'post-data'] as const).map((section) => ({
    section,
    call: shell(scripts[section] ?? 'exec cat "$1"', join(folder, section)),
    explain: (end: ProgramEnd) => new Fault('dump-failed', `${section}: ${explain(end).message}`),
    onExit: () => undefined,
  }))
  const dump = new MeteredDump(by, programs, flow, (bytes) => void moved.push(bytes))
  onTestFinished(async () => {
    flow.stop()
    await dump.ended()
    const { stdout } = await execa('pgrep', ['-P', String(process.pid), '-f', folder], { reject: false })
    expect(stdout, 'programs that are left').toBe('')
  })
  return { dump, flow, moved }
}

type Way = (dumped: Dumped) => Bytes
const ways: readonly (readonly [string, Way])[] = [
  ['into a program', ({ dump, flow }) => throughProgram(shell('exec cat'), dump, flow, explain)],
  ['as bytes', ({ dump }) => dump.bytes()],
]

describe.each(ways)('a dump that is metered %s', (_how, way) => {
  test('is that of its sections, one after another, with its figures', async () => {
    const dumped = dumping()
    expect(String(await collected(way(dumped))) === whole).toBe(true)
    const here = new CopyMeter()
    here.update(Buffer.from(whole))
    expect(await dumped.dump.metered).toEqual(here.end())
    expect(dumped.moved.at(-1)).toBe(whole.length)
  })

  test('tells of its moving while it moves', async () => {
    const dumped = dumping({ data: 'head -c 1000000 "$1"; sleep 0.3; tail -c +1000001 "$1"' })
    await collected(way(dumped))
    expect(dumped.moved.filter((bytes) => bytes > 0 && bytes < whole.length).length).toBeGreaterThan(0)
  })

  test.each<readonly [string, Partial<Record<DumpSection, string>>, string]>([
    ['exits 3 before its first byte', { 'pre-data': 'exit 3' }, 'pre-data: 3'],
    ['exits 3 in mid-stream', { data: 'head -c 1000000 "$1"; echo why >&2; exit 3' }, 'data: 3 undefined why'],
    ['exits 3 when all has passed', { data: 'cat "$1"; exit 3' }, 'data: 3'],
    ['exits 3 after its very last byte', { 'post-data': 'cat "$1"; sleep 0.2; exit 3' }, 'post-data: 3'],
    ['is killed', { data: 'head -c 1000000 "$1"; kill -9 $$' }, 'data: undefined SIGKILL'],
    ['ends well in mid-stream', { data: 'head -c 1000000 "$1"' }, 'without its trailer in the section data'],
    ['ends well without a byte', { 'post-data': ':' }, 'without its trailer in the section post-data'],
    [
      'has data where none can be',
      { 'pre-data': 'printf "COPY public.a (x) FROM stdin;\\n1\\n\\\\\\\\.\\n"; cat "$1"' },
      'seems to hold table data',
    ],
  ])('fails with the reason when pg_dump %s', async (_what, scripts, reason) => {
    const dumped = dumping(scripts)
    const fault = await faultOf(() => collected(way(dumped)))
    expect(fault.message).toContain(reason)
    expect(fault.code).toBe('dump-failed')
    await expect(dumped.dump.metered).rejects.toBe(fault)
  })

  test('fails with the reason when the meter is killed, though pg_dump fails of it as well', async () => {
    const dumped = dumping({ data: 'head -c 1000000 "$1"; sleep 1; exec cat "$1"' })
    const reading = faultOf(() => collected(way(dumped)))
    const meterOf = async (): Promise<string> =>
      (await execa('pgrep', ['-P', String(process.pid), '-f', 'dump-meter'], { reject: false })).stdout
    await expect.poll(meterOf, { timeout: 5000 }).not.toBe('')
    process.kill(Number(await meterOf()), 'SIGKILL')
    expect((await reading).message).toContain('counts the dump ended before its time (SIGKILL)')
  })

  test.each<readonly [string, ProgramCall, string, string]>([
    [
      'does not exist',
      { ...meter, file: '/nonexistent/node' },
      '/nonexistent/node is not installed',
      'apt-get install',
    ],
    ['has no program', { ...meter, args: ['/nonexistent/x.mjs'] }, 'before its time (exit status 1)', './install.sh'],
  ])('fails when the meter %s, and says what to do', async (_what, by, reason, hint) => {
    const fault = await faultOf(() => collected(way(dumping({}, by))))
    expect(fault.message).toContain(reason)
    expect(fault.hint).toContain(hint)
  })

  test('ends with the flow, whatever waits for whom', async () => {
    const dumped = dumping({ data: 'head -c 1000000 "$1"; sleep 0.3; head -c 1000000 "$1"; exec sleep 1000' })
    const own = new Fault('lock-lost', 'elsewhere')
    const reading = faultOf(() => collected(way(dumped)))
    await expect.poll(() => dumped.moved.length, { timeout: 5000 }).toBeGreaterThan(0)
    dumped.flow.fail(own)
    expect(await reading).toBe(own)
    await dumped.dump.ended()
  })

  test('does not begin in a flow that has ended', async () => {
    const dumped = dumping({ data: `touch ${folder}/begun` })
    const own = new Fault('lock-lost', 'elsewhere')
    dumped.flow.fail(own)
    expect(await faultOf(() => collected(way(dumped)))).toBe(own)
  })
})

test('a program that stops reading and exits 0 has not done its work, and pg_dump is not blamed', async () => {
  const { dump, flow } = dumping()
  const fault = await faultOf(() => collected(throughProgram(shell('exec head -c 10'), dump, flow, explain)))
  expect(fault.message).toContain('it stopped reading before the end of its input')
})

test('a reader that stops early ends all of it, and has no fault to tell', async () => {
  const { dump, flow } = dumping({ data: 'cat "$1" "$1" "$1"' })
  for await (const _chunk of throughProgram(shell('exec cat'), dump, flow, explain)) break
  expect(flow.rootCause('nothing')).toBe('nothing')
  await dump.ended()
})
