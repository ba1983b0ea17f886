import { describe, expect, test } from 'vitest'
import { catalogOf, type Backup, type Catalog } from '../../src/domain/catalog.ts'
import { failedCheck, type Check } from '../../src/domain/check.ts'
import type { StoredReport } from '../../src/domain/drill-report.ts'
import { standardMaxAgeMs, verdictOf } from '../../src/domain/freshness.ts'
import { newStatus } from '../../src/domain/status.ts'
import { exitStatuses, Fault } from '../../src/errors.ts'
import { preflightOutcome, verifyOutcome } from '../../src/present/checks.ts'
import { listOutcome } from '../../src/present/list.ts'
import { faultDocument, faultText, outcomeDocument } from '../../src/present/outcome.ts'
import { harmless } from '../../src/domain/harmless.ts'
import { columns, paintFor } from '../../src/present/paint.ts'
import { fileOutcome, restoreOutcome, type FileView, type RestoredView } from '../../src/present/restore.ts'
import { runOutcome } from '../../src/present/run.ts'
import {
  completeBackup,
  dataKey,
  decodedOlder,
  holdings,
  layout,
  manifestKey,
  manifestOf,
  olderManifestOf,
} from '../support/builders.ts'

const plain = paintFor(false)
const escape = '\u001b'
const hostile = `evil${escape}[2J\u0007\r\u009b`
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length))

const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/

describe('text from outside', () => {
  test.each([
    ['escape sequences', `${escape}[31m`, '\ufffd[31m'],
    ['carriage returns', 'a\rb', 'a\ufffdb'],
    ['bells and zero bytes', '\u0007\0', '\ufffd\ufffd'],
    ['delete', '\u007f', '\ufffd'],
    ['control characters beyond ASCII', '\u0080\u009b\u009f', '\ufffd\ufffd\ufffd'],
  ])('is made harmless: %s', (_what, text, clean) => {
    expect(harmless(text)).toBe(clean)
  })

  test('keeps letters, line ends and tabs', () => {
    expect(harmless('Ọ̀yọ́\tx\n人😀\u00a0')).toBe('Ọ̀yọ́\tx\n人😀\u00a0')
  })
})

describe('columns', () => {
  test('are aligned, without lines, and without blanks at the end of a line', () => {
    expect(
      columns(
        ['NAME', 'ROWS'],
        [
          ['a', '1'],
          ['longer', '12,345'],
        ],
        [1],
      ),
    ).toBe(['NAME      ROWS', 'a            1', 'longer  12,345'].join('\n'))
  })

  test('keep several lines of one cell in its column', () => {
    expect(columns(['A', 'B'], [['x', 'one\ntwo']])).toBe(['A  B', 'x  one', '   two'].join('\n'))
  })

  test('have colour only where it is wanted', () => {
    expect(paintFor(true).red('x')).toContain(escape)
    expect(plain.red('x')).toBe('x')
  })
})

describe('the document of --json', () => {
  test('says of every command what it was and how it ended', () => {
    const text = outcomeDocument('list', { exitStatus: 65, text: '', document: { place: 'x' } })
    expect(JSON.parse(text)).toEqual({ formatVersion: 1, command: 'list', ok: false, exitStatus: 65, place: 'x' })
    expect(text.endsWith('}\n')).toBe(true)
    expect(JSON.parse(outcomeDocument('list', { exitStatus: 0, text: '', document: {} }))).toMatchObject({ ok: true })
  })

  test('holds a fault with all that is known', () => {
    const fault = new Fault('rights', 'May not.', { all: ['a', 'b'], hint: 'Do.', cause: new Error('underneath') })
    expect(JSON.parse(faultDocument('run', fault))).toEqual({
      formatVersion: 1,
      command: 'run',
      ok: false,
      exitStatus: 78,
      error: { code: 'rights', message: 'May not.', all: ['a', 'b'], hint: 'Do.' },
    })
    expect(JSON.parse(faultDocument('run', new Fault('stalled', 'x')))).toMatchObject({
      error: { all: [], hint: null },
    })
  })
})

