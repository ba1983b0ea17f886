import { flowingDatabase } from '../support/faults.ts'
import { folderCommands, folderStage, furnishedSite, playPlan } from '../support/plan-stage.ts'
import { strikeMachine } from '../support/strikes.ts'
import { machineFaults } from './plan/machine.ts'

if (process.getuid?.() !== 0) throw new Error('The faults of the machine need root, to mount and to limit memory.')

const furnished = furnishedSite(flowingDatabase)

playPlan(
  'machine',
  machineFaults,
  folderCommands,
  () => folderStage(furnished()),
  (strike, command, { site, start }) => strikeMachine(strike, site, (more) => start(command, more)),
)
