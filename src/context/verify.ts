import type { ReadContext } from '../commands/verify.ts'
import { loadConfig } from '../config/load.ts'
import type { Edge } from '../edge.ts'
import { opened, type CommonOptions, type Opened } from './parts.ts'
import { readContext } from './read.ts'
import { vaultOf } from './vault.ts'

export const openVerify = async (edge: Edge, options: CommonOptions): Promise<Opened<ReadContext>> => {
  const config = loadConfig(edge.environment, options.envFile, vaultOf)
  return {
    secrets: config.secrets,
    context: (await readContext(edge, options, config, opened(config.derived))).context,
  }
}