describe('a fault in words', () => {
  test('is what happened, everything that was found, and what to do next', () => {
    expect(faultText(new Fault('rights', 'May not.', { all: ['a', 'b'], hint: 'Do.' }))).toBe(
      'May not.\n  - a\n  - b\n  → Do.',
    )
    expect(faultText(new Fault('stalled', 'Nothing moved.'))).toBe('Nothing moved.')
    expect(faultText(new Fault('rights', 'May not.', { hint: 'Do this.\nAnd that.' }))).toBe(
      'May not.\n  → Do this.\n  → And that.',
    )
  })

  test('makes a terminal obey nothing', () => {
    expect(faultText(new Fault('damaged', hostile, { all: [hostile], hint: hostile }))).not.toMatch(controls)
  })
})

describe('list', () => {
  const now = new Date('2026-02-24T10:30:00.000Z')
  const viewOf = (backups: Catalog, stale = false, at = now) => ({
    place: 'the folder /srv/backups',
    backups,
    verdict: verdictOf(backups, { dailyDays: 7, monthlyMonths: 84 }, standardMaxAgeMs, at),
    stale,
    suspicions: new Map<string, readonly string[]>(),
    drills: new Map<string, StoredReport>(),
    warnings: [] as readonly string[],
    status: newStatus,
    now: at,
  })
  const tables = [{ name: 'public.users', rows: 1_234_567, bytes: 1, sha256: '0'.repeat(64) }]
  const unsigned = { ...completeBackup('2026-02-23', { tables, sizeBytes: 345_600_000 }), signed: false }
  const older = catalogOf(
    layout,
    holdings(
      { [dataKey('2026-02-21', { sealing: 'aes-256-gcm' })]: 1000, [dataKey('2026-02-20')]: 12 },
      { [manifestKey('2026-02-21')]: decodedOlder(olderManifestOf('2026-02-21')) },
    ),
    [],
  )
  const damaged = (why: string): Backup => ({
    state: 'damaged',
    tier: 'daily',
    period: '2026-02-22',
    key: dataKey('2026-02-22'),
    manifestKey: manifestKey('2026-02-22'),
    why,
    fault: 'object',
  })
  const everything = [completeBackup('2026-02-24'), unsigned, damaged('its object is missing'), ...older]

  const linesOf = (backups: Catalog): string[] =>
    listOutcome(viewOf(backups), plain)
      .text.split('\n')
      .map((line) => line.replaceAll(/ {2,}/g, ' | '))

  test('shows each backup in a line', () => {
    expect(linesOf(everything).slice(0, 6)).toEqual([
      'TIER | DATE | AGE | SIZE | ROWS | CIPHER | STATE',
      'daily | 2026-02-24 | 9 h 30 min | 1.0 kB | 5 | age | complete',
      'daily | 2026-02-23 | 33 h 30 min | 346 MB | 1,234,567 | age | complete unsigned',
      'daily | 2026-02-22 | damaged: its object is missing',
      'daily | 2026-02-21 | 3 d 9 h | 1.0 kB | aes-gcm | older, unverified',
      'daily | 2026-02-20 | 9 h 28 min | 12 B | age | orphan',
    ])
  })

  test.each<readonly [string, Catalog]>([
    ['signed ones', [completeBackup('2026-02-24'), { ...unsigned, signed: true }, completeBackup('2025-02')]],
    ['ones of every state', [...everything.filter(({ state }) => state !== 'damaged'), completeBackup('2025-02')]],
  ])('fits a terminal of 80 columns: %s', (_which, backups) => {
    expect(widest(listOutcome(viewOf(backups), plain).text.split('\n\n')[0] ?? '')).toBeLessThanOrEqual(80)
  })

  test('says so where there is nothing', () => {
    const { text, exitStatus } = listOutcome(viewOf([]), plain)
    expect(text).toBe('No backups in the folder /srv/backups.\n\nSTALE: there is no complete backup.\n')
    expect(exitStatus).toBe(0)
  })

  test.each<readonly [string, string, string]>([
    ['fresh', '2026-02-24T10:30:00.000Z', 'Fresh: the newest complete backup is 9 h 30 min old.'],
    ['stale', '2026-02-27T10:30:00.000Z', 'STALE: the newest complete backup is 3 d 9 h old, more than 26 h 0 min.'],
    [
      'of the future',
      '2026-02-23T10:00:00.000Z',
      'STALE: the newest complete backup is dated 15 h 0 min in the future. A clock is wrong.',
    ],
  ])('has a verdict: %s', (_what, at, sentence) => {
    const outcome = listOutcome(viewOf([completeBackup('2026-02-24')], false, new Date(at)), plain)
    expect(outcome.text.split('\n\n')[1]?.split('\n')[0]).toBe(sentence)
  })

  test('tells no negative age when a clock is a little ahead', () => {
    const { text } = listOutcome(
      viewOf([completeBackup('2026-02-24')], false, new Date('2026-02-24T00:30:00.000Z')),
      plain,
    )
    expect(text).toContain('Fresh')
    expect(text.replaceAll('2026-02-24', '')).not.toMatch(/-\d/)
  })

  test('tells what is missing', () => {
    const { text } = listOutcome(
      viewOf([completeBackup('2026-02-24'), completeBackup('2026-02-21'), completeBackup('2025-12')]),
      plain,
    )
    expect(text).toContain('No complete backup of: 2026-02-22, 2026-02-23.\n')
    expect(text).toContain('No monthly backup of: 2026-01.\n')
  })

  test('says what looks ruined, what that stops, and how a person releases it', () => {
    const ruined = completeBackup('2026-02-24')
    const suspicions = new Map([[ruined.key, [`public.users has 1 row ${hostile}.`]]])
    const { text, document } = listOutcome({ ...viewOf([ruined, completeBackup('2026-02-23')]), suspicions }, plain)
    expect(text).toContain('complete, ANOMALY')
    expect(text).toContain('ANOMALY of 2026-02-24: public.users has 1 row')
    expect(text).toContain('prune --accept-anomaly 2026-02-24 --reason TEXT')
    expect(text).not.toMatch(controls)
    expect(document).toMatchObject({ backups: [{ anomalies: [expect.stringContaining('1 row')] }, { anomalies: [] }] })
  })

  test('tells what the place does to backups by itself', () => {
    const { text, document } = listOutcome({ ...viewOf([]), warnings: [`A rule ${hostile}.`] }, plain)
    expect(text).toContain('A rule evil')
    expect(text).not.toMatch(controls)
    expect(document).toMatchObject({ warnings: [`A rule ${hostile}.`] })
  })

  test('ends with 65 only for whoever asked for an age', () => {
    expect(listOutcome(viewOf([], true), plain).exitStatus).toBe(65)
    expect(listOutcome(viewOf([], false), plain).exitStatus).toBe(0)
  })

  test('makes a terminal obey nothing', () => {
    expect(listOutcome(viewOf([damaged(hostile)]), plain).text).not.toMatch(controls)
  })

  test('is a document with every figure, and null for what is not known', () => {
    const { document } = listOutcome(viewOf(everything), plain)
    expect(document).toMatchObject({
      place: 'the folder /srv/backups',
      verdict: {
        fresh: true,
        maxAgeSeconds: 93_600,
        newest: dataKey('2026-02-24'),
        newestAgeSeconds: 34_200,
        missingDays: [],
        missingMonths: [],
      },
    })
    expect(document['backups']).toEqual([
      expect.objectContaining({ state: 'complete', signed: true, rows: 5, ageSeconds: 34_200, sha256: 'a'.repeat(64) }),
      expect.objectContaining({ state: 'complete', signed: false, why: null }),
      {
        tier: 'daily',
        period: '2026-02-22',
        key: dataKey('2026-02-22'),
        state: 'damaged',
        why: 'its object is missing',
        anomalies: [],
        signed: null,
        startedAt: null,
        ageSeconds: null,
        sizeBytes: null,
        sha256: null,
        rows: null,
        encryption: null,
        lastDrill: null,
      },
      expect.objectContaining({
        state: 'unverified-older',
        encryption: 'aes-256-gcm',
        rows: null,
        sha256: 'a'.repeat(64),
      }),
      expect.objectContaining({ state: 'orphan', sizeBytes: 12, sha256: null }),
    ])
  })
})

