import type { ObjectKey } from '../../src/domain/key.ts'
import { Fault } from '../../src/errors.ts'
import type { Bytes, Store } from '../../src/ports.ts'

/** What goes wrong at one of the store's operations. */
export interface StoreTrouble {
  /** A fault is told, once; a kill ends the process, so that no operation after it does anything. */
  readonly kind: 'fault' | 'kill'
  /** Which operations are counted: all of them, or those that change something. */
  readonly counted: 'all' | 'writes'
  /** 1 is the first. */
  readonly at: number
  /**
   * What the operation had done by then: nothing; half (a body half sent, which leaves an unfinished upload; a listing half
   * read); or all, and only its answer is lost.
   */
  readonly effect: 'none' | 'half' | 'whole'
}

/** The process is dead; only the test sees this. */
export class Killed extends Error {
  override readonly name = 'Killed'
}

export interface CrashingStore extends Store {
  /** What the trouble struck; undefined while it has not. */
  readonly struck: { readonly operation: string; readonly key: string; readonly kind: 'fault' | 'kill' } | undefined
}

type Operation = (typeof writes)[number] | 'check' | 'list' | 'head' | 'get' | 'prove' | 'unfinished' | 'habits'
const writes = ['put', 'copy', 'delete', 'abandon'] as const

/**
 * Any store, that fails or dies at the n-th operation: before it, in the middle of it, or between it and its answer.
 * `leaveUnfinished` makes, behind the store's back, what an upload of that key would have left.
 */
export const crashingStore = (
  inner: Store,
  trouble: StoreTrouble | undefined,
  leaveUnfinished: (key: ObjectKey) => Promise<void>,
): CrashingStore => {
  let seen = 0
  let struck: CrashingStore['struck']

  const isStruck = (operation: Operation, key: string): boolean => {
    if (struck?.kind === 'kill') throw new Killed('the process is dead')
    if (trouble === undefined || struck !== undefined) return false
    if (trouble.counted === 'writes' && !writes.some((write) => write === operation)) return false
    seen += 1
    if (seen !== trouble.at) return false
    struck = { operation, key, kind: trouble.kind }
    return true
  }
  const blow = (): Error =>
    trouble?.kind === 'kill' ? new Killed('killed') : new Fault('storage-failed', 'The storage does not answer.')

  const asking = async <T>(operation: Operation, key: string, work: () => Promise<T>): Promise<T> => {
    if (!isStruck(operation, key)) return work()
    if (trouble?.effect === 'whole') await work()
    throw blow()
  }
  async function* reading<T>(operation: Operation, key: string, items: AsyncIterable<T>): AsyncGenerator<T> {
    if (!isStruck(operation, key)) {
      yield* items
      return
    }
    // Not the first half: what is missing may be anything.
    let seenItems = 0
    if (trouble?.effect !== 'none') for await (const item of items) if (++seenItems % 2 === 1) yield item
    throw blow()
  }
  /** Half of it has gone out when the line is cut. */
  const sending = async <T>(
    operation: Operation,
    key: ObjectKey,
    body: Bytes | undefined,
    work: () => Promise<T>,
  ): Promise<T> => {
    if (!isStruck(operation, key)) return work()
    if (trouble?.effect === 'whole') await work()
    if (trouble?.effect === 'half') {
      let chunks = 0
      if (body !== undefined) for await (const _ of body) if (++chunks === 2) break
      await leaveUnfinished(key)
    }
    throw blow()
  }

  return {
    place: inner.place,
    description: inner.description,
    get struck() {
      return struck
    },
    check: (use) => asking('check', '', () => inner.check(use)),
    list: (prefix) => reading('list', prefix, inner.list(prefix)),
    head: (key) => asking('head', key, () => inner.head(key)),
    get: (key, from) => reading('get', key, inner.get(key, from)),
    put: (key, body, options) => sending('put', key, body, () => inner.put(key, body, options)),
    prove: (key, sent) => asking('prove', key, () => inner.prove(key, sent)),
    copy: (from, to, options) => sending('copy', to, undefined, () => inner.copy(from, to, options)),
    delete: (key) => asking('delete', key, () => inner.delete(key)),
    unfinished: (prefix) => reading('unfinished', prefix, inner.unfinished(prefix)),
    abandon: (upload) => asking('abandon', upload.key, () => inner.abandon(upload)),
    habits: () => asking('habits', '', () => inner.habits()),
    isPublic: (key) => inner.isPublic(key),
  }
}
