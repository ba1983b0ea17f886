import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { asFault, exitStatuses, Fault, isErrno, type ExitStatus, type FaultCode } from '../../src/errors.ts'

/** Every code; the type keeps it whole. */
const codes: Readonly<Record<FaultCode, ExitStatus>> = {
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
}

describe('exit statuses', () => {
  test.each(Object.entries(codes))('%s is %i', (code, status) => {
    expect(new Fault(code as FaultCode, 'A sentence.').exitStatus).toBe(status)
    expect(exitStatuses.map((row) => row.status)).toContain(status)
  })

  test('are each told once, in order, with a meaning', () => {
    const statuses = exitStatuses.map((row) => row.status)
    expect(statuses).toEqual([...new Set(statuses)].toSorted((a, b) => a - b))
    expect(exitStatuses.every((row) => row.meaning.length > 0)).toBe(true)
  })

  test('other than 0 each have a fault that leads to them', () => {
    const reached = new Set(Object.values(codes))
    expect(exitStatuses.map((row) => row.status).filter((status) => status !== 0 && !reached.has(status))).toEqual([])
  })
})

describe('a fault', () => {
  test('is an error with a sentence, a hint and all that was found', () => {
    const cause = new Error('underneath')
    const fault = new Fault('refused', 'No.', { hint: 'Do.', all: ['one'], cause })
    expect(fault).toBeInstanceOf(Error)
    expect(fault).toMatchObject({ name: 'Fault', code: 'refused', message: 'No.', hint: 'Do.', all: ['one'], cause })
  })

  test('needs none of these', () => {
    const fault = new Fault('refused', 'No.')
    expect(fault.all).toEqual([])
    expect(fault.hint).toBeUndefined()
    expect('cause' in fault).toBe(false)
  })
})

describe('anything that is thrown', () => {
  test('is the fault itself, where it is one', () => {
    const fault = new Fault('stale', '')
    expect(asFault(fault)).toBe(fault)
  })

  test.each([
    ['an error', new TypeError('the password is hunter2'), 'TypeError'],
    ['a text', 'the password is hunter2', 'string'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'object'],
  ])('that is %s becomes one, and its words are not repeated', (_what, thrown, name) => {
    const fault = asFault(thrown)
    expect(fault.code).toBe('unexpected')
    expect(fault.message).toContain(`(${name})`)
    expect(fault.message).not.toContain('hunter2')
  })

  test('stays underneath, for whoever asks', () => {
    const thrown = new TypeError('x')
    expect(asFault(thrown).cause).toBe(thrown)
    expect(inspect(asFault(thrown))).toContain('TypeError')
  })
})

describe('errors of the operating system', () => {
  const enoent = Object.assign(new Error('x'), { code: 'ENOENT' })
  test.each([
    [enoent, ['ENOENT'], true],
    [enoent, ['EACCES', 'ENOENT'], true],
    [enoent, ['EACCES'], false],
    [enoent, [], false],
    [new Error('ENOENT'), ['ENOENT'], false],
    [{ code: 'ENOENT' }, ['ENOENT'], false],
    [Object.assign(new Error('x'), { code: 2 }), ['2'], false],
    [undefined, ['ENOENT'], false],
  ])('%o, asked for %j: %s', (thrown, asked, is) => {
    expect(isErrno(thrown, ...asked)).toBe(is)
  })
})

test.each([
  ['EMFILE', 'LimitNOFILE='],
  ['ENFILE', 'sysctl fs.file-nr'],
])('%s is named, whoever has met it', (code, nextStep) => {
  const fault = asFault(Object.assign(new Error(`${code}: too many open files, open '/some/where'`), { code }))
  expect(fault).toMatchObject({ code: 'unexpected', message: `No more files may be opened (${code}).` })
  expect(fault.hint).toContain(nextStep)
})
