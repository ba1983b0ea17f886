import { flowingDatabase } from '../support/faults.ts'
import { folderCommands, folderStage, furnishedSite, playPlan } from '../support/plan-stage.ts'
import { strikeProgram } from '../support/strikes.ts'
import { programFaults } from './plan/programs.ts'

const furnished = furnishedSite(flowingDatabase)

playPlan(
  'programs',
  programFaults,
  folderCommands,
  () => folderStage(furnished()),
  (strike, command, { site, start }) => strikeProgram(strike, site, (more) => start(command, more)),
)
