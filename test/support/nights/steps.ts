import fc from 'fast-check'
import type { StoreTrouble } from '../crashing-store.ts'
import { lossKinds, type LossKind } from '../simulated-registry.ts'
import type { ServerTrouble } from '../simulated-server.ts'
import { dayMs, hourMs } from './calendar.ts'

/** What may happen in ten years. Every step is data, so that a history that fails can be shrunk and printed. */
export type Step =
  /** The next 01:00 UTC comes, and the server backs up. `clockMs`: how far its clock is off, for this night. */
  | { readonly do: 'night'; readonly trouble?: Trouble; readonly clockMs?: number }
  | { readonly do: 'nights'; readonly count: number }
  /** Once more on the same day, some hours later. */
  | { readonly do: 'again'; readonly hours: number; readonly replace: boolean; readonly trouble?: Trouble }
  /** Nothing runs for so long. */
  | { readonly do: 'days without'; readonly days: number }
  /** Until the oldest monthly is in the last month in which it must still be there. */
  | { readonly do: 'years without' }
  /** On the drill host: no database and so no lock, and a clock of its own. */
  | { readonly do: 'prune' | 'promote'; readonly trouble?: Trouble; readonly clockMs?: number }
  | { readonly do: 'lose'; readonly kind: LossKind }
  | { readonly do: 'repair' }
  /** A person says that what the newest night lacks is meant to be gone. */
  | { readonly do: 'accept'; readonly trouble?: Trouble }
  | { readonly do: 'foreign'; readonly name: number }
  | { readonly do: 'drill report' }
  /** One object of a backup gets another size. */
  | { readonly do: 'rot'; readonly pick: number }
  | { readonly do: 'lose a manifest'; readonly pick: number }
  /** A person removes what is dated in the future. */
  | { readonly do: 'remove the future' }

export type Trouble =
  | ({ readonly at: 'the store' } & { readonly store: StoreTrouble })
  | { readonly at: 'the server'; readonly server: ServerTrouble }

export interface History {
  /** Keys are trusted, and manifests are signed. */
  readonly trusted: boolean
  readonly sealed: boolean
  /** False: BACKUP_PRUNE=off on the server, and the drill host prunes. */
  readonly serverPrunes: boolean
  /** Days of backups of the previous system before the first night. */
  readonly olderDays: number
  /** Day of the year in which it begins. */
  readonly startDay: number
  /** By how much longer the days without a night are. */
  readonly pace: number
  readonly steps: readonly Step[]
}

/** Names that are nearly ours, and names that lead elsewhere. `D` and `M` are today and its month. */
export const foreignNames = [
  'photos/D.jpg',
  'photos/backups/daily/D-app_db.sql.gz.age',
  'backups2/daily/D-app_db.sql.gz.age',
  'backups/notes.txt',
  'Backups/daily/D-app_db.sql.gz.age',
  'backups/Daily/D-app_db.sql.gz.age',
  'backups/daily/D-app_db.SQL.GZ.AGE',
  'backups/daily/D-app_db.sql.gz.age.bak',
  'backups/daily/D-app_db.sql.gz.age/part',
  'backups/daily/D-app_db.r1.sql.gz.age',
  'backups/daily/D-app_db.r02.sql.gz.age',
  'backups/monthly/M-app_db.r2.sql.gz.age',
  'backups/daily/2026-02-30-app_db.sql.gz.age',
  'backups/daily/D-app db.sql.gz',
  'backups/manifests/D-manifest.json~',
  'backups/manifests/monthly/D-manifest.json.old',
  'backups/manifests/D.json',
  'backups/daily/../../photos/D.sql.gz.age',
  'backups/daily/./D-app_db.sql.gz.age',
  'backups//daily/D-app_db.sql.gz.age',
  'backups/daily/D-app_db.sql.gz.age ',
  'backups/acks/D.json.txt',
] as const

const storeTrouble: fc.Arbitrary<Trouble> = fc
  .record({
    kind: fc.constantFrom('fault' as const, 'kill' as const),
    effect: fc.constantFrom('none' as const, 'half' as const, 'whole' as const),
    where: fc.oneof(
      fc.record({ counted: fc.constant('writes' as const), at: fc.integer({ min: 1, max: 8 }) }),
      fc.record({ counted: fc.constant('all' as const), at: fc.integer({ min: 1, max: 120 }) }),
    ),
  })
  .map(({ kind, effect, where }) => ({ at: 'the store', store: { kind, effect, ...where } }))

