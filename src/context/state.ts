import { systemClock } from '../adapters/clock.ts'
import { stateFolder } from '../adapters/state-folder.ts'
import type { Config } from '../config/load.ts'
import type { Journal } from '../ports.ts'
import type { StateFolder } from '../ports/telling.ts'
import { metricsText } from '../present/metrics.ts'

export const stateOf = ({ values }: Config, journal: Journal): StateFolder =>
  stateFolder(values.BACKUP_STATE_DIR ?? '/var/lib/oslrs-backup', metricsText, journal, systemClock)
