import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import { asOfAttempt, attemptAfter, byHand, isBeyond, isLast, secondsLeftToWait } from '../../src/domain/attempt.ts'
import { Fault, type FaultCode } from '../../src/errors.ts'

const waits = [60, 300, 900]

describe('the attempts of a night', () => {
  test.each([
    [0, 1, 0, 'one of several'],
    [1, 2, 0, 'one of several'],
    [2, 3, 240, 'one of several'],
    [3, 4, 840, 'the last'],
    [4, 5, 0, 'beyond the last'],
    [9, 10, 0, 'beyond the last'],
  ])('after %i restarts it is number %i, which waits %i s more, and is %s', (restarts, number, seconds, place) => {
    const attempt = attemptAfter(restarts, waits)
    expect(attempt).toEqual({ number, of: 4 })
    expect(secondsLeftToWait(attempt, waits)).toBe(seconds)
    expect(isBeyond(attempt) ? 'beyond the last' : isLast(attempt) ? 'the last' : 'one of several').toBe(place)
  })

  test('come 60, 300 and 900 seconds after one another, by what the unit itself says', () => {
    const unit = readFileSync(join(import.meta.dirname, '../../systemd/oslrs-backup.service'), 'utf8')
    const value = (pattern: RegExp): string => pattern.exec(unit)?.[1] ?? ''
    const inUnit = value(/^Environment=BACKUP_RETRY_WAITS=(.*)$/m)
    const restartSeconds = Number(value(/^RestartSec=(\d+)$/m))
    expect(inUnit).toBe(settings.BACKUP_RETRY_WAITS.standard)
    const unitWaits = settings.BACKUP_RETRY_WAITS.parse.parse(inUnit)
    expect(
      [1, 2, 3].map((restarts) => restartSeconds + secondsLeftToWait(attemptAfter(restarts, unitWaits), unitWaits)),
    ).toEqual([60, 300, 900])
    expect(value(/^RestartPreventExitStatus=(.*)$/m)).toBe('64 65 70 73 78')
  })

  test.each<[FaultCode, number, number]>([
    ['database-unavailable', 1, 75],
    ['database-unavailable', 3, 75],
    ['database-unavailable', 4, 70],
    ['lock-held', 3, 69],
    ['lock-held', 4, 70],
    ['unexpected', 4, 70],
    ['configuration', 1, 78],
    ['configuration', 4, 78],
    ['refused', 4, 73],
    ['damaged', 4, 65],
    ['terminated', 4, 143],
    ['gave-up', 5, 70],
  ])('a fault "%s" on attempt %i ends with %i, in the same words', (code, number, status) => {
    const fault = new Fault(code, 'A sentence.', { all: ['one'], hint: 'Do.' })
    const seen = asOfAttempt(fault, { number, of: 4 })
    expect(seen).toMatchObject({ exitStatus: status, message: 'A sentence.', all: ['one'], hint: 'Do.' })
  })

  test('of a run by hand are one, which is not the last', () => {
    expect(isLast(byHand)).toBe(false)
    expect(asOfAttempt(new Fault('stalled', ''), byHand).exitStatus).toBe(75)
  })

  test.each<[readonly number[], number, readonly number[]]>([
    [[1, 2, 4], 4, [0, 0, 1, 3]],
    [[60], 2, [0, 0]],
    // The first is what systemd waits in any case.
    [[60, 30], 3, [0, 0, 0]],
  ])('may be other ones: %j', (others, of, seconds) => {
    const attempts = Array.from({ length: of }, (_, restarts) => attemptAfter(restarts, others))
    expect(attempts.map((attempt) => secondsLeftToWait(attempt, others))).toEqual(seconds)
    expect(attempts.map(isLast)).toEqual(attempts.map(({ number }) => number === of))
  })
})
