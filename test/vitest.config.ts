import { defineConfig } from 'vitest/config'

/** The tiers. Those with servers start them once, in support/servers.ts; a tier that cannot start fails. */
const tier = (name: string, folders: readonly string[], servers: boolean) => ({
  test: {
    name,
    root: import.meta.dirname,
    include: folders.map((folder) => `${folder}/**/*.test.ts`),
    setupFiles: ['support/no-warnings.ts'],
    ...(servers ? { globalSetup: ['support/servers.ts'] } : {}),
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})

export default defineConfig({
  test: {
    projects: [
      tier('unit', ['unit', 'property', 'arch'], false),
      tier('contract', ['contract'], false),
      tier('integration', ['integration'], true),
      tier('cli', ['cli'], true),
      tier('faults', ['faults'], true),
    ],
    pool: 'forks',
    maxWorkers: 2,
    passWithNoTests: false,
    allowOnly: false,
    reporters: ['default'],
  },
})
