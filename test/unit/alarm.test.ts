import { describe, expect, test } from 'vitest'
import { alarmOf, kindOfUnit, type FailedUnit } from '../../src/domain/alarm.ts'
import { newStatus, type Failure, type Status } from '../../src/domain/status.ts'

const now = new Date('2026-02-24T06:00:05Z')
const startedAt = new Date('2026-02-24T01:21:00Z')

const failed = (end: Partial<FailedUnit['end']>, more: Partial<FailedUnit> = {}): FailedUnit => ({
  name: 'oslrs-backup.service',
  restarts: 3,
  subState: 'failed',
  startedAt,
  end: { result: 'exit-code', exitStatus: undefined, signal: undefined, ...end },
  ...more,
})

const failure: Failure = { stage: 'inspect', code: 'database-unavailable', message: 'No.', all: [], hint: null }
const attempted = (at: string, outcome: 'failed' | 'running' | 'succeeded'): Status => ({
  ...newStatus,
  lastAttempt: { startedAt: at, endedAt: at, attempt: 4, outcome, failure: outcome === 'failed' ? failure : null },
})
const mailed = (at: string, accepted = 1): Status['lastMail'] => ({ at, subject: '', accepted, refused: [] })

describe('a backup that has failed', () => {
  test('is told in the words of the last attempt, which are remembered', () => {
    const status = attempted('2026-02-24T01:21:01.500Z', 'failed')
    expect(alarmOf('backup', failed({ exitStatus: 70 }), status, now)).toEqual({
      tell: true,
      what: 'backup',
      failure: undefined,
      attempts: 4,
    })
  })

  test.each<[string, FailedUnit | undefined, Status, string]>([
    [
      'killed',
      failed({ result: 'signal', signal: 'SIGKILL' }),
      attempted('2026-02-24T01:21:01Z', 'running'),
      'SIGKILL',
    ],
    ['out of memory', failed({ result: 'oom-kill', signal: 'SIGKILL' }), newStatus, 'the memory ran out'],
    ['hung', failed({ result: 'timeout', exitStatus: 143 }), newStatus, 'It hung'],
    [
      'started too often',
      failed({ result: 'start-limit-hit', exitStatus: 75 }),
      attempted('2026-02-24T01:21:01Z', 'failed'),
      'too often',
    ],
    ['of before, not of now', failed({ exitStatus: 1 }), attempted('2026-02-23T01:21:01Z', 'failed'), 'exit status 1.'],
    [
      'at work when it ended',
      failed({ exitStatus: 70 }),
      attempted('2026-02-24T01:21:01Z', 'running'),
      'exit status 70.',
    ],
    ['never begun', failed({ result: 'resources' }, { startedAt: undefined }), newStatus, '"resources"'],
    ['unknown to systemd', undefined, newStatus, 'systemd does not say how'],
  ])('is told in those of systemd where it was %s', (_what, unit, status, words) => {
    const alarm = alarmOf('backup', unit, status, now)
    expect(alarm).toMatchObject({ tell: true, attempts: unit === undefined ? 1 : 4 })
    expect(alarm.tell ? alarm.failure?.message : '').toContain(words)
  })

  test.each<[string, FailedUnit]>([
    ['another attempt comes', failed({ exitStatus: 75 }, { subState: 'auto-restart' })],
    ['another attempt comes, as systemd 254 calls it', failed({ exitStatus: 75 }, { subState: 'auto-restart-queued' })],
    ['another attempt waits for its time', failed({ exitStatus: 75 }, { subState: 'start-pre' })],
    ['another attempt is made', failed({ exitStatus: 75 }, { subState: 'start' })],
    ['it has not failed', failed({ result: 'success', exitStatus: 0 }, { subState: 'dead' })],
  ])('is not told where %s', (_what, unit) => {
    for (const what of ['backup', 'drill', 'watch'] as const)
      expect(alarmOf(what, unit, newStatus, now)).toMatchObject({ tell: false })
  })
})

describe('the watch', () => {
  const stale = failed({ exitStatus: 65 }, { name: 'oslrs-backup-watch.service', restarts: 0 })
  test.each<[string, Status, boolean]>([
    ['nobody was told', newStatus, true],
    ["tonight's failure was told", { ...newStatus, failureMail: mailed('2026-02-24T01:21:30Z') }, false],
    [
      'it was told late, when the mail server was back',
      { ...newStatus, failureMail: mailed('2026-02-24T05:59:00Z') },
      false,
    ],
    ['it was sent, and nobody took it', { ...newStatus, failureMail: mailed('2026-02-24T01:21:30Z', 0) }, true],
    [
      "yesterday's failure was told, and tonight nothing ran",
      { ...newStatus, failureMail: mailed('2026-02-23T01:21:30Z') },
      true,
    ],
    ['a mail about something else was accepted', { ...newStatus, lastMail: mailed('2026-02-24T01:21:30Z') }, true],
  ])('speaks where nobody else has: %s', (_what, status, tell) => {
    expect(alarmOf('watch', stale, status, now).tell).toBe(tell)
  })

  test('says what it saw, or that it saw nothing', () => {
    const words = (unit: FailedUnit): string => {
      const alarm = alarmOf('watch', unit, newStatus, now)
      return alarm.tell ? (alarm.failure?.message ?? '') : ''
    }
    expect(words(stale)).toContain('The newest complete backup is older than it may be')
    expect(words(failed({ exitStatus: 75 }))).toContain('could not look')
  })
})

describe('the drill', () => {
  const unit = failed({ exitStatus: 65 }, { name: 'oslrs-backup-verify.service', restarts: 0 })
  const drill = { at: '2026-02-24T01:25:00Z', passed: false, key: null, sentence: '' }
  test.each<[string, Status, boolean]>([
    ['it could not be made', newStatus, true],
    ['it has told of itself', { ...newStatus, lastDrill: drill, lastMail: mailed('2026-02-24T01:25:01Z') }, false],
    [
      'its mail was not accepted',
      { ...newStatus, lastDrill: drill, lastMail: mailed('2026-02-24T01:25:01Z', 0) },
      true,
    ],
    ['the mail was of before', { ...newStatus, lastDrill: drill, lastMail: mailed('2026-02-24T01:20:00Z') }, true],
    [
      'the last one passed, and then something else went wrong',
      { ...newStatus, lastDrill: { ...drill, passed: true }, lastMail: mailed('2026-02-24T01:25:01Z') },
      true,
    ],
  ])('is told once: %s', (_what, status, tell) => {
    expect(alarmOf('drill', unit, status, now).tell).toBe(tell)
  })
})

test.each([
  ['oslrs-backup.service', 'backup'],
  ['oslrs-backup-verify.service', 'drill'],
  ['oslrs-backup-watch.service', 'watch'],
  ['oslrs-backup-alert@oslrs-backup.service', undefined],
  ['oslrs-backup', undefined],
  ['constructor', undefined],
])('%s is about %s', (unit, what) => {
  expect(kindOfUnit(unit)).toBe(what)
})
