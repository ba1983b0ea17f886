import { execa } from 'execa'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** More nights than the tests have time for: `npm run chaos -- --seed 7 --nights 1000`. See faults/chaos.test.ts. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    nights: { type: 'string', default: '100' },
    store: { type: 'string', default: 'folder' },
  },
})
const args = ['run', '--config', join(import.meta.dirname, 'vitest.config.ts'), '--project', 'faults', 'faults/chaos']
const { exitCode } = await execa('vitest', args, {
  env: { CHAOS_SEED: values.seed, CHAOS_NIGHTS: values.nights, CHAOS_STORE: values.store },
  preferLocal: true,
  stdio: 'inherit',
  reject: false,
})
process.exitCode = exitCode ?? 1
