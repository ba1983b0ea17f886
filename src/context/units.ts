import { setTimeout } from 'node:timers/promises'
import type { AlertContext } from '../commands/alert.ts'
import type { WaitContext } from '../commands/retry-wait.ts'
import { loadConfig } from '../config/load.ts'
import type { Edge } from '../edge.ts'
import { journalOf, type CommonOptions, type Opened } from './parts.ts'
import { managerOf } from './programs.ts'
import { openTelling } from './run.ts'

/** What the units of systemd/ call besides `run`, `list` and `verify`. */

export const openRetryWait = (edge: Edge, options: CommonOptions): Promise<Opened<WaitContext>> => {
  const { values, secrets } = loadConfig(edge.environment, options.envFile, () => undefined)
  const journal = journalOf(edge, options, secrets)
  return Promise.resolve({
    secrets,
    context: {
      manager: managerOf(edge, journal),
      journal,
      retryWaits: values.BACKUP_RETRY_WAITS ?? [],
      pause: async (ms) => setTimeout(ms, undefined, { signal: edge.stop }),
    },
  })
}

export const openAlert = async (edge: Edge, options: CommonOptions): Promise<Opened<AlertContext>> => {
  const { context: tell, secrets } = await openTelling(edge, options)
  return { secrets, context: { tell, manager: managerOf(edge, tell.journal) } }
}
