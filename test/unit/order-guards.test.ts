import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { LockedContext } from '../../src/commands/order-context.ts'
import { promote } from '../../src/commands/promote.ts'
import { prune } from '../../src/commands/prune.ts'
import type { ObjectKey } from '../../src/domain/key.ts'
import { encodeManifest, type Manifest } from '../../src/domain/manifest.ts'
import type { Store } from '../../src/ports.ts'
import { dataKey, faultOf, layout, manifestKey, manifestOf } from '../support/builders.ts'
import { memoryStore, type MemoryStore } from '../support/memory-store.ts'
import { clockOf, silent } from '../support/simulated-server.ts'

/** What changes between the plan and the deed: no plan can know of it, so each deed looks once more. */

const now = new Date('2026-03-12T02:00:00.000Z')
const archive = Buffer.alloc(1000, 'x')
const contentOf = (period: string, more: Partial<Manifest> = {}): Buffer =>
  Buffer.from(
    encodeManifest(manifestOf(period, { checksumSha256: createHash('sha256').update(archive).digest('hex'), ...more })),
  )
const plantGood = (store: MemoryStore, ...periods: readonly string[]): void => {
  for (const period of periods) {
    store.plant(dataKey(period), archive)
    store.plant(manifestKey(period), contentOf(period))
  }
}
const newest = ['2026-03-12', '2026-03-11', '2026-03-10', '2026-03-01'] as const

/** `meddle` comes right before this key is read for the nth time. */
const meddledWith = (store: MemoryStore, key: ObjectKey, nth: number, meddle: () => void): Store => {
  let reads = 0
  return {
    ...store,
    get: (asked, from) => {
      if (asked === key && ++reads === nth) meddle()
      return store.get(asked, from)
    },
  }
}
const contextOf = (store: Store): LockedContext => ({
  vault: { store, layout, trusted: [] },
  journal: silent,
  clock: clockOf(() => now.getTime()),
  stop: new AbortController().signal,
  policy: { dailyDays: 7, monthlyMonths: 84, keepAtLeast: 3, olderCount: true },
  signingKey: undefined,
  mayRemove: true,
  database: undefined,
})
const storeAt = (date: Date): MemoryStore => memoryStore(layout.prefix, () => date)
const namesIn = (store: MemoryStore): string[] => [...store.all().keys()].toSorted()

describe('a removal', () => {
  const old = '2026-03-02'
  test.each<[string, (store: MemoryStore) => void]>([
    [
      'was replaced',
      (store) => {
        store.plant(manifestKey(old), contentOf(old, { attempt: 2 }))
      },
    ],
    [
      'has become unreadable',
      (store) => {
        store.plant(manifestKey(old), Buffer.from('{'))
      },
    ],
    [
      'is gone',
      (store) => {
        store.remove(manifestKey(old))
      },
    ],
  ])('takes nothing of a backup whose manifest %s since the plan, and what else is due goes', async (_what, meddle) => {
    const store = storeAt(now)
    plantGood(store, ...newest, '2026-03', old, '2026-03-03')
    const meddled = meddledWith(store, manifestKey(old), 2, () => {
      meddle(store)
    })
    const { removed, faults } = await prune(contextOf(meddled), { dryRun: false })
    expect(faults).toMatchObject([{ key: dataKey(old), fault: { code: 'refused' } }])
    expect(faults[0]?.fault.message).toContain('has changed since the plan was made')
    expect(removed).toEqual(['2026-03-01', '2026-03-03'].flatMap((day) => [manifestKey(day), dataKey(day)]))
    expect(namesIn(store)).toContain(dataKey(old))
  })

  test('takes no archive that has got its manifest since the plan', async () => {
    const store = storeAt(new Date('2026-03-09T02:00:00.000Z'))
    plantGood(store, ...newest)
    const late = '2026-03-09'
    store.plant(dataKey(late), archive)
    const comes = (): void => {
      store.plant(manifestKey(late), contentOf(late))
    }
    const { removed, faults } = await prune(contextOf(meddledWith(store, manifestKey(late), 1, comes)), {
      dryRun: false,
    })
    expect(faults).toMatchObject([{ key: dataKey(late), fault: { code: 'refused' } }])
    expect(removed).toEqual([])
    expect(namesIn(store)).toContain(dataKey(late))
    // Without it, it goes: that is what the look has prevented.
    store.remove(manifestKey(late))
    expect(await prune(contextOf(store), { dryRun: false })).toMatchObject({ removed: [dataKey(late)], faults: [] })
  })

  test('is refused where another host prunes, before anything is read', async () => {
    const store = storeAt(now)
    plantGood(store, ...newest, old)
    const before = namesIn(store)
    const fault = await faultOf(() => prune({ ...contextOf(store), mayRemove: false }, { dryRun: false }))
    expect(fault.message).toContain('BACKUP_PRUNE is off')
    expect(namesIn(store)).toEqual(before)
  })
})

describe('a promotion', () => {
  const first = '2026-03-01'
  const asked = { dryRun: false, month: undefined }

  test('takes no daily whose manifest has changed since the plan', async () => {
    const store = storeAt(now)
    plantGood(store, ...newest)
    const replaced = (): void => {
      store.plant(manifestKey(first), contentOf(first, { attempt: 2 }))
    }
    const { promoted, faults } = await promote(contextOf(meddledWith(store, manifestKey(first), 2, replaced)), asked)
    expect(faults).toMatchObject([{ month: '2026-03', fault: { code: 'refused' } }])
    expect(promoted).toEqual([])
    expect(namesIn(store).filter((name) => name.includes('monthly'))).toEqual([])
  })

  test('writes over no monthly that another host has made since the plan', async () => {
    const store = storeAt(now)
    plantGood(store, ...newest)
    const theirs = { data: dataKey('2026-03', { sealing: 'none' }), manifest: manifestKey('2026-03') }
    const text = contentOf('2026-03', { s3Key: theirs.data })
    const made = (): void => {
      store.plant(theirs.data, archive)
      store.plant(theirs.manifest, text)
    }
    const { promoted, faults } = await promote(contextOf(meddledWith(store, theirs.manifest, 1, made)), asked)
    expect(faults).toMatchObject([{ month: '2026-03', fault: { code: 'refused' } }])
    expect(promoted).toEqual([])
    expect(store.all().get(theirs.manifest)?.equals(text)).toBe(true)
  })
})
