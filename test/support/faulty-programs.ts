import { execa } from 'execa'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Environment, Site } from './tool.ts'

/** Harm that comes to a program in one of its calls, at an event; fixtures/faulty-program.ts carries it out. */
export interface Harm {
  /** The call that has this word among its arguments. */
  readonly call: string
  /** Whose bytes are watched: those that the program writes, or those that it is given to read. */
  readonly stream: 'output' | 'input'
  /** When so many bytes have passed; just before a text passes; when all has passed. */
  readonly at: { readonly bytes: number } | { readonly text: string } | 'end'
  readonly then:
    | 'note'
    | 'wait'
    | 'hang'
    | 'hang, deaf to SIGTERM'
    | 'kill'
    | { readonly exit: number }
    | 'leave out a row'
    | 'write garbage'
    | 'stop reading'
}
/** What a program prints in one of its calls instead of being run. */
export interface Saying {
  readonly call: string
  readonly says: string
}
export type Plan = Harm | Saying

export interface Harmed {
  /** To be given to the tool. */
  readonly environment: Environment
  hasFired(): boolean
  /** When the event has come. */
  firing(): Promise<void>
  /** Lets go on what waits. */
  release(): Promise<void>
}

const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const folderOf = (site: Site): string => join(site.folder, 'programs')

/** A PATH that names the site's folder, and by it every process that a run starts; see `processesOf`. */
export const pathOf = (site: Site): Environment => ({ PATH: `${folderOf(site)}:${standardPath}` })

const fixture = join(import.meta.dirname, 'fixtures/faulty-program.ts')

const prepared = async (site: Site, plan: Plan): Promise<{ planFile: string; harmed: Harmed }> => {
  await mkdir(folderOf(site), { recursive: true })
  const planFile = join(folderOf(site), `plan-${String((await readdir(folderOf(site))).length)}`)
  await writeFile(planFile, JSON.stringify(plan))
  const hasFired = (): boolean => existsSync(`${planFile}.fired`)
  return {
    planFile,
    harmed: {
      environment: pathOf(site),
      hasFired,
      firing: () => eventually(`the fault in ${plan.call}`, hasFired),
      release: () => writeFile(`${planFile}.released`, ''),
    },
  }
}

/** Harm to pg_dump or psql, by way of BACKUP_PG_COMMAND. */
export const harmPg = async (site: Site, plan: Plan): Promise<Harmed> => {
  const { planFile, harmed } = await prepared(site, plan)
  const command = `${process.execPath} ${fixture} ${planFile}`
  return { ...harmed, environment: { ...harmed.environment, BACKUP_PG_COMMAND: command } }
}

/** Harm to a program that is found by PATH. */
export const harmProgram = async (site: Site, name: 'age' | 'igzip', plan: Plan): Promise<Harmed> => {
  const { planFile, harmed } = await prepared(site, plan)
  const call = [process.execPath, fixture, planFile, await whereIs(name)].map((word) => `'${word}'`).join(' ')
  await writeFile(join(folderOf(site), name), `#!/bin/sh\nexec ${call} "$@"\n`, { mode: 0o755 })
  return harmed
}

const whereIs = async (name: string): Promise<string> =>
  (await execa('sh', ['-c', 'command -v "$1"', 'sh', name], { env: { PATH: standardPath } })).stdout

/** A PATH on which nothing but these programs is found, and those that the launcher needs. */
export const onlyPrograms = async (site: Site, ...names: string[]): Promise<Environment> => {
  const folder = join(site.folder, 'only')
  await mkdir(folder)
  for (const file of await Promise.all(['dirname', 'readlink', 'uname', ...names].map(whereIs)))
    await symlink(file, join(folder, basename(file)))
  return { PATH: folder }
}

/** Command lines of the running processes whose arguments or environment name the site's folder. */
export const processesOf = async (site: Site): Promise<string[]> => {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  const found = await Promise.all(
    ids.map(async (id) => {
      // A process may be gone by now; one that has ended and was not waited for has neither.
      const [line, environment] = await Promise.all(
        ['cmdline', 'environ'].map((name) => readFile(`/proc/${id}/${name}`, 'utf8').catch(() => '')),
      )
      return `${line ?? ''}${environment ?? ''}`.includes(site.folder)
        ? [`${id} ${(line ?? '').replaceAll('\0', ' ')}`]
        : []
    }),
  )
  return found.flat()
}

/** Looks again and again until it is so; throws when it does not come to be so in time. */
export const eventually = async (what: string, check: () => boolean | Promise<boolean>): Promise<void> => {
  const until = performance.now() + 120_000
  while (!(await check())) {
    if (performance.now() > until) throw new Error(`This did not happen within 120 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
