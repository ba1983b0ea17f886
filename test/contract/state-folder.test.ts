import { execa } from 'execa'
import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/adapters/clock.ts'
import { stateFolder } from '../../src/adapters/state-folder.ts'
import { attemptBegun, drillDone, newStatus, type Status } from '../../src/domain/status.ts'
import type { Journal } from '../../src/ports.ts'
import { metricsText } from '../../src/present/metrics.ts'
import { faultOf } from '../support/builders.ts'
import { silent } from '../support/simulated-server.ts'
import { newFolder } from '../support/tool.ts'

const opened = (path: string): { state: ReturnType<typeof stateFolder>; warnings: string[] } => {
  const warnings: string[] = []
  const journal: Journal = { ...silent, warn: (sentence) => void warnings.push(sentence) }
  return { state: stateFolder(path, metricsText, journal, systemClock), warnings }
}
const begin = (status: Status): Status =>
  attemptBegun(status, { startedAt: new Date('2026-02-24T01:00:00Z'), attempt: status.consecutiveFailures + 1 })

describe('the state folder', () => {
  test('keeps status and metrics, readable by the group, whatever the umask', async () => {
    const path = await newFolder()
    const { state, warnings } = opened(path)
    expect(await state.read()).toEqual(newStatus)
    const before = process.umask(0o077)
    const written = await state.update(begin)
    process.umask(before)
    expect(await opened(path).state.read()).toEqual(written)
    for (const name of ['status.json', 'oslrs-backup.prom'])
      expect(((await stat(join(path, name))).mode & 0o777).toString(8)).toBe('640')
    expect(await readFile(join(path, 'oslrs-backup.prom'), 'utf8')).toBe(metricsText(written))
    expect(JSON.parse(await readFile(join(path, 'status.json'), 'utf8'))).toMatchObject({ formatVersion: 1 })
    expect((await readdir(path)).toSorted()).toEqual(['oslrs-backup.prom', 'status.json'])
    await state.check()
    expect(warnings).toEqual([])
  })

  test('is whole at every instant: a reader never sees half of it, and no writer undoes the other', async () => {
    const path = await newFolder()
    await opened(path).state.update((status) => status)
    const state = { reading: true }
    const reader = (async () => {
      let reads = 0
      while (state.reading) {
        JSON.parse(await readFile(join(path, 'status.json'), 'utf8'))
        expect(await readFile(join(path, 'oslrs-backup.prom'), 'utf8')).toMatch(/\n$/)
        reads += 1
      }
      return reads
    })()
    await opened(path).state.update(begin)
    for (let n = 1; n <= 40; n += 1) {
      const drill = { at: new Date(n).toISOString(), passed: true, key: null, sentence: 'x' }
      await opened(path).state.update((status) => drillDone(status, drill))
    }
    state.reading = false
    expect(await reader).toBeGreaterThan(5)
    const status = await opened(path).state.read()
    expect(status.lastAttempt?.outcome).toBe('running')
    expect(status.lastDrill?.at).toBe(new Date(40).toISOString())
  })

  test('what a killed writer left hinders nothing, and is swept after an hour', async () => {
    const path = await newFolder()
    const [old, fresh] = ['0'.repeat(12), '1'.repeat(12)].map((hex) => join(path, `.status.json.${hex}.unfinished`))
    for (const file of [old, fresh]) await writeFile(file ?? '', '{"half')
    const long = new Date(Date.now() - 2 * 3_600_000)
    await utimes(old ?? '', long, long)
    await opened(path).state.update(begin)
    expect((await readdir(path)).toSorted()).toEqual([
      `.status.json.${'1'.repeat(12)}.unfinished`,
      'oslrs-backup.prom',
      'status.json',
    ])
  })

  test.each([
    ['is cut', '{"formatVersion": 1,'],
    ['is empty', ''],
    ['is of a later version', '{"formatVersion": 2}'],
    ['is of somebody else', '[1, 2]'],
  ])('what %s is begun afresh, and that is told once', async (_how, text) => {
    const path = await newFolder()
    await writeFile(join(path, 'status.json'), text)
    const { state, warnings } = opened(path)
    expect(await state.read()).toEqual(newStatus)
    expect((await state.update(begin)).lastAttempt?.outcome).toBe('running')
    expect((await state.update(begin)).lastAttempt?.outcome).toBe('running')
    expect(warnings).toEqual(['What was remembered cannot be read, and is begun afresh.'])
  })

  test('where it is missing, or may not be written, the process itself remembers, and says so once', async () => {
    const missing = join(await newFolder(), 'nowhere')
    const readOnly = await newFolder()
    await mkdir(join(readOnly, 'status.json'))
    for (const path of [missing, readOnly]) {
      const { state, warnings } = opened(path)
      const once = await state.update(begin)
      expect(once.lastAttempt?.outcome).toBe('running')
      expect(await state.read()).toEqual(once)
      await state.update((status) => status)
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain('The backup does not depend on it.')
      expect(await faultOf(() => state.check())).toBeDefined()
    }
    expect(opened(missing).warnings).toEqual([])
  })

  test('another user may not write there', async () => {
    const path = await newFolder()
    await chmod(path, 0o755)
    if (process.getuid?.() !== 0) return
    const script = `
      const { stateFolder } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/adapters/state-folder.ts'))})
      const journal = { info() {}, debug() {}, warn: (sentence) => console.log(sentence) }
      await stateFolder(${JSON.stringify(path)}, () => '', journal, { now: () => new Date() }).update((status) => status)`
    const { stdout } = await execa('setpriv', [
      '--reuid=nobody',
      '--regid=nogroup',
      '--clear-groups',
      process.execPath,
      '--input-type=module',
      '-e',
      script,
    ])
    expect(stdout).toBe(
      `Nothing is remembered until the next night in ${path}: this user may not write there. The backup does not depend on it.`,
    )
    expect(await readdir(path)).toEqual([])
  })
})