describe('checks', () => {
  const ok: Check = { name: 'database', state: 'ok', detail: 'PostgreSQL 15.18' }
  const note: Check = { name: 'encryption', state: 'warning', detail: 'switched off' }
  const failed = failedCheck('store', new Fault('configuration', 'There is no folder.', { hint: 'Make it.' }))

  test('of a preflight that went well', () => {
    const { text, exitStatus, document } = preflightOutcome([ok, note], plain)
    expect(exitStatus).toBe(0)
    expect(text).toContain('A backup would run. Nothing was changed.')
    expect(text).toMatch(/^ok +database +PostgreSQL 15\.18$/m)
    expect(text).toMatch(/^note +encryption +switched off$/m)
    expect(document).toEqual({
      checks: [
        { name: 'database', state: 'ok', detail: 'PostgreSQL 15.18', hint: null },
        { name: 'encryption', state: 'warning', detail: 'switched off', hint: null },
      ],
    })
  })

  test('of a preflight that failed, with the status of the fault and what to do', () => {
    const { text, exitStatus } = preflightOutcome([ok, failed], plain)
    expect(exitStatus).toBe(78)
    expect(text).toContain('A backup would fail. Nothing was changed.')
    expect(text).toMatch(/^FAILED +store +There is no folder\.$/m)
    expect(text).toMatch(/^ +→ Make it\.$/m)
  })

  const verified = (...checks: readonly (readonly Check[])[]) => ({
    depth: 'stored',
    warnings: [] as readonly string[],
    backups: checks.map((list, at) => ({ key: dataKey(`2026-02-2${String(at)}`), checks: list })),
  })

  test('of backups that are good, with what was not tried', () => {
    const { text, exitStatus, document } = verifyOutcome(verified([ok], [ok, note]), plain)
    expect(exitStatus).toBe(0)
    expect(text).toContain(
      '2 of 2 good. The stored bytes are the ones that were written. Whether they open was not tried',
    )
    expect(document).toMatchObject({
      depth: 'stored',
      backups: [{ key: dataKey('2026-02-20'), ok: true }, { ok: true }],
    })
  })

  test('of backups of which one is not', () => {
    const { text, exitStatus, document } = verifyOutcome(verified([ok], [ok, failed]), plain)
    expect(exitStatus).toBe(78)
    expect(text).toContain('1 of 2 NOT good.')
    expect(document).toMatchObject({ backups: [{ ok: true }, { ok: false }] })
  })

  test('make a terminal obey nothing', () => {
    const bad: Check = { name: 'store', state: 'failed', detail: hostile, hint: hostile, exitStatus: 65 }
    expect(preflightOutcome([bad], plain).text).not.toMatch(controls)
    expect(
      verifyOutcome({ depth: 'stored', warnings: [hostile], backups: [{ key: hostile, checks: [bad] }] }, plain).text,
    ).not.toMatch(controls)
  })
})

