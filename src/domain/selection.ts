import { Fault } from '../errors.ts'
import {
  isComplete,
  type Backup,
  type Catalog,
  type CompleteBackup,
  type OlderBackup,
  type OrphanBackup,
} from './catalog.ts'

/** What `restore` and `verify` are asked for. There is no default here: `verify` itself chooses `latest`. */
export type Selector =
  | { readonly by: 'latest' }
  | { readonly by: 'date'; readonly date: string }
  | { readonly by: 'month'; readonly month: string }
  | { readonly by: 'key'; readonly key: string }

export type Usable = CompleteBackup | OlderBackup
const isUsable = (backup: Backup): backup is Usable =>
  backup.state === 'complete' || backup.state === 'unverified-older'

/**
 * The backup that is meant. Throws `no-such-backup`, naming the nearest ones there are, or `damaged` when what was
 * asked for is there and cannot be used.
 */
export const select = (catalog: Catalog, selector: Selector): Usable => {
  const wanted = inOrder(catalog.filter((backup) => matches(backup, selector)))
  // A signed and complete one before any that nothing vouches for, whatever their dates.
  const usable = wanted.find(isComplete) ?? wanted.find(isUsable)
  if (usable !== undefined) return usable
  const damaged = wanted.find((backup) => backup.state === 'damaged')
  if (damaged !== undefined)
    throw new Fault('damaged', `The backup ${damaged.key} cannot be used: ${damaged.why}.`, {
      hint: nearest(catalog, selector),
    })
  if (wanted.length > 0 && selector.by !== 'latest')
    throw new Fault(
      'damaged',
      `${wanted[0]?.key ?? ''} is an orphan: no manifest speaks for it, so nothing says that it is whole.`,
      {
        hint: nearest(catalog, selector),
      },
    )
  throw new Fault('no-such-backup', `There is no backup ${describe(selector)}.`, { hint: nearest(catalog, selector) })
}

/**
 * As `select`, for a restore. What nothing vouches for is taken only where `allowUnverified` says so, and an archive
 * without any manifest only where it alone is meant: nobody gets one by asking for the latest.
 */
export const selectToRestore = (
  catalog: Catalog,
  selector: Selector,
  asked: { readonly allowUnverified: boolean },
): Usable | OrphanBackup => {
  const wanted = catalog.filter((backup) => matches(backup, selector))
  const [orphan] = wanted.filter((backup) => backup.state === 'orphan')
  const chosen =
    asked.allowUnverified && selector.by !== 'latest' && orphan !== undefined && !wanted.some(isUsable)
      ? orphan
      : select(catalog, selector)
  if (chosen.state !== 'complete' && !asked.allowUnverified)
    throw new Fault(
      'refused',
      `${chosen.key} is a backup of the previous system: it is not signed, and nothing vouches for it.`,
      {
        hint: 'If you trust who could write to the store, add --allow-unverified. Every check that such a backup allows is made.',
      },
    )
  return chosen
}

/** The latest by its start, as its manifest states it; a monthly is a copy of a daily, and comes after it. */
const inOrder = (backups: Catalog): Catalog =>
  backups.toSorted((a, b) => startOf(b) - startOf(a) || (a.tier === b.tier ? 0 : a.tier === 'daily' ? -1 : 1))

const startOf = (backup: Backup): number =>
  isUsable(backup)
    ? Date.parse(backup.manifest.timestamp)
    : Date.parse(backup.tier === 'daily' ? backup.period : `${backup.period}-01`)

const matches = (backup: Backup, selector: Selector): boolean => {
  switch (selector.by) {
    case 'latest':
      return true
    case 'date':
      return backup.tier === 'daily' && backup.period === selector.date
    case 'month':
      return backup.tier === 'monthly' && backup.period === selector.month
    case 'key':
      return backup.key === selector.key
  }
}

const describe = (selector: Selector): string => {
  switch (selector.by) {
    case 'latest':
      return 'at all'
    case 'date':
      return `of the day ${selector.date}`
    case 'month':
      return `of the month ${selector.month}`
    case 'key':
      return 'with that key'
  }
}

const nearest = (catalog: Catalog, selector: Selector): string => {
  const usable = catalog.filter(isUsable)
  if (usable.length === 0) return 'There is none that could be used. See: oslrs-backup list'
  const periods = usable
    .filter((backup) => backup.tier === (selector.by === 'month' ? 'monthly' : 'daily'))
    .map((backup) => backup.period)
  const asked = selector.by === 'date' ? selector.date : selector.by === 'month' ? selector.month : undefined
  const newestFirst = asked === undefined ? periods.slice(0, 3) : around(periods, asked)
  return newestFirst.length === 0
    ? 'See what there is: oslrs-backup list'
    : `Nearest: ${newestFirst.join(', ')}. See all: oslrs-backup list`
}

const around = (periodsNewestFirst: readonly string[], asked: string): readonly string[] => {
  const after = periodsNewestFirst.findLast((period) => period > asked)
  const before = periodsNewestFirst.find((period) => period < asked)
  return [after, before].filter((period) => period !== undefined)
}
