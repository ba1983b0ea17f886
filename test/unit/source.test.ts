import { describe, expect, test } from 'vitest'
import { requireDumpable, requireSameSource, sourceWarnings } from '../../src/domain/source.ts'
import { codeOf, completeBackup, faultOf, manifestOf } from '../support/builders.ts'

const cluster = '7300000000000000001'
const here = { systemIdentifier: cluster, environment: 'production' }
const asked = { adopt: false }
const catalog = [completeBackup('2026-02-24')]

describe('the source of tonight’s backup', () => {
  test.each([
    ['there is no backup yet', [], { systemIdentifier: '1', environment: 'staging' }, asked],
    ['it is the same', catalog, here, asked],
    ['it is another, and that is meant', catalog, { systemIdentifier: '1', environment: 'staging' }, { adopt: true }],
    ['only a monthly is there', [completeBackup('2026-02')], { ...here, environment: 'staging' }, asked],
    [
      'it could be seen neither then nor now',
      [completeBackup('2026-02-24', { source: { ...manifestOf('2026-02-24').source, systemIdentifier: null } })],
      { ...here, systemIdentifier: null },
      asked,
    ],
  ] as const)('is right when %s', (_when, last, now, how) => {
    expect(() => {
      requireSameSource(last, now, how)
    }).not.toThrow()
  })

  test.each([
    ['another environment', { ...here, environment: 'staging' }, 1],
    ['another cluster', { ...here, systemIdentifier: '1' }, 1],
    ['both', { systemIdentifier: '1', environment: 'staging' }, 2],
    ['a cluster that can no longer be seen', { ...here, systemIdentifier: null }, 1],
  ])('is refused for %s, and told what differs', async (_what, now, differences) => {
    const fault = await faultOf(() => {
      requireSameSource(catalog, now, asked)
    })
    expect(fault.code).toBe('refused')
    expect(fault.all).toHaveLength(differences)
    expect(fault.hint).toContain('run --adopt')
  })

  test('is compared with the newest complete daily, not with a damaged or an orphan one', async () => {
    const staging = completeBackup('2026-02-22', { environment: 'staging' })
    const damaged = {
      state: 'damaged',
      tier: 'daily',
      period: '2026-02-25',
      key: staging.key,
      manifestKey: staging.manifestKey,
      why: '',
      fault: 'manifest',
    } as const
    expect(
      await codeOf(() => {
        requireSameSource([damaged, staging], here, asked)
      }),
    ).toBe('refused')
    expect(() => {
      requireSameSource([damaged, ...catalog, staging], here, asked)
    }).not.toThrow()
  })
})

describe('a cloned server', () => {
  test.each([
    ['the same machine', cluster, 'one', 0],
    ['another machine with the same cluster', cluster, 'two', 1],
    ['another machine with another cluster', '1', 'two', 0],
    ['a machine that does not tell its name', cluster, null, 1],
  ])('%s: as many warnings as it deserves', (_what, systemIdentifier, machine, warnings) => {
    expect(sourceWarnings(catalog, { systemIdentifier, machine })).toHaveLength(warnings)
  })

  test('is not seen where no machine was noted, or nothing is there', () => {
    const unnamed = completeBackup('2026-02-24', { tool: { ...manifestOf('2026-02-24').tool, machine: null } })
    expect(sourceWarnings([unnamed], { systemIdentifier: cluster, machine: 'two' })).toEqual([])
    expect(sourceWarnings([], { systemIdentifier: cluster, machine: 'two' })).toEqual([])
  })
})

describe('a database that this role cannot dump', () => {
  test('is refused with every reason', async () => {
    const blockers = ['the table public.a may not be read', 'large object 7 is not its own']
    const fault = await faultOf(() => {
      requireDumpable({ database: 'app_db', blockers })
    })
    expect(fault.code).toBe('rights')
    expect(fault.all).toEqual(blockers)
  })

  test('is not one without blockers', () => {
    expect(() => {
      requireDumpable({ database: 'app_db', blockers: [] })
    }).not.toThrow()
  })
})