const serverTrouble: fc.Arbitrary<Trouble> = fc
  .constantFrom<ServerTrouble[]>('lock-held', 'no-connection', 'dump-dies', 'dump-is-cut', 'row-is-missing')
  .map((server) => ({ at: 'the server', server }))

const nightTrouble = fc.oneof({ weight: 4, arbitrary: storeTrouble }, { weight: 1, arbitrary: serverTrouble })

const forwards = fc.oneof(
  fc.integer({ min: 1, max: 47 }).map((hours) => hours * hourMs),
  fc.integer({ min: 2, max: 730 }).map((days) => days * dayMs),
)
export const clockErrors = {
  none: undefined,
  back: fc.integer({ min: 1, max: 730 * 24 }).map((hours) => -hours * hourMs),
  forwards,
} as const

/** How the clocks of the server may be wrong; the drill host's may be wrong in every way. */
export interface Liberties {
  readonly serverClock: 'right' | 'back' | 'any'
}

export const stepOf = ({ serverClock }: Liberties): fc.Arbitrary<Step> => {
  const anyClock = fc.oneof(clockErrors.back, clockErrors.forwards)
  const wrongNight = (clock: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
    clock.map((clockMs) => ({ do: 'night' as const, clockMs }))
  const alone = fc.constantFrom('prune' as const, 'promote' as const)
  const weighted: [number, fc.Arbitrary<Step>][] = [
    [6, fc.constant({ do: 'night' })],
    [4, fc.integer({ min: 2, max: 9 }).map((count) => ({ do: 'nights', count }))],
    [7, nightTrouble.map((trouble) => ({ do: 'night', trouble }))],
    [
      2,
      fc.record({ do: fc.constant('again' as const), hours: fc.integer({ min: 1, max: 22 }), replace: fc.boolean() }),
    ],
    [
      2,
      fc.record({
        do: fc.constant('again' as const),
        hours: fc.integer({ min: 1, max: 22 }),
        replace: fc.boolean(),
        trouble: nightTrouble,
      }),
    ],
    [
      5,
      fc
        .oneof(
          { weight: 3, arbitrary: fc.integer({ min: 1, max: 12 }) },
          { weight: 3, arbitrary: fc.integer({ min: 13, max: 120 }) },
          { weight: 1, arbitrary: fc.integer({ min: 121, max: 900 }) },
        )
        .map((days) => ({ do: 'days without', days })),
    ],
    [1, fc.constant({ do: 'years without' })],
    [3, alone.map((what) => ({ do: what }))],
    [2, fc.record({ do: alone, trouble: storeTrouble })],
    [2, fc.record({ do: alone, clockMs: anyClock })],
    [2, fc.constantFrom(...lossKinds).map((kind) => ({ do: 'lose', kind }))],
    [2, fc.constant({ do: 'repair' })],
    [2, fc.constant({ do: 'accept' })],
    [1, storeTrouble.map((trouble) => ({ do: 'accept', trouble }))],
    [1, fc.integer({ min: 0, max: foreignNames.length - 1 }).map((name) => ({ do: 'foreign', name }))],
    [1, fc.constant({ do: 'drill report' })],
    [1, fc.nat({ max: 20 }).map((pick) => ({ do: 'rot', pick }))],
    [1, fc.nat({ max: 20 }).map((pick) => ({ do: 'lose a manifest', pick }))],
    [1, fc.constant({ do: 'remove the future' })],
  ]
  if (serverClock !== 'right') weighted.push([2, wrongNight(clockErrors.back)])
  if (serverClock === 'any') weighted.push([3, wrongNight(clockErrors.forwards)])
  return fc.oneof(...weighted.map(([weight, arbitrary]) => ({ weight, arbitrary })))
}

export const historyOf = (liberties: Liberties, maxSteps: number): fc.Arbitrary<History> =>
  fc.record({
    // Few: looking at signatures takes most of the time then.
    trusted: fc.oneof({ weight: 11, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    pace: fc.constantFrom(1, 1, 6),
    sealed: fc.boolean(),
    serverPrunes: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    olderDays: fc.oneof(
      { weight: 2, arbitrary: fc.constant(0) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 45 }) },
    ),
    startDay: fc.integer({ min: 0, max: 364 }),
    steps: fc.array(stepOf(liberties), { minLength: 1, maxLength: maxSteps, size: 'max' }),
  })
