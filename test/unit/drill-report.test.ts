import { describe, expect, test } from 'vitest'
import type { Check } from '../../src/domain/check.ts'
import {
  decodeReport,
  encodeReport,
  lastDrillOf,
  type DrillReport,
  type StoredReport,
} from '../../src/domain/drill-report.ts'
import { statusOfDrill, verdictOfDrill } from '../../src/domain/drill-verdict.ts'
import { standardMaxAgeMs, verdictOf } from '../../src/domain/freshness.ts'
import { newStatus } from '../../src/domain/status.ts'
import { auditBefore } from '../../src/commands/drill-reports.ts'
import { drillOutcome } from '../../src/present/drill.ts'
import { listOutcome } from '../../src/present/list.ts'
import { paintFor } from '../../src/present/paint.ts'
import { completeBackup, dataKey, digestOf, newKeyPair } from '../support/builders.ts'
import { reportOf } from '../support/drill-reports.ts'

const plain = paintFor(false)
const key = dataKey('2026-02-24')
const stored = (more: Partial<DrillReport> = {}, signature: StoredReport['signature'] = 'valid'): StoredReport => ({
  key: 'backups/drills/2026-03-02T03-00-12Z-drill.json',
  report: reportOf(more),
  signature,
})

describe('a report', () => {
  const [ours, other] = [newKeyPair(), newKeyPair()]

  test.each<[string, string, StoredReport['signature']]>([
    ['signed', encodeReport(reportOf(), ours.privateKey), 'valid'],
    ['not signed', encodeReport(reportOf(), undefined), 'unsigned'],
    ['signed by another', encodeReport(reportOf(), other.privateKey), 'unknown-key'],
    ['altered', encodeReport(reportOf(), ours.privateKey).replace('"rows": 4527', '"rows": 4528'), 'wrong'],
    ['turned green', encodeReport(reportOf({ verdict: 'red' }), ours.privateKey).replace('"red"', '"green"'), 'wrong'],
  ])('that is %s is known for that', (_what, text, signature) => {
    expect(decodeReport('k', text, [ours.publicKey])).toMatchObject({ key: 'k', signature })
  })

  test.each([
    ['no JSON', '{'],
    ['a manifest', JSON.stringify(completeBackup('2026-02-24').manifest)],
    ['of a later format', encodeReport(reportOf(), undefined).replace('"formatVersion": 1', '"formatVersion": 2')],
  ])('that is %s is none', (_what, text) => {
    expect(decodeReport('k', text, [])).toBeUndefined()
  })

  test('speaks for the same stored bytes alone, and the newest one counts', () => {
    const reports = [
      stored({ startedAt: '2026-03-02T03:00:00.000Z', verdict: 'red' }),
      stored({ startedAt: '2026-04-02T03:00:00.000Z' }),
      stored({ startedAt: '2026-05-02T03:00:00.000Z', backup: { ...reportOf().backup, sha256: digestOf('f') } }),
    ]
    expect(lastDrillOf(reports, { key, sha256: digestOf('a') })).toBe(reports[1])
    expect(lastDrillOf(reports, { key: dataKey('2026-02-25'), sha256: digestOf('a') })).toBeUndefined()
    expect(lastDrillOf(reports, { key, sha256: undefined })).toBeUndefined()
  })

  test('says what the audit chain was like before, where its word counts', () => {
    const before = reportOf().auditChain
    expect(auditBefore([], [])).toBeNull()
    expect(auditBefore([stored({ auditChain: null }), stored()], [])).toEqual(before)
    expect(auditBefore([stored({}, 'unsigned')], [])).toEqual(before)
    expect(auditBefore([stored({}, 'unsigned')], [ours.publicKey])).toBeNull()
    const honest = stored({ auditChain: { rows: 1, tailHash: null, selfHashFailures: 0, forks: 0, gaps: 0 } })
    expect(auditBefore([stored({}, 'wrong'), honest], [ours.publicKey])).toEqual(honest.report.auditChain)
  })
})

