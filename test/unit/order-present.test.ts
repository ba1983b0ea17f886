import { describe, expect, test } from 'vitest'
import { acceptanceOf, type Ack } from '../../src/domain/ack.ts'
import { catalogOf, type Backup } from '../../src/domain/catalog.ts'
import type { HeldPromotion, PromotionPlan } from '../../src/domain/promotion.ts'
import type { Decision, RetentionPlan } from '../../src/domain/retention.ts'
import { Fault } from '../../src/errors.ts'
import {
  acceptanceOutcome,
  promoteOutcome,
  pruneOutcome,
  type PromoteView,
  type PruneView,
} from '../../src/present/order.ts'
import { outcomeDocument } from '../../src/present/outcome.ts'
import { paintFor } from '../../src/present/paint.ts'
import {
  completeBackup,
  dataKey,
  decodedOlder,
  holdings,
  layout,
  manifestKey,
  olderManifestOf,
} from '../support/builders.ts'

const plain = paintFor(false)
const hostile = 'evil\u001b[2J\u0007\r\u009b'
/** All that a terminal would obey, but for the ends of lines. */
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/

const decision = (period: string, ...because: readonly string[]): Decision => ({
  backup: completeBackup(period),
  because,
})
const nothing: RetentionPlan = { keep: [], remove: [], held: [], heldBack: 0 }
const prune = (plan: Partial<RetentionPlan>, more: Partial<Omit<PruneView, 'plan'>> = {}): PruneView => ({
  plan: { ...nothing, ...plan },
  sweep: { uploads: [], records: [] },
  dryRun: false,
  removed: [],
  faults: [],
  ...more,
})
const storageFault = new Fault('storage-failed', 'The store did not answer.', { hint: 'Look at its status page.' })
const refused = new Fault('refused', 'Its manifest has changed.')

const stays = decision('2026-02-24', 'within the last 7 days', 'the newest complete one')
const leaves = decision('2026-02-17', 'older than 7 days')
const leavesToo = decision('2018-01', 'older than 84 months')
const sweep: PruneView['sweep'] = {
  uploads: [{ upload: { key: dataKey('2026-02-22') }, because: 'an upload that never ended' }],
  records: [{ key: 'backups/canary/0b9e', because: 'left by a preflight' }],
}

describe('pruning ends', () => {
  const heldPlan = { held: ['There is no complete backup.'] }
  test.each<readonly [string, number, PruneView]>([
    ['with 0 when there was nothing to do', 0, prune({})],
    ['with 0 when all that was due went', 0, prune({ remove: [leaves], keep: [stays] })],
    ['with 0 after a dry run, also when something would go', 0, prune({ remove: [leaves] }, { dryRun: true })],
    ['with 0 when nothing may go and nothing was due', 0, prune({ ...heldPlan, heldBack: 0 })],
    ['with 73 when something is held back', 73, prune({ ...heldPlan, heldBack: 1 })],
    ['with 73 when a dry run shows that', 73, prune({ ...heldPlan, heldBack: 1 }, { dryRun: true })],
    [
      "with the first fault's status",
      75,
      prune(
        { remove: [leaves, leavesToo] },
        {
          faults: [
            { key: leaves.backup.key, fault: storageFault },
            { key: leavesToo.backup.key, fault: refused },
          ],
        },
      ),
    ],
    [
      "with the first fault's status, in their order",
      73,
      prune(
        { remove: [leaves, leavesToo] },
        {
          faults: [
            { key: leavesToo.backup.key, fault: refused },
            { key: leaves.backup.key, fault: storageFault },
          ],
        },
      ),
    ],
    [
      'with a fault rather than with what is held back',
      75,
      prune({ ...heldPlan, heldBack: 3 }, { faults: [{ key: 'backups/canary/1', fault: storageFault }] }),
    ],
  ])('%s', (_what, exitStatus, view) => {
    expect(pruneOutcome(view, plain).exitStatus).toBe(exitStatus)
  })
})