describe('run', () => {
  const signature = { keyId: '21fe31dfa154a261', ed25519: 'x' }
  const nothing = { promoted: [], removed: [], notes: [] } as const
  const outcomeOf = (
    more: Parameters<typeof manifestOf>[1] = {},
    after: Partial<Record<keyof typeof nothing, string[]>> = {},
  ) =>
    runOutcome(
      {
        manifest: manifestOf('2026-02-24', more),
        manifestKey: manifestKey('2026-02-24'),
        after: { ...nothing, ...after },
        auditNote: undefined,
        mail: undefined,
      },
      plain,
    )

  test('says first what looks ruined, and last what keeping order did', () => {
    const { text, exitStatus, document } = outcomeOf(
      { anomalies: [`public.users has 1 row ${hostile}`] },
      { promoted: [dataKey('2026-02')], removed: ['a', 'b'], notes: ['The monthly of 2026-01 was not made.'] },
    )
    expect(exitStatus).toBe(0)
    expect(text.split('\n')[0]).toMatch(/^ANOMALY: public\.users has 1 row/)
    expect(text).toMatch(/^promoted +backups\/monthly\/2026-02-app_db\.sql\.gz\.age$/m)
    expect(text).toMatch(/^removed +2 objects$/m)
    expect(text).toMatch(/^Note: The monthly of 2026-01 was not made\.$/m)
    expect(text).not.toMatch(controls)
    expect(document).toMatchObject({ after: { promoted: [dataKey('2026-02')] } })
  })

  test('tells what was backed up, where it is and how it can be checked', () => {
    const { text, exitStatus } = outcomeOf({ signature, warnings: ['Only one key can open the backup.'] })
    expect(exitStatus).toBe(0)
    for (const line of [
      /^Backed up the database app_db\.$/m,
      /^backup +backups\/daily\/2026-02-24-app_db\.sql\.gz\.age$/m,
      /^manifest +backups\/manifests\/2026-02-24-manifest\.json$/m,
      /^in +file:\/\/\/srv\/backups$/m,
      /^size +1\.0 kB, from 5\.0 kB of SQL$/m,
      /^rows +5 in 2 tables$/m,
      /^SHA-256 +a{64}$/m,
      /^encryption +age, 2 recipients$/m,
      /^signature +Ed25519 key 21fe31dfa154a261$/m,
      /^duration +1 min 5 s$/m,
      /^Note: Only one key can open the backup\.$/m,
    ])
      expect(text).toMatch(line)
    expect(widest(text)).toBeLessThanOrEqual(80)
  })

  test('says so where nothing is sealed or signed', () => {
    const { text } = outcomeOf({ encryption: { algorithm: 'none', recipients: [] } })
    expect(text).toMatch(/^encryption +none$/m)
    expect(text).toMatch(/^signature +none$/m)
  })

  test('counts one as one', () => {
    const { text } = outcomeOf({
      encryption: { algorithm: 'age', recipients: ['age1one'] },
      tables: [{ name: 'public.users', rows: 1, bytes: 1, sha256: '0'.repeat(64) }],
    })
    expect(text).toMatch(/^rows +1 in 1 table$/m)
    expect(text).toMatch(/^encryption +age, 1 recipient$/m)
  })

  test('names the bucket where there is one', () => {
    const storage = { endpoint: 'https://s3.example', region: 'fra1', bucket: 'oslrs', etag: null }
    expect(outcomeOf({ storage }).text).toMatch(/^in +oslrs at https:\/\/s3\.example$/m)
  })

  test('is a document with the whole manifest, and plain JSON', () => {
    const { document } = outcomeOf({ signature: undefined })
    expect(document['manifestKey']).toBe(manifestKey('2026-02-24'))
    expect(document['manifest']).toEqual(manifestOf('2026-02-24'))
    expect(Object.keys(document['manifest'] as object)).not.toContain('signature')
  })

  test('makes a terminal obey nothing', () => {
    const source = { ...manifestOf('2026-02-24').source, database: hostile }
    expect(outcomeOf({ source, warnings: [hostile] }).text).not.toMatch(controls)
  })
})

