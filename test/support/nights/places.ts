import { layout } from '../builders.ts'
import { memoryStore } from '../memory-store.ts'
import type { Place } from './world.ts'

/** Where histories are played by the thousand; real places are in real-places.ts. */
export const inMemory = (now: () => Date): Place => {
  const store = memoryStore(layout.prefix, now)
  return {
    store,
    plant: (name, bytes) => {
      store.plant(name, bytes)
      return Promise.resolve()
    },
    remove: (name) => {
      store.remove(name)
      return Promise.resolve()
    },
    leaveUnfinished: (key) => {
      store.leaveUnfinished(key)
      return Promise.resolve()
    },
  }
}
