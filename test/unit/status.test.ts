import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  attemptBegun,
  attemptFailed,
  attemptStopped,
  attemptSucceeded,
  decodeStatus,
  drillDone,
  encodeStatus,
  mailSent,
  newStatus,
  settled,
  type Failure,
  type Status,
} from '../../src/domain/status.ts'

const at = (hour: number, minute = 0): Date =>
  new Date(Date.UTC(2026, 1, 24 + Math.floor(hour / 24), hour % 24, minute))
const failure: Failure = { stage: 'dump', code: 'dump-failed', message: 'pg_dump died.', all: ['a'], hint: null }
const fail = (status: Status, startedAt: Date, attempt = 1): Status =>
  attemptFailed(status, { startedAt, attempt, failure, now: new Date(startedAt.getTime() + 60_000) })
const succeed = (status: Status, startedAt: Date, more: { attempt?: number; administrators?: string[] } = {}): Status =>
  attemptSucceeded(
    status,
    {
      startedAt: startedAt.toISOString(),
      endedAt: startedAt.toISOString(),
      attempt: more.attempt ?? 1,
      key: 'k',
      sizeBytes: 10,
      checksumSha256: 'a',
      durationMs: 1000,
      anomalies: [],
      notes: [],
    },
    { administrators: more.administrators, monthlySizeBytes: null },
  )
const mail = (accepted: number, refused: string[] = []) => ({
  at: at(2).toISOString(),
  subject: 's',
  accepted,
  refused,
})

describe('consecutive failures', () => {
  test('are nights: the attempts of one count once, and the first of them tells since when', () => {
    const night = [1, 2, 3, 4].reduce((status, attempt) => fail(status, at(1, attempt), attempt), newStatus)
    expect(night).toMatchObject({ consecutiveFailures: 1, failingSince: at(1, 1).toISOString() })
    expect(fail(night, at(25))).toMatchObject({ consecutiveFailures: 2, failingSince: at(1, 1).toISOString() })
    expect(succeed(night, at(25))).toMatchObject({ consecutiveFailures: 0, failingSince: null, failureMail: null })
  })

  test('are not made by a person who stops a run', () => {
    const stopped = attemptStopped(attemptBegun(newStatus, { startedAt: at(1), attempt: 1 }), {
      startedAt: at(1),
      attempt: 1,
      now: at(2),
    })
    expect(stopped).toMatchObject({ consecutiveFailures: 0, lastAttempt: { outcome: 'stopped', failure: null } })
  })

  test('are made by an attempt that was killed, as soon as somebody looks', () => {
    const running = attemptBegun(newStatus, { startedAt: at(1), attempt: 1 })
    expect(settled(running, at(2))).toMatchObject({
      consecutiveFailures: 1,
      lastAttempt: { outcome: 'failed', failure: { code: 'killed', stage: null } },
    })
    expect(attemptBegun(running, { startedAt: at(2), attempt: 2 })).toMatchObject({
      consecutiveFailures: 1,
      lastAttempt: { outcome: 'running', attempt: 2 },
    })
    expect(settled(settled(running, at(2)), at(3))).toEqual(settled(running, at(2)))
  })
})

describe('what is remembered', () => {
  test('of the administrators stays when the database has no such tables', () => {
    const known = succeed(newStatus, at(1), { administrators: ['a@oyo.ng'] })
    expect(succeed(known, at(25)).recipients).toEqual(['a@oyo.ng'])
    expect(succeed(known, at(25), { administrators: [] }).recipients).toEqual([])
    expect(fail(known, at(25)).recipients).toEqual(['a@oyo.ng'])
  })

  test('of a mail that reached nobody stays until another one is accepted', () => {
    const lost = mailSent(newStatus, mail(0, ['a…@oyo.ng: down.']), 'a failed backup')
    expect(lost).toMatchObject({ undelivered: { accepted: 0 }, failureMail: { accepted: 0 } })
    expect(succeed(lost, at(25)).undelivered).not.toBeNull()
    expect(mailSent(lost, mail(0, ['a…@oyo.ng: down.']), 'something else').undelivered).not.toBeNull()
    expect(mailSent(lost, mail(1, ['b…@oyo.ng: no.']), 'something else').undelivered).toBeNull()
    expect(mailSent(newStatus, mail(2), 'something else').failureMail).toBeNull()
  })

  test('of a drill stays whatever the nights bring', () => {
    const drill = { at: at(3).toISOString(), passed: true, key: 'k', sentence: 'Restored.' }
    expect(succeed(fail(drillDone(newStatus, drill), at(25)), at(49)).lastDrill).toEqual(drill)
  })

  test('of durations is begun afresh when the bounds are those of another version', () => {
    const other = { ...newStatus, durations: { boundsSeconds: [1], counts: [7, 7], sumMs: 9 } }
    const { durations } = succeed(other, at(1))
    expect(durations.sumMs).toBe(1000)
    expect(durations.counts.reduce((sum, count) => sum + count, 0)).toBe(1)
  })
})

describe('the file', () => {
  test('keeps every history whole', () => {
    const step = fc.constantFrom<(status: Status, n: number) => Status>(
      (status, n) => attemptBegun(status, { startedAt: at(n), attempt: 1 }),
      (status, n) => fail(status, at(n), 1 + (n % 4)),
      (status, n) => succeed(status, at(n), { administrators: ['a@oyo.ng'] }),
      (status, n) => attemptStopped(status, { startedAt: at(n), attempt: 1, now: at(n) }),
      (status) => mailSent(status, mail(0, ['x']), 'a failed backup'),
      (status, n) => drillDone(status, { at: at(n).toISOString(), passed: false, key: null, sentence: 'x' }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const status = steps.reduce((so, change, n) => change(so, n), newStatus)
        expect(decodeStatus(encodeStatus(status))).toEqual(status)
      }),
    )
  })

  test.each(['', '{', '[]', '{"formatVersion":2}', JSON.stringify({ ...newStatus, consecutiveFailures: -1 })])(
    'that says %j is none',
    (text) => {
      expect(decodeStatus(text)).toBe(undefined)
    },
  )

  test('takes a failure with more sentences than it may hold', () => {
    const many = { ...failure, all: Array.from({ length: 5000 }, () => 'x'.repeat(9000)), message: 'x'.repeat(9000) }
    const status = attemptFailed(newStatus, { startedAt: at(1), attempt: 1, failure: many, now: at(1) })
    expect(decodeStatus(encodeStatus(status))).toEqual(status)
  })
})
