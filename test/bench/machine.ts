import { execa } from 'execa'
import { readFile } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'

export interface Facts {
  readonly date: string
  readonly machine: {
    readonly processor: string
    readonly cores: number
    readonly memoryBytes: number
    readonly kernel: string
    /** The load over the last minute when the rounds began. */
    readonly loadAtStart: number
  }
  readonly versions: Readonly<Record<string, string>>
  /** Of the working tree that was measured; the bundle's digest is told as well. */
  readonly commit: string
}

const firstLine = async (file: string, ...args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await execa(file, args, { reject: false })
  return (stdout.trim() || stderr.trim()).split('\n')[0] ?? ''
}

const loadNow = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100

export const facts = async (binaries: string): Promise<Facts> => {
  const repository = join(import.meta.dirname, '../..')
  const node = join(repository, 'node_modules/.bin/node')
  const changes = await execa('git', ['status', '--porcelain', '--', 'src'], { cwd: repository, reject: false })
  const commit = await execa('git', ['rev-parse', '--short', 'HEAD'], { cwd: repository, reject: false })
  return {
    date: new Date().toISOString(),
    machine: {
      processor: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      kernel: release(),
      loadAtStart: loadNow(),
    },
    versions: {
      postgresql: await firstLine(join(binaries, 'postgres'), '--version'),
      pg_dump: await firstLine(join(binaries, 'pg_dump'), '--version'),
      node: await firstLine(node, '--version'),
      zlib: await firstLine(node, '-p', 'process.versions.zlib'),
      age: await firstLine('age', '--version'),
      igzip: await firstLine('igzip', '--version'),
      gzip: await firstLine('gzip', '--version'),
      system: (/^PRETTY_NAME="(.*)"$/m.exec(await readFile('/etc/os-release', 'utf8')) ?? [])[1] ?? 'unknown',
    },
    commit: commit.stdout.trim() + (changes.stdout.trim() === '' ? '' : ', with changes in src'),
  }
}
