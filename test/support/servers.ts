import type { TestProject } from 'vitest/node'
import { execa } from 'execa'
import { join } from 'node:path'
import { newDatabase, startCluster } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Port of a PostgreSQL server that trusts everybody, on 127.0.0.1. */
    readonly pgPort: number
    /** Name of a database like the registry's (2,000 respondents), to be used as a template and never connected to. */
    readonly registryTemplate: string
  }
}

/** Once per tier: the built program and a PostgreSQL server. Whatever cannot be had fails the tier. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  await execa('npm', ['run', '--silent', 'build'], { cwd: join(import.meta.dirname, '../..') })
  const cluster = await startCluster()
  try {
    const url = await newDatabase(cluster.port, { file: 'registry.sql', variables: { respondents: 2000 } })
    project.provide('pgPort', cluster.port)
    project.provide('registryTemplate', new URL(url).pathname.slice(1))
  } catch (thrown) {
    await cluster.stop()
    throw thrown
  }
  return () => cluster.stop()
}
