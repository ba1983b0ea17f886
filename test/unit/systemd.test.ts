import { describe, expect, test } from 'vitest'
import { parseServiceEnd, parseUnitState } from '../../src/adapters/systemd.ts'
import { unitEndText } from '../../src/domain/unit-end.ts'

const shown = (more: Readonly<Record<string, string>>): string =>
  Object.entries({
    Result: 'success',
    ExecMainCode: '0',
    ExecMainStatus: '0',
    NRestarts: '0',
    SubState: 'dead',
    ...more,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')

describe('what systemctl show says', () => {
  test.each<[string, Readonly<Record<string, string>>, string]>([
    [
      'an exit status',
      { Result: 'exit-code', ExecMainCode: '1', ExecMainStatus: '70' },
      'It ended with exit status 70.',
    ],
    [
      'SIGKILL',
      { Result: 'signal', ExecMainCode: '2', ExecMainStatus: '9' },
      'It was killed by the signal SIGKILL, which a person sends, or the kernel when the memory runs out.',
    ],
    [
      'another signal',
      { Result: 'signal', ExecMainCode: '2', ExecMainStatus: '6' },
      'It was killed by the signal SIGABRT.',
    ],
    ['a crash', { Result: 'core-dump', ExecMainCode: '3', ExecMainStatus: '11' }, 'It crashed (SIGSEGV).'],
    [
      'no memory',
      { Result: 'oom-kill', ExecMainCode: '2', ExecMainStatus: '9' },
      'It was killed because the memory ran out (SIGKILL).',
    ],
    [
      'a hang that ended by itself when told to',
      { Result: 'timeout', ExecMainCode: '1', ExecMainStatus: '143' },
      'It hung until its time was up, and was ended.',
    ],
    [
      'a hang',
      { Result: 'timeout', ExecMainCode: '2', ExecMainStatus: '9' },
      'It hung until its time was up, and was ended (SIGKILL).',
    ],
    [
      'too many starts',
      { Result: 'start-limit-hit', ExecMainCode: '1', ExecMainStatus: '75' },
      'It was started too often, and systemd refuses to start it again for an hour.',
    ],
    ['no start', { Result: 'resources' }, 'systemd could not start or keep it: its result is "resources".'],
    [
      'a signal that nobody knows',
      { Result: 'signal', ExecMainCode: '2', ExecMainStatus: '99' },
      'It was killed by the signal signal 99.',
    ],
  ])('of %s', (_what, values, sentence) => {
    const state = parseUnitState('a.service', shown({ NRestarts: '3', SubState: 'failed', ...values }))
    expect(state).toMatchObject({ restarts: 3, subState: 'failed' })
    expect(unitEndText(state?.end ?? { result: '', exitStatus: undefined, signal: undefined })).toBe(sentence)
  })

  test.each(['', 'Failed to connect to bus', 'NRestarts=\nResult=success', 'Result=success\nSubState=dead'])(
    '%j is no answer',
    (text) => {
      expect(parseUnitState('a.service', text)).toBeUndefined()
    },
  )
})

describe('what ExecStopPost= writes', () => {
  test.each([
    ['exit-code exited 75\n', { result: 'exit-code', exitStatus: 75, signal: undefined }],
    ['signal killed KILL\n', { result: 'signal', exitStatus: undefined, signal: 'SIGKILL' }],
    ['core-dump dumped SEGV', { result: 'core-dump', exitStatus: undefined, signal: 'SIGSEGV' }],
    ['oom-kill killed KILL', { result: 'oom-kill', exitStatus: undefined, signal: 'SIGKILL' }],
    ['start-limit-hit', { result: 'start-limit-hit', exitStatus: undefined, signal: undefined }],
    ['resources  ', { result: 'resources', exitStatus: undefined, signal: undefined }],
    ['', undefined],
    ['\n', undefined],
  ])('%j', (text, end) => {
    expect(parseServiceEnd(text)).toEqual(end)
  })
})
