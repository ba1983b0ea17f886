import { execa } from 'execa'
import { chmod, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, inject } from 'vitest'
import { endOf, flowingDatabase } from '../support/faults.ts'
import { folderCommands, folderStage, furnishedSite, playPlan } from '../support/plan-stage.ts'
import { toolPath } from '../support/tool.ts'
import { limitFaults } from './plan/limits.ts'

if (process.getuid?.() !== 0)
  throw new Error('The limits need root: they are set for a user that has no other process.')

/** Nobody's, so that no other process counts. */
const user = '54321'
const as = ['--reuid', user, '--regid', user, '--clear-groups']

const furnished = furnishedSite(flowingDatabase)

/** The program where any user may run it. */
let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'oslrs-limits-'))
  const source = join(toolPath, '../..')
  for (const part of ['bin', 'dist', `node_modules/node-linux-${process.arch}`])
    await cp(join(source, part), join(home, part), { recursive: true })
  await chmod(home, 0o755)
})
afterAll(() => rm(home, { recursive: true, force: true }))

playPlan(
  'limits',
  limitFaults,
  folderCommands,
  () => folderStage(furnished(), inject('pgPort')),
  async ({ prlimit }, command, { site, start }) => {
    await execa('chown', ['-R', `${user}:${user}`, site.folder])
    const ended = await endOf(
      start(command, {}, ['setpriv', ...as, 'prlimit', prlimit, join(home, 'bin/oslrs-backup')]),
    )
    return { ended, hasFired: undefined }
  },
)
