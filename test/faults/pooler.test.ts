import { spawn } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test } from 'vitest'
import { expectFault, expectNothingLeft, runAt } from '../support/faults.ts'
import { eventually } from '../support/faulty-programs.ts'
import { asPostgres, freePort, newDatabase, query } from '../support/postgres.ts'
import { newFolder, newSite, runTool, withIdentity } from '../support/tool.ts'

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => {
      resolve(false)
    })
  })

/** A PgBouncer before the tests' server; `settings` of its section besides. Ended with the test. */
const startPooler = async (settings: readonly string[]): Promise<number> => {
  const folder = await newFolder()
  await chmod(folder, 0o755)
  const port = await freePort()
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(
    file,
    [
      '[databases]',
      `* = host=127.0.0.1 port=${String(inject('pgPort'))} user=postgres`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${String(port)}`,
      'unix_socket_dir =',
      'auth_type = any',
      ...settings,
      '',
    ].join('\n'),
  )
  const [program, args] = asPostgres('/usr/sbin/pgbouncer', ['-q', file])
  const pooler = spawn(program, args, { stdio: 'ignore' })
  onTestFinished(() => void pooler.kill('SIGKILL'))
  await eventually('a pooler that listens', () => isListening(port))
  return port
}

test.each<[string, readonly string[]]>([
  ['as it comes', []],
  ['that passes over settings, by transaction', ['pool_mode = transaction', 'ignore_startup_parameters = options']],
  ['that passes over settings, by session', ['pool_mode = session', 'ignore_startup_parameters = options']],
])('a pooler in place of the server, %s: nothing is backed up or brought back through it', async (_what, settings) => {
  const url = await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 1 AS id' })
  const site = await newSite(url)
  const port = await startPooler(settings)
  const pooled = (direct: string): string => direct.replace(/:\d+\//, `:${String(port)}/`)
  const sentence = `What answers at 127.0.0.1, port ${String(port)}, is a connection pooler`
  expectFault(await runAt(site, ['run'], { DATABASE_URL: pooled(url) }), 78, sentence)
  await expectNothingLeft(site, { files: [], complete: [] })

  expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
  const target = await newDatabase(inject('pgPort'))
  const restored = await runTool(['restore', '--latest', '--target-db', pooled(target)], withIdentity(site))
  expectFault(restored, 78, sentence)
  expect(await query(target, `SELECT FROM pg_class WHERE relname = 'users'`)).toEqual([])
})
