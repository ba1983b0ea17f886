import { realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** What the safety of the backups rests on, as absolute paths. */
export interface Guarded {
  /** Files that hold a secret: nobody else should read them. */
  readonly secret: readonly string[]
  /** Files and folders that are believed: nobody else should change them. */
  readonly believed: readonly string[]
}

/**
 * Sentences about what every user of this machine can read or change and should not, each with how to mend it. A folder on
 * the way that is closed to others closes what is in it. What cannot be looked at is passed over: that it is missing is told elsewhere.
 */
export const exposureWarnings = ({ secret, believed }: Guarded): string[] => {
  const kept = new Set(secret)
  return [...new Set([...secret, ...believed])].flatMap((path) => {
    const open = openTo(path)
    const holds = kept.has(path) ? ', which holds a secret' : ''
    const may = [...(open.read && kept.has(path) ? ['read'] : []), ...(open.write ? ['change'] : [])]
    if (may.length === 0) return []
    return [
      `Every user of this machine can ${may.join(' and ')} ${path}${holds}: chmod ${kept.has(path) ? 'o=' : 'o-w'} ${path}`,
    ]
  })
}

const nothing = { read: false, write: false }

/** What the mode gives to those who are neither its owner nor of its group. */
const openTo = (path: string): { readonly read: boolean; readonly write: boolean } => {
  try {
    const at = realpathSync(path)
    for (let folder = dirname(at), below = at; folder !== below; below = folder, folder = dirname(folder))
      if ((statSync(folder).mode & 0o001) === 0) return nothing
    const { mode } = statSync(at)
    return { read: (mode & 0o004) !== 0, write: (mode & 0o002) !== 0 }
  } catch {
    return nothing
  }
}
