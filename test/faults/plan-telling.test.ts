import { folderCommands, folderStage, furnishedSite, playPlan } from '../support/plan-stage.ts'
import { newDatabase } from '../support/postgres.ts'
import { strikeTelling } from '../support/strikes.ts'
import { tellingFaults } from './plan/telling.ts'

const furnished = furnishedSite((port) => newDatabase(port, { sql: 'CREATE TABLE users AS SELECT 1 AS id' }))

playPlan(
  'telling',
  tellingFaults,
  folderCommands,
  () => folderStage(furnished()),
  (strike, command, { start }) => strikeTelling(strike, (more) => start(command, more)),
)