describe('restore', () => {
  const view: RestoredView = {
    key: dataKey('2026-02-24'),
    backupStartedAt: new Date('2026-02-24T01:00:00.000Z'),
    host: '127.0.0.1',
    port: 5432,
    user: 'me',
    database: 'app_db_restored',
    way: 'create',
    before: undefined,
    needsAdoption: true,
    dryRun: false,
    durationMs: 65_000,
    tables: [
      { name: 'public.users', expected: 1_234_567, found: 1_234_567 },
      { name: '"Odd Schema"."ta.ble"', expected: 0, found: 0 },
    ],
    largeObjects: 2,
    notContained: ['the data of the materialized view public.totals'],
    warnings: ['The manifest is not signed.'],
    now: new Date('2026-02-24T10:30:00.000Z'),
  }

  test('tells every table, what it is the state of, and what to do next', () => {
    const { text, exitStatus } = restoreOutcome(view, plain)
    expect(exitStatus).toBe(0)
    for (const line of [
      /^ +TABLE +EXPECTED +FOUND$/m,
      /^ok +public\.users +1,234,567 +1,234,567$/m,
      /^ok +"Odd Schema"\."ta\.ble" +0 +0$/m,
      /^Note: The manifest is not signed\.$/m,
      /^Not in a backup: the data of the materialized view public\.totals\.$/m,
      /^Restored .* into the new database app_db_restored on 127\.0\.0\.1: every table's rows agree\.$/m,
      /^It is the state of 2026-02-24T01:00:00\.000Z, 9 h 30 min ago\. The restore took 1 min 5 s \(within the hour that a restore may take\)\.$/m,
      /run --adopt/,
    ])
      expect(text).toMatch(line)
    expect(widest(text.split('\n\n')[0] ?? '')).toBeLessThanOrEqual(80)
  })

  test.each([
    [3_600_000, 'The restore took 1 h 0 min (within the hour that a restore may take).'],
    [3_600_001, 'The restore took 1 h 0 min (NOT within the hour that a restore may take).'],
    [9_000_000, 'The restore took 2 h 30 min (NOT within the hour that a restore may take).'],
  ])('holds its duration, of %d ms, against the hour', (durationMs, sentence) => {
    expect(restoreOutcome({ ...view, durationMs }, plain).text).toContain(sentence)
  })

  test('of a dry run says what would be done, and that nothing was', () => {
    const { text, exitStatus, document } = restoreOutcome({ ...view, dryRun: true }, plain)
    expect(exitStatus).toBe(0)
    expect(text).toBe(
      [
        '    TABLE                   EXPECTED',
        'ok  public.users           1,234,567',
        'ok  "Odd Schema"."ta.ble"          0',
        '',
        'Note: The manifest is not signed.',
        'Not in a backup: the data of the materialized view public.totals.',
        `${view.key} opens and is whole to its last row. It would be restored into the new database app_db_restored on 127.0.0.1.`,
        'It is the state of 2026-02-24T01:00:00.000Z, 9 h 30 min ago. Reading it took 1 min 5 s.',
        'Nothing was changed. The same line without --dry-run restores it.',
        '',
      ].join('\n'),
    )
    expect(document).toMatchObject({ dryRun: true })
  })

  test('says that the database was there before', () => {
    expect(restoreOutcome({ ...view, way: 'fill' }, plain).text).toContain('into the database app_db_restored')
  })

  const replaced: RestoredView = {
    ...view,
    user: 'the app',
    database: 'app_db',
    way: 'replace',
    before: 'app_db_before_20260302t031500z',
    needsAdoption: false,
  }
  test('in the place of another ends with the lines that drop what was there, and that swap it back', () => {
    const psql = "psql -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -p 5432 -U 'the app' -d postgres"
    expect(restoreOutcome(replaced, plain).text.split('\n').slice(6)).toEqual([
      `Restored ${view.key} in the place of the database app_db on 127.0.0.1: every table's rows agree.`,
      'It is the state of 2026-02-24T01:00:00.000Z, 9 h 30 min ago. The restore took 1 min 5 s (within the hour that a restore may take).',
      'Next: restart the application, so that it connects afresh.',
      'What was there before is kept as app_db_before_20260302t031500z. It holds personal data: when all is well, remove it:',
      `  ${psql} -c 'DROP DATABASE "app_db_before_20260302t031500z"'`,
      'To undo the restore, stop the application and swap back:',
      `  for try in 1 2 3; do ${psql} -1 -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '\\''app_db'\\''' -c 'ALTER DATABASE "app_db" RENAME TO "app_db_undone_20260302t031500z"' -c 'ALTER DATABASE "app_db_before_20260302t031500z" RENAME TO "app_db"' && break; done`,
      '',
    ])
  })

  test('in the place of another, dry, names the flag that it will need', () => {
    expect(restoreOutcome({ ...replaced, dryRun: true, before: undefined }, plain).text).toContain(
      'The same line without --dry-run, and with --confirm, restores it.',
    )
  })

  test('is a document', () => {
    expect(restoreOutcome(view, plain).document).toEqual({
      key: view.key,
      backupStartedAt: '2026-02-24T01:00:00.000Z',
      host: '127.0.0.1',
      database: 'app_db_restored',
      way: 'create',
      created: true,
      before: null,
      swapBack: null,
      dryRun: false,
      durationMs: 65_000,
      tables: view.tables,
      largeObjects: 2,
      notContained: view.notContained,
      needsAdoption: true,
      warnings: view.warnings,
    })
  })

  test.each([[true], [false]])('makes a terminal obey nothing, dry run: %s', (dryRun) => {
    const { text } = restoreOutcome(
      {
        ...view,
        dryRun,
        host: hostile,
        database: hostile,
        tables: [{ name: hostile, expected: 0, found: 0 }],
        warnings: [hostile],
        notContained: [hostile],
      },
      plain,
    )
    expect(text).not.toMatch(controls)
    expect(text.match(/evil\ufffd\[2J/g)).toHaveLength(5)
  })
})

describe('restore to a file', () => {
  const view: FileView = {
    key: dataKey('2026-02-24'),
    backupStartedAt: new Date('2026-02-24T01:00:00.000Z'),
    path: '/srv/look/app_db.sql',
    sizeBytes: 12_345_678,
    durationMs: 2_100,
    tables: [
      { name: 'public.users', rows: 2 },
      { name: '"Odd Schema"."ta.ble"', rows: 0 },
    ],
    warnings: ['The manifest is not signed.'],
    now: new Date('2026-02-24T10:30:00.000Z'),
  }

  test('tells what is in the file, how old it is, that it must not lie about, and how to read it in', () => {
    expect(fileOutcome(view, plain)).toMatchObject({
      exitStatus: 0,
      text: [
        'Note: The manifest is not signed.',
        'Wrote backups/daily/2026-02-24-app_db.sql.gz.age as plain SQL to /srv/look/app_db.sql (12.3 MB, mode 0600).',
        'It is the state of 2026-02-24T01:00:00.000Z, 9 h 30 min ago.',
        'It holds personal data in plain text: remove it when it is no longer needed. Into a new database:',
        '  psql -X -v ON_ERROR_STOP=1 -f /srv/look/app_db.sql newdb',
        '',
      ].join('\n'),
    })
  })

  test('has no note where there is nothing to note', () => {
    expect(fileOutcome({ ...view, warnings: [] }, plain).text).toMatch(/^Wrote backups/)
  })

  test('is a document with every figure', () => {
    const outcome = fileOutcome(view, plain)
    expect(outcome.document).toEqual({
      key: view.key,
      backupStartedAt: '2026-02-24T01:00:00.000Z',
      path: '/srv/look/app_db.sql',
      sizeBytes: 12_345_678,
      durationMs: 2_100,
      tables: view.tables,
      warnings: view.warnings,
    })
    expect(JSON.parse(outcomeDocument('restore', outcome))).toMatchObject({ ok: true, path: view.path })
  })

  test('makes a terminal obey nothing, and leaves the document as it is', () => {
    const { text, document } = fileOutcome({ ...view, path: hostile, warnings: [hostile] }, plain)
    expect(text).not.toMatch(controls)
    expect(text.match(/evil\ufffd\[2J/g)).toHaveLength(3)
    expect(document).toMatchObject({ path: hostile, warnings: [hostile] })
  })

  test('in colour says nothing else', () => {
    const { text } = fileOutcome(view, paintFor(true))
    expect(text).not.toBe(fileOutcome(view, plain).text)
    expect(text.replaceAll(/\u001b\[\d+m/g, '')).toBe(fileOutcome(view, plain).text)
  })
})

test('whatever a command returns, its status is one of the table', () => {
  const table = exitStatuses.map(({ status }) => status)
  for (const outcome of [
    preflightOutcome([], plain),
    verifyOutcome({ depth: 'stored', warnings: [], backups: [] }, plain),
  ])
    expect(table).toContain(outcome.exitStatus)
})
