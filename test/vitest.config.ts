import { defineConfig } from 'vitest/config'

/** The tiers. Those with servers start them once, in their setup; a tier that cannot start fails. */
const tier = (name: string, folders: readonly string[], setup?: string) => ({
  test: {
    name,
    root: import.meta.dirname,
    include: folders.map((folder) => `${folder}/**/*.test.ts`),
    setupFiles: ['support/no-warnings.ts', ...(setup === undefined ? [] : ['support/no-new-night.ts'])],
    ...(setup === undefined ? {} : { globalSetup: [setup] }),
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})

export default defineConfig({
  test: {
    projects: [
      tier('unit', ['unit', 'property', 'arch']),
      tier('contract', ['contract']),
      tier('integration', ['integration'], 'support/servers.ts'),
      tier('cli', ['cli'], 'support/servers.ts'),
      tier('faults', ['faults'], 'support/servers.ts'),
      tier('systemd', ['systemd'], 'support/systemd-tier.ts'),
    ],
    pool: 'forks',
    // One more than the cores of the smallest machine: many a test waits, for a timeout, a server or a night to end.
    maxWorkers: 3,
    passWithNoTests: false,
    allowOnly: false,
    reporters: ['default'],
  },
})
