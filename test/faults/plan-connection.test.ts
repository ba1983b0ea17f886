import { inject } from 'vitest'
import { flowingDatabase } from '../support/faults.ts'
import { folderCommands, folderStage, furnishedSite, playPlan, type Stage } from '../support/plan-stage.ts'
import { freePort } from '../support/postgres.ts'
import { strikeConnection } from '../support/strikes.ts'
import { startProxy, type Proxy } from '../support/tcp-proxy.ts'
import { connectionFaults } from './plan/connection.ts'

const furnished = furnishedSite(flowingDatabase)
const ways = new WeakMap<Stage, Proxy>()

playPlan(
  'connection',
  connectionFaults,
  folderCommands,
  async (strike) => {
    if (strike === 'refused') return folderStage(furnished(), await freePort())
    const proxy = await startProxy(inject('pgPort'))
    const stage = await folderStage(furnished(), proxy.port)
    ways.set(stage, proxy)
    return stage
  },
  (strike, command, stage) => strikeConnection(strike, ways.get(stage), (more) => stage.start(command, more)),
)
