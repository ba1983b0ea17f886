import type { DrillReport } from '../../src/domain/drill-report.ts'
import { dataKey, digestOf } from './builders.ts'

const key = dataKey('2026-02-24')

/** The report of a drill that brought back the backup of 24 February, and found it good. */
export const reportOf = (more: Partial<DrillReport> = {}): DrillReport => ({
  formatVersion: 1,
  kind: 'drill',
  startedAt: '2026-03-02T03:00:12.345Z',
  endedAt: '2026-03-02T03:02:14.345Z',
  verdict: 'green',
  sentence: `GREEN: ${key} was brought back, and is what was recorded.`,
  exitStatus: 0,
  backup: {
    key,
    tier: 'daily',
    period: '2026-02-24',
    startedAt: '2026-02-24T01:00:00.000Z',
    sizeBytes: 1000,
    sha256: digestOf('a'),
    encryption: 'age',
    signedBy: '0123456789abcdef',
  },
  by: {
    host: 'drill',
    environment: 'production',
    tool: '0.1.0',
    psql: '15.18',
    pgDump: '15.18',
    age: '1.1.1',
    compressor: 'igzip 2.30.0',
  },
  restoredInto: {
    kind: 'private-cluster',
    description: 'a private PostgreSQL 15.18 on this host',
    serverVersion: '15.18',
    database: 'oslrs_verify_1a2b_20260302t030012z_1f2e3d',
    kept: false,
  },
  checks: [{ name: 'tables', state: 'ok', detail: '5 with 4,527 rows', hint: null }],
  figures: { tables: 5, rows: 4527, plainBytes: 1_200_000, largeObjects: 0, definitions: 29 },
  auditChain: { rows: 500, tailHash: digestOf('b'), selfHashFailures: 0, forks: 2, gaps: 0 },
  stages: [{ name: 'restore', durationMs: 61_000 }],
  recovery: { durationMs: 61_000, objectiveMs: 3_600_000 },
  notContained: [],
  ...more,
})