describe('pruning tells', () => {
  test('each backup with all its reasons, what goes first, and then how many', () => {
    const view = prune(
      { keep: [stays, decision('2026-02', 'within the last 84 months')], remove: [leaves, leavesToo] },
      { sweep, removed: [manifestKey('2026-02-17'), dataKey('2026-02-17')] },
    )
    const lines = pruneOutcome(view, plain).text.split('\n')
    expect(lines).toEqual([
      '      TIER     DATE        STATE     BECAUSE',
      'go    daily    2026-02-17  complete  older than 7 days',
      'go    monthly  2018-01     complete  older than 84 months',
      'stay  daily    2026-02-24  complete  within the last 7 days',
      '                                     the newest complete one',
      'stay  monthly  2026-02     complete  within the last 84 months',
      '',
      'go: backups/canary/0b9e (left by a preflight)',
      'go: backups/daily/2026-02-22-app_db.sql.gz.age (an upload that never ended)',
      'Removed 4 of the 4 backups and leftovers that were due, and 2 backups stay.',
      '',
    ])
  })

  test('leftovers without a table where there is no backup', () => {
    expect(pruneOutcome(prune({}, { sweep }), plain).text).toBe(
      [
        'go: backups/canary/0b9e (left by a preflight)',
        'go: backups/daily/2026-02-22-app_db.sql.gz.age (an upload that never ended)',
        'Removed 2 of the 2 backups and leftovers that were due, and 0 backups stay.',
        '',
      ].join('\n'),
    )
  })

  test('of a dry run, what would go, and that nothing was changed', () => {
    const { text } = pruneOutcome(prune({ keep: [stays, stays], remove: [leaves] }, { sweep, dryRun: true }), plain)
    expect(text).toMatch(/^would go {2}daily {2}2026-02-17 {2}complete /m)
    expect(text).toMatch(/^would go: backups\/canary\/0b9e \(left by a preflight\)$/m)
    expect(text).not.toMatch(/^go\b/m)
    expect(text).toMatch(/\nWould remove 1 backup and 2 leftovers, and keep 2 backups\. Nothing was changed\.\n$/)
  })

  test.each<readonly [string, Partial<RetentionPlan>]>([
    ['Would remove 0 backups and 0 leftovers, and keep 0 backups. Nothing was changed.', {}],
    [
      'Would remove 1 backup and 0 leftovers, and keep 1 backup. Nothing was changed.',
      { keep: [stays], remove: [leaves] },
    ],
  ])('numbers as people say them: %s', (sentence, plan) => {
    expect(
      pruneOutcome(prune(plan, { dryRun: true }), plain)
        .text.trimEnd()
        .split('\n')
        .at(-1),
    ).toBe(sentence)
  })

  test('that nothing went', () => {
    const { text } = pruneOutcome(prune({ keep: [stays, decision('2026-02-23', 'within the last 7 days')] }), plain)
    expect(text).toContain('\nNothing was removed, and 2 backups stay.\n')
  })

  test('one that stays as one', () => {
    expect(pruneOutcome(prune({ keep: [stays] }), plain).text).toMatch(/\nNothing was removed, and 1 backup stays\.\n$/)
    expect(pruneOutcome(prune({ keep: [stays], remove: [leaves] }), plain).text).toMatch(
      /\nRemoved 1 of the 1 backups and leftovers that were due, and 1 backup stays\.\n$/,
    )
  })

  test('of an empty store one line, and no empty table', () => {
    expect(pruneOutcome(prune({}), plain).text).toBe('Nothing was removed, and 0 backups stay.\n')
  })

  test('what failed, with what to do, and counts it out', () => {
    const { text } = pruneOutcome(
      prune(
        { keep: [stays, stays], remove: [leaves, leavesToo] },
        {
          removed: [dataKey('2018-01')],
          faults: [{ key: leaves.backup.key, fault: storageFault }],
        },
      ),
      plain,
    )
    expect(text).toContain(
      [
        'FAILED backups/daily/2026-02-17-app_db.sql.gz.age: The store did not answer.',
        '  → Look at its status page.',
        'Removed 1 of the 2 backups and leftovers that were due, and 2 backups stay.',
      ].join('\n'),
    )
  })

  test('why nothing may go, each reason in a line of its own', () => {
    const held = ['The newest complete backup is 3 d 1 h old, more than 48 h.', 'A date lies in the future.']
    const { text } = pruneOutcome(
      prune({ keep: [decision('2026-02-17', 'held back; would go: older than 7 days')], held, heldBack: 1 }),
      plain,
    )
    expect(text).toContain('stay  daily  2026-02-17  complete  held back; would go: older than 7 days')
    for (const why of held) expect(text).toContain(`\nNothing may be removed now: ${why}\n`)
    expect(text).not.toContain('--accept-anomaly')
  })

  test('how to accept an anomaly where one holds', () => {
    const held = ['The newest backup, of 2026-02-24, carries an anomaly that nobody has accepted: x.']
    expect(pruneOutcome(prune({ held, heldBack: 1 }), plain).text).toContain(
      '\nIf the loss is meant: oslrs-backup prune --accept-anomaly DATE --reason TEXT\n',
    )
  })

  test('of each state its word', () => {
    const older = dataKey('2026-02-20', { sealing: 'aes-256-gcm' })
    const held = holdings(
      { [older]: 1000, [dataKey('2026-02-21')]: 12 },
      {
        [manifestKey('2026-02-20')]: decodedOlder(olderManifestOf('2026-02-20')),
        [manifestKey('2026-02-22')]: { kind: 'unreadable', why: 'its manifest is not JSON' },
      },
    )
    const keep = [completeBackup('2026-02-23'), ...catalogOf(layout, held, [])].map((backup: Backup) => ({
      backup,
      because: ['within the last 7 days'],
    }))
    const states = pruneOutcome(prune({ keep }), plain)
      .text.split('\n')
      .flatMap((line) => /^stay +daily +2026-02-\d\d +(\w+)/.exec(line)?.[1] ?? [])
    expect(states).toEqual(['complete', 'damaged', 'orphan', 'older'])
  })

  test('in colour nothing else', () => {
    const view = prune({ keep: [stays], remove: [leaves], held: ['x'], heldBack: 1 }, { sweep })
    const bare = pruneOutcome(view, paintFor(true)).text.replaceAll(/\u001b\[\d+m/g, '')
    expect(bare).toBe(pruneOutcome(view, plain).text)
    expect(pruneOutcome(view, paintFor(true)).text).not.toBe(bare)
  })

  test('nothing that a terminal would obey', () => {
    const evil: Decision = { ...decision('2026-02-17', hostile) }
    const view = prune(
      { keep: [evil], remove: [evil], held: [hostile], heldBack: 1 },
      {
        sweep: {
          uploads: [{ upload: { key: hostile }, because: 'an upload that never ended' }],
          records: [{ key: hostile, because: 'left by a preflight' }],
        },
        faults: [{ key: hostile, fault: new Fault('storage-failed', hostile, { hint: hostile }) }],
      },
    )
    const { text } = pruneOutcome(view, plain)
    expect(text).not.toMatch(controls)
    expect(text.match(/evil\ufffd\[2J/g)).toHaveLength(8)
  })
})

test('the document of pruning is whole', () => {
  const view = prune(
    {
      keep: [stays, decision('2026-02-10', 'held back; would go: older than 7 days')],
      remove: [leaves],
      held: ['why'],
      heldBack: 1,
    },
    {
      sweep,
      removed: [manifestKey('2026-02-17')],
      faults: [
        { key: 'backups/canary/0b9e', fault: storageFault },
        { key: 'backups/canary/1', fault: refused },
      ],
    },
  )
  const outcome = pruneOutcome(view, plain)
  expect(JSON.parse(outcomeDocument('prune', outcome))).toEqual({
    formatVersion: 1,
    command: 'prune',
    ok: false,
    exitStatus: 75,
    dryRun: false,
    keep: [
      {
        key: dataKey('2026-02-24'),
        tier: 'daily',
        period: '2026-02-24',
        state: 'complete',
        because: ['within the last 7 days', 'the newest complete one'],
      },
      {
        key: dataKey('2026-02-10'),
        tier: 'daily',
        period: '2026-02-10',
        state: 'complete',
        because: ['held back; would go: older than 7 days'],
      },
    ],
    remove: [
      {
        key: dataKey('2026-02-17'),
        tier: 'daily',
        period: '2026-02-17',
        state: 'complete',
        because: ['older than 7 days'],
      },
    ],
    leftOver: [
      { key: 'backups/canary/0b9e', because: ['left by a preflight'] },
      { key: dataKey('2026-02-22'), because: ['an upload that never ended'] },
    ],
    held: ['why'],
    heldBack: 1,
    removed: [manifestKey('2026-02-17')],
    faults: [
      {
        key: 'backups/canary/0b9e',
        code: 'storage-failed',
        message: 'The store did not answer.',
        hint: 'Look at its status page.',
      },
      { key: 'backups/canary/1', code: 'refused', message: 'Its manifest has changed.', hint: null },
    ],
  })
})

const promotion = (month: string, day: string) => ({ month, from: completeBackup(day) })
const waiting = (month: string, day: string, why: string, needsPerson: boolean): HeldPromotion => ({
  ...promotion(month, day),
  why,
  needsPerson,
})
const promote = (plan: Partial<PromotionPlan>, more: Partial<Omit<PromoteView, 'plan'>> = {}): PromoteView => ({
  plan: { promote: [], held: [], anyGood: true, ...plan },
  dryRun: false,
  promoted: [],
  faults: [],
  ...more,
})
const done = { month: '2026-02', key: dataKey('2026-02'), from: dataKey('2026-02-01') }

describe('promoting ends', () => {
  test.each<readonly [string, number, PromoteView]>([
    ['with 0 when there was nothing to do', 0, promote({})],
    ['with 0 when all is done', 0, promote({ promote: [promotion('2026-02', '2026-02-01')] }, { promoted: [done] })],
    [
      'with 0 after a dry run that would do something',
      0,
      promote({ promote: [promotion('2026-02', '2026-02-01')] }, { dryRun: true }),
    ],
    [
      'with 0 when what is held back is as it should be',
      0,
      promote({ held: [waiting('2026-02', '2026-02-01', 'there is an older one', false)] }),
    ],
    [
      'with 73 when a person is needed',
      73,
      promote({
        held: [
          waiting('2026-01', '2026-01-01', 'there is an older one', false),
          waiting('2026-02', '2026-02-01', 'there is a damaged one', true),
        ],
      }),
    ],
    [
      'with 73 when a dry run shows that',
      73,
      promote({ held: [waiting('2026-02', '2026-02-01', 'there is a damaged one', true)] }, { dryRun: true }),
    ],
    [
      "with the first fault's status",
      75,
      promote(
        { held: [waiting('2026-02', '2026-02-01', 'there is a damaged one', true)] },
        {
          faults: [
            { month: '2026-01', fault: storageFault },
            { month: '2025-12', fault: refused },
          ],
        },
      ),
    ],
  ])('%s', (_what, exitStatus, view) => {
    expect(promoteOutcome(view, plain).exitStatus).toBe(exitStatus)
  })
})

describe('promoting tells', () => {
  const allThere = 'Every month that has a good backup has its monthly.\n'

  test.each<readonly [string, PromoteView, string]>([
    ['that nothing was to do', promote({}), allThere],
    ['of a dry run that nothing is to do', promote({}, { dryRun: true }), `${allThere}Nothing was changed.\n`],
    [
      'that there is no good backup of which one could be made',
      promote({ anyGood: false }),
      'There is no good backup, so no month can have its monthly. See what there is: oslrs-backup list\n',
    ],
    [
      'each month that got its monthly',
      promote({ promote: [promotion('2026-02', '2026-02-01')] }, { promoted: [done] }),
      'The monthly of 2026-02 is made, from backups/daily/2026-02-01-app_db.sql.gz.age.\n',
    ],
    [
      'of a dry run what it would do',
      promote({ promote: [promotion('2026-01', '2026-01-05'), promotion('2026-02', '2026-02-01')] }, { dryRun: true }),
      'Would make the backup of 2026-01-05 the monthly of 2026-01.\nWould make the backup of 2026-02-01 the monthly of 2026-02.\nNothing was changed.\n',
    ],
    [
      'why a month gets none',
      promote({ held: [waiting('2026-02', '2026-02-01', 'there is an older one', false)] }),
      'No monthly of 2026-02: there is an older one.\n',
    ],
    [
      'what failed, with what to do',
      promote(
        { promote: [promotion('2026-01', '2026-01-05'), promotion('2026-02', '2026-02-01')] },
        { promoted: [done], faults: [{ month: '2026-01', fault: storageFault }] },
      ),
      [
        'The monthly of 2026-02 is made, from backups/daily/2026-02-01-app_db.sql.gz.age.',
        'FAILED 2026-01: The store did not answer.',
        '  → Look at its status page.',
        '',
      ].join('\n'),
    ],
  ])('%s', (_what, view, text) => {
    expect(promoteOutcome(view, plain).text).toBe(text)
  })

  test('nothing that a terminal would obey', () => {
    const view = promote(
      { held: [waiting('2026-02', '2026-02-01', hostile, true)] },
      {
        promoted: [{ month: '2026-01', key: hostile, from: hostile }],
        faults: [{ month: hostile, fault: new Fault('refused', hostile, { hint: hostile }) }],
      },
    )
    const { text } = promoteOutcome(view, plain)
    expect(text).not.toMatch(controls)
    expect(text.match(/evil\ufffd\[2J/g)).toHaveLength(5)
  })
})

test('the document of promoting is whole', () => {
  const view = promote(
    {
      promote: [promotion('2026-01', '2026-01-05'), promotion('2026-02', '2026-02-01')],
      held: [waiting('2025-12', '2025-12-31', 'there is an older one', false)],
    },
    { promoted: [done], faults: [{ month: '2026-01', fault: refused }] },
  )
  expect(JSON.parse(outcomeDocument('promote', promoteOutcome(view, plain)))).toEqual({
    formatVersion: 1,
    command: 'promote',
    ok: false,
    exitStatus: 73,
    dryRun: false,
    promote: [
      { month: '2026-01', from: dataKey('2026-01-05') },
      { month: '2026-02', from: dataKey('2026-02-01') },
    ],
    held: [{ month: '2025-12', from: dataKey('2025-12-31'), why: 'there is an older one', needsPerson: false }],
    anyGood: true,
    promoted: [done],
    faults: [{ month: '2026-01', code: 'refused', message: 'Its manifest has changed.', hint: null }],
  })
})

describe('accepting', () => {
  const ack = (...anomalies: readonly string[]): Ack =>
    acceptanceOf(completeBackup('2026-02-24'), {
      neighbours: [],
      anomalies,
      reason: 'test accounts removed',
      now: new Date('2026-02-24T09:30:00.000Z'),
      key: undefined,
    })

  test('tells what is accepted and what to do next', () => {
    expect(acceptanceOutcome({ date: '2026-02-24' }, ack('users lost', 'roles lost'), plain)).toMatchObject({
      exitStatus: 0,
      text: [
        'Accepted, for the backup of 2026-02-24:',
        '  - users lost',
        '  - roles lost',
        'What the policy would now remove: oslrs-backup prune --dry-run',
        '',
      ].join('\n'),
    })
  })

  test('of nothing tells that nothing was changed, and ends well: it can be said twice', () => {
    expect(acceptanceOutcome({ date: '2026-02-24' }, undefined, plain)).toEqual({
      exitStatus: 0,
      text: 'The backup of 2026-02-24 carries no anomaly, or it is accepted already. Nothing was changed.\n',
      document: { accepted: null },
    })
  })

  test('has the whole acceptance as its document', () => {
    const accepted = ack('users lost')
    const { document } = acceptanceOutcome({ date: '2026-02-24' }, accepted, plain)
    expect(document).toEqual({ accepted })
    expect(document['accepted']).not.toHaveProperty('signature')
  })

  test('tells nothing that a terminal would obey', () => {
    const { text } = acceptanceOutcome({ date: '2026-02-24' }, ack(hostile), plain)
    expect(text).not.toMatch(controls)
    expect(text).toContain('  - evil\ufffd[2J')
  })
})
