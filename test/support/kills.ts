import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { startAt } from './faults.ts'
import { processesOf } from './faulty-programs.ts'
import type { S3FaultPlan } from './s3-proxy.ts'
import { filesUnder, type Site } from './tool.ts'

/** What the tests have in common that kill a command at each of its steps. */

const day = Math.floor(Date.now() / 86_400_000)

/** How long the kills of a day may take; all of them, an hour. */
export const timeOfKills = (milliseconds: number): number =>
  process.env['KILL_AT_EVERY'] === undefined ? milliseconds : 3_600_000

/** One of several commands, another one each day; with KILL_AT_EVERY all of them. */
export const oneOfThemToday = <T>(commands: readonly T[]): readonly T[] =>
  process.env['KILL_AT_EVERY'] === undefined ? commands.filter((_, index) => index === day % commands.length) : commands

/** One point in so many, beginning with another one each day; KILL_AT_EVERY=1 takes all. Never none. */
export const dueToday = <T>(points: readonly T[], oneIn: number): readonly T[] => {
  const step = Math.min(Number(process.env['KILL_AT_EVERY'] ?? oneIn), points.length)
  return points.filter((_, index) => index % step === day % step)
}

/** SIGKILL for it, and for everything that it has started, when `reached` comes. It must not end before. */
export const killWhen = async (
  site: Site,
  running: ReturnType<typeof startAt>,
  reached: Promise<void>,
  label: string,
): Promise<void> => {
  const ended = running.then(({ exitCode, stderr }) => `ended with ${String(exitCode)}: ${stderr}`)
  expect(await Promise.race([reached.then(() => 'reached'), ended]), label).toBe('reached')
  for (let left = await processesOf(site); left.length > 0; left = await processesOf(site))
    for (const line of left) killIfThere(Number(line.split(' ')[0]))
  expect((await running).signal, label).toBe('SIGKILL')
}

const killIfThere = (id: number): void => {
  try {
    process.kill(id, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

export const tellKills = (command: string, kills: number, of: string): void => {
  process.stderr.write(`${command}: ${String(kills)} kills, of ${of}\n`)
}

/** What is half-made, and what no manifest speaks for, may be on its way for two days. */
const threeDaysMs = 3 * 86_400_000

/** Everything in a folder store becomes so much older. */
export const olderByThreeDays = async (site: Site): Promise<void> => {
  const then = (Date.now() - threeDaysMs) / 1000
  for (const name of await filesUnder(site.store)) await utimes(join(site.store, name), then, then)
}

/** What a bucket lists is so much older. */
export const listedThreeDaysLater: readonly S3FaultPlan[] = (['ListObjects', 'ListMultipartUploads'] as const).map(
  (kind) => ({
    kind,
    nth: 'every',
    fault: {
      what: 'alter the answer',
      body: (was) =>
        was.replaceAll(/(?<=<(?:LastModified|Initiated)>)[^<]+/g, (time) =>
          new Date(Date.parse(time) - threeDaysMs).toISOString(),
        ),
    },
  }),
)
