import { execa } from 'execa'
import { rename, rm, writeFile } from 'node:fs/promises'
import type { BucketStrike } from '../faults/plan/bucket.ts'
import type { ConnectionStrike } from '../faults/plan/connection.ts'
import type { MachineStrike } from '../faults/plan/machine.ts'
import type { Attempted } from '../faults/plan/plan.ts'
import type { ProgramStrike } from '../faults/plan/programs.ts'
import type { TellingStrike } from '../faults/plan/telling.ts'
import { endOf, type startAt } from './faults.ts'
import { harmPg, harmProgram, processesOf } from './faulty-programs.ts'
import { memoryGroup } from './memory-group.ts'
import { asAt } from './other-days.ts'
import { newPingServer } from './ping-server.ts'
import { freePort } from './postgres.ts'
import type { S3Proxy } from './s3-proxy.ts'
import { newMute, newSmtp, type SmtpOptions } from './smtp.ts'
import { impatient } from './stall.ts'
import type { Proxy } from './tcp-proxy.ts'
import type { Environment, Site } from './tool.ts'

/** How the faults of the plan are made to happen to a command. */

type Start = (more?: Environment) => ReturnType<typeof startAt>

export const strikeProgram = async (strike: ProgramStrike, site: Site, start: Start): Promise<Attempted> => {
  if (strike.program === 'meter') return strikeMeter(strike, site, start)
  const { program, harm } = strike
  const isOfServer = program === 'pg_dump' || program === 'psql'
  const harmed = isOfServer ? await harmPg(site, harm) : await harmProgram(site, program, harm)
  const waits = typeof harm.then === 'string' && harm.then.startsWith('hang') ? impatient : {}
  const ended = await endOf(start({ ...harmed.environment, ...waits }))
  return { ended, hasFired: harmed.hasFired() }
}

/** By its number, while pg_dump waits. */
const strikeMeter = async (
  { at, then }: Extract<ProgramStrike, { program: 'meter' }>,
  site: Site,
  start: Start,
): Promise<Attempted> => {
  const dump = await harmPg(site, { call: '--section=data', stream: 'output', at, then: 'wait' })
  const running = start({ ...dump.environment, ...(then === 'hang' ? impatient : {}) })
  await dump.firing()
  const [meter] = (await processesOf(site)).filter((line) => line.includes('/dump-meter.'))
  const hasFired = meter !== undefined && process.kill(Number.parseInt(meter), then === 'kill' ? 'SIGKILL' : 'SIGSTOP')
  await dump.release()
  return { ended: await endOf(running), hasFired }
}

/** The command must go by the proxy. */
export const strikeBucket = async (plans: BucketStrike, proxy: S3Proxy, start: Start): Promise<Attempted> => {
  proxy.plan(...plans)
  const waits = plans.some(({ fault }) => fault.what.startsWith('stall')) ? impatient : {}
  const ended = await endOf(start({ S3_ENDPOINT: proxy.endpoint, ...waits }))
  const hasFired = proxy.haveAllFired()
  proxy.plan()
  return { ended, hasFired }
}

/** The command must go by the proxy; where no server is to be, by a port that nobody listens to. */
export const strikeConnection = async (
  strike: ConnectionStrike,
  proxy: Proxy | undefined,
  start: Start,
): Promise<Attempted> => {
  if (strike === 'refused' || proxy === undefined) return { ended: await endOf(start()), hasFired: undefined }
  const state = { hasFired: false }
  void proxy.holdAt(strike.at).holding.then(() => {
    state.hasFired = true
    if (strike.then === 'cut') proxy.cut()
    else proxy.freeze()
  })
  return { ended: await endOf(start(strike.then === 'freeze' ? impatient : {})), hasFired: state.hasFired }
}

export const strikeMachine = async (strike: MachineStrike, site: Site, start: Start): Promise<Attempted> => {
  if ('disk' in strike) {
    const mend = await spoil(strike.disk === 'store' ? site.store : site.state, strike.is)
    const ended = await endOf(start()).finally(mend)
    return { ended, hasFired: undefined }
  }
  if ('clockDays' in strike) {
    const more = asAt(new Date(Date.now() + strike.clockDays * 86_400_000))
    return { ended: await endOf(start(more)), hasFired: undefined }
  }
  const group = await memoryGroup(strike.memoryBytes)
  const running = start()
  await group.add(running.pid ?? 0)
  const ended = await endOf(running)
  return { ended, hasFired: await group.wasReached() }
}

/** Returns how to mend it. */
const spoil = async (folder: string, is: 'read-only' | 'full' | 'missing' | 'a file'): Promise<() => Promise<void>> => {
  const aside = `${folder}-aside`
  switch (is) {
    case 'read-only':
      await execa('mount', ['--bind', folder, folder])
      await execa('mount', ['-o', 'remount,bind,ro', folder])
      return async () => {
        await execa('umount', [folder])
      }
    case 'full': {
      // A disk with what was there, and nothing free.
      const mode = (await execa('stat', ['-c', '%a', folder])).stdout
      const kilobytes = Number((await execa('du', ['-s', '-k', folder])).stdout.split('\t')[0]) + 64
      await execa('cp', ['-a', folder, aside])
      await execa('mount', ['-t', 'tmpfs', '-o', `size=${String(kilobytes)}k,mode=${mode}`, 'tmpfs', folder])
      await execa('cp', ['-a', `${aside}/.`, folder])
      await execa('sh', ['-c', 'umask 077; cat /dev/zero > "$1/foreign"', 'sh', folder], { reject: false })
      return async () => {
        await execa('umount', [folder])
        await rm(aside, { recursive: true })
      }
    }
    case 'missing':
    case 'a file':
      await rename(folder, aside)
      if (is === 'a file') await writeFile(folder, 'somebody’s', { mode: 0o600 })
      return async () => {
        await rm(folder, { recursive: true, force: true })
        await rename(aside, folder)
      }
  }
}

export const strikeTelling = async ({ mail, ping }: TellingStrike, start: Start): Promise<Attempted> => {
  const asked: (() => boolean)[] = []
  const mailPort = async (does: 'down' | 'mute' | SmtpOptions): Promise<number> => {
    if (does === 'down') return freePort()
    if (does === 'mute') return newMute()
    const { port, connections } = await newSmtp(does)
    if (mail !== undefined) asked.push(() => connections() > 0)
    return port
  }
  const pingPort = async (does: 'down' | 'mute' | 500): Promise<number> => {
    if (does === 'down') return freePort()
    if (does === 'mute') return newMute()
    const { port, heard } = await newPingServer(Array<number>(50).fill(does))
    asked.push(() => heard.length > 0)
    return port
  }
  const environment: Environment = {
    SMTP_URL: `smtp://127.0.0.1:${String(await mailPort(mail ?? {}))}`,
    EMAIL_FROM_ADDRESS: 'backup@oyo.ng',
    BACKUP_ALERT_EMAILS: 'ops@oyo.ng',
    ...(ping === undefined ? {} : { HEALTHCHECK_URL: `http://127.0.0.1:${String(await pingPort(ping))}/uuid` }),
  }
  const ended = await endOf(start(environment))
  return { ended, hasFired: asked.length === 0 ? undefined : asked.every((was) => was()) }
}