describe('the verdict', () => {
  const failed = (exitStatus: NonNullable<Check['exitStatus']>): Check => ({
    name: `c${String(exitStatus)}`,
    state: 'failed',
    detail: '',
    exitStatus,
  })
  const ok: Check = { name: 'ok', state: 'ok', detail: '' }
  const note: Check = { name: 'note', state: 'warning', detail: '' }
  test.each<[string, Check[], number, string, RegExp]>([
    ['all good', [ok], 0, 'green', /^GREEN: .* is what was recorded\.$/],
    ['with a note', [ok, note], 0, 'green', /\(1 note\)\.$/],
    ['something is not good', [ok, failed(65)], 65, 'red', /^RED: .* is not good: c65\.$/],
    ['something could not be checked', [failed(75)], 75, 'not-made', /^NOT MADE: .*c75 could not be checked\.$/],
    ['the configuration is at fault', [failed(78), failed(75)], 78, 'not-made', /^NOT MADE: /],
    ['red outweighs', [failed(75), failed(65)], 65, 'red', /^RED: /],
  ])('%s', (_what, checks, status, verdict, sentence) => {
    expect(statusOfDrill(checks)).toBe(status)
    const judged = verdictOfDrill(checks, { key, state: 'complete' })
    expect(judged.verdict).toBe(verdict)
    expect(judged.sentence).toMatch(sentence)
  })
})

describe('what is shown of drills', () => {
  const view = (more: Partial<Parameters<typeof drillOutcome>[0]> = {}) => ({
    drills: [{ report: reportOf(), reportKey: 'backups/drills/x', after: [] }],
    passedOver: [],
    warnings: [],
    ...more,
  })
  const notStored: Check = { name: 'report', state: 'failed', detail: 'no right', exitStatus: 78 }

  test.each<[string, Parameters<typeof drillOutcome>[0], number]>([
    ['green', view(), 0],
    [
      'red',
      view({ drills: [{ report: reportOf({ verdict: 'red', exitStatus: 65 }), reportKey: 'x', after: [] }] }),
      65,
    ],
    [
      'not made',
      view({ drills: [{ report: reportOf({ verdict: 'not-made', exitStatus: 75 }), reportKey: 'x', after: [] }] }),
      75,
    ],
    [
      'a report that could not be stored',
      view({ drills: [{ report: reportOf(), reportKey: null, after: [notStored] }] }),
      78,
    ],
    ['a newer backup that cannot be used', view({ passedOver: [{ ...notStored, exitStatus: 65 }] }), 65],
    [
      'one of several that is red',
      view({
        drills: [
          { report: reportOf({ verdict: 'not-made', exitStatus: 75 }), reportKey: 'x', after: [] },
          { report: reportOf({ verdict: 'red', exitStatus: 65 }), reportKey: 'y', after: [] },
        ],
      }),
      65,
    ],
  ])('%s ends with its status', (_what, given, exitStatus) => {
    expect(drillOutcome(given, plain).exitStatus).toBe(exitStatus)
  })

  test('what comes from outside does no harm on a terminal', () => {
    const hostile = 'evil\u001b[2J\u0007'
    const report = reportOf({
      sentence: hostile,
      checks: [{ name: 'x', state: 'failed', detail: hostile, hint: hostile }],
      by: { ...reportOf().by, host: hostile },
    })
    const { text } = drillOutcome(view({ drills: [{ report, reportKey: null, after: [] }] }), plain)
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })

  const listed = (drill: StoredReport | undefined) =>
    listOutcome(
      {
        place: 'x',
        backups: [completeBackup('2026-02-24')],
        suspicions: new Map(),
        verdict: verdictOf(
          [completeBackup('2026-02-24')],
          { dailyDays: 7, monthlyMonths: 84 },
          standardMaxAgeMs,
          new Date('2026-02-24T10:00:00Z'),
        ),
        drills: new Map(drill === undefined ? [] : [[key, drill]]),
        stale: false,
        warnings: [],
        status: newStatus,
        now: new Date('2026-03-04T03:00:12.345Z'),
      },
      plain,
    ).text
  test.each<[string, StoredReport | undefined, RegExp, RegExp]>([
    ['never', undefined, / complete$/m, /^(?![^]*Last drill)/],
    ['green', stored(), / complete, drilled$/m, /^Last drill, 2 d 0 h ago: GREEN: .*recorded\.$/m],
    ['red', stored({ verdict: 'red', sentence: 'RED: x' }), / drill RED$/m, /^Last drill, .* ago: RED: x$/m],
    ['not made', stored({ verdict: 'not-made', sentence: 'NOT MADE: x' }), / complete$/m, /: NOT MADE: x$/m],
    [
      'green, by nobody who is trusted',
      stored({}, 'unknown-key'),
      / complete, drilled$/m,
      /no signature that is trusted here\.$/m,
    ],
  ])('list: drilled %s', (_what, drill, state, line) => {
    expect(listed(drill)).toMatch(state)
    expect(listed(drill)).toMatch(line)
  })
})
