import { rm } from 'node:fs/promises'
import { createServer as createHttpsServer } from 'node:https'
import { connect, type AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer as createTlsServer, type Server } from 'node:tls'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { newAuthority, type Authority, type Certificate } from '../support/authority.ts'
import { newBucketSite, startBuckets, type Buckets } from '../support/buckets.ts'
import { expectFault, expectNothingLeft, runAt } from '../support/faults.ts'
import { newDatabase, query, startCluster, urlOf, type Cluster } from '../support/postgres.ts'
import { expectSound } from '../support/soundness.ts'
import { newSite, runTool, withIdentity, type Environment } from '../support/tool.ts'

const nothing = { files: [], complete: [] }

let ours: Authority
let theirs: Authority
let certificate: Certificate
let server: Cluster

/** A server with a certificate for that name; the role `tls` may not come without encryption. */
const startEncrypted = async ({ certFile, keyFile }: Certificate): Promise<Cluster> => {
  const cluster = await startCluster({ ssl: 'on', ssl_cert_file: certFile, ssl_key_file: keyFile })
  const admin = urlOf(cluster.port, 'postgres')
  await query(admin, 'CREATE ROLE tls SUPERUSER LOGIN')
  await query(admin, 'CREATE TABLE users AS SELECT 1 AS id')
  await writeFile(
    join(cluster.folder, 'data/pg_hba.conf'),
    'hostssl all tls 127.0.0.1/32 trust\nhost all tls 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n',
  )
  await query(admin, 'SELECT pg_reload_conf()')
  return cluster
}

beforeAll(async () => {
  ;[ours, theirs] = await Promise.all([newAuthority(), newAuthority()])
  certificate = await ours.issue('IP:127.0.0.1')
  server = await startEncrypted(certificate)
})
afterAll(async () => {
  await server.stop()
  for (const { folder } of [ours, theirs]) await rm(folder, { recursive: true, force: true })
})

const encryptedUrl = (port: number, parameters: string, database = 'postgres'): string =>
  `${urlOf(port, database, 'tls')}${parameters}`

describe('the connection to PostgreSQL is as its URL says, for our sessions and for pg_dump and psql', () => {
  test.each<[string, () => string]>([
    ['no word of it: encrypted where the server can', () => ''],
    ['sslmode=require', () => '?sslmode=require'],
    ['sslmode=verify-ca, by a private authority', () => `?sslmode=verify-ca&sslrootcert=${ours.caFile}`],
    ['sslmode=verify-full, by a private authority', () => `?sslmode=verify-full&sslrootcert=${ours.caFile}`],
  ])('%s', async (_what, parameters) => {
    const site = await newSite(encryptedUrl(server.port, parameters()))
    expect(await runAt(site, ['run'])).toMatchObject({ exitCode: 0 })
    await expectSound(site)

    await query(urlOf(server.port, 'postgres'), 'DROP DATABASE IF EXISTS brought_back')
    await query(urlOf(server.port, 'postgres'), 'CREATE DATABASE brought_back')
    const target = encryptedUrl(server.port, parameters(), 'brought_back')
    const restored = await runTool(['restore', '--latest', '--target-db', target], withIdentity(site))
    expect(restored).toMatchObject({ exitCode: 0 })
  })

  test.each<[string, () => string, number, RegExp]>([
    ['encryption is off', () => '?sslmode=disable', 78, /refused the login of tls/],
    [
      'another authority is asked for',
      () => `?sslmode=verify-full&sslrootcert=${theirs.caFile}`,
      78,
      /The encrypted connection to the database server at 127\.0\.0\.1, port \d+ failed: .*certificate/,
    ],
    [
      'another authority is asked for, whatever the name',
      () => `?sslmode=verify-ca&sslrootcert=${theirs.caFile}`,
      78,
      /The encrypted connection to the database server at 127\.0\.0\.1, port \d+ failed: .*certificate/,
    ],
    [
      'a certificate is to be checked, and nobody has told by which authority',
      () => '?sslmode=verify-full',
      78,
      /The encrypted connection to the database server at 127\.0\.0\.1, port \d+ failed: .*certificate/,
    ],
    [
      'the file of the authority is not there',
      () => '?sslmode=verify-full&sslrootcert=/nonexistent/ca.pem',
      78,
      /The file \/nonexistent\/ca\.pem, named in the database's URL, cannot be read\./,
    ],
  ])('and is refused, before anything is dumped, where %s', async (_what, parameters, exitStatus, sentence) => {
    const site = await newSite(encryptedUrl(server.port, parameters()))
    expectFault(await runAt(site, ['run']), exitStatus, sentence)
    await expectNothingLeft(site, nothing)
  })

  test('a certificate for another name passes verify-ca, and not verify-full', async () => {
    const elsewhere = await startEncrypted(await ours.issue('DNS:db.example'))
    onTestFinished(() => elsewhere.stop())
    const checked = `sslrootcert=${ours.caFile}`
    const site = await newSite(encryptedUrl(elsewhere.port, `?sslmode=verify-full&${checked}`))
    expectFault(await runAt(site, ['run']), 78, /The encrypted connection to .* failed: .*(altnames|IP)/)
    await expectNothingLeft(site, nothing)

    const lenient = { DATABASE_URL: encryptedUrl(elsewhere.port, `?sslmode=verify-ca&${checked}`) }
    expect(await runAt(site, ['run'], lenient)).toMatchObject({ exitCode: 0 })
  })

  test.each(['require', 'verify-ca', 'verify-full'])(
    'sslmode=%s never goes on in plain where the server has no encryption',
    async (mode) => {
      const url = await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 1 AS id' })
      const site = await newSite(`${url}?sslmode=${mode}&sslrootcert=${ours.caFile}`)
      expectFault(await runAt(site, ['run']), 78, /The encrypted connection to .* failed/)
      await expectNothingLeft(site, nothing)
    },
  )
})

/** What somebody may have set for all of node, in the belief that it would help. */
const careless: Environment = { NODE_TLS_REJECT_UNAUTHORIZED: '0' }

const listening = async (created: Server): Promise<number> => {
  await new Promise<void>((resolve) => {
    created.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => void created.close())
  return (created.address() as AddressInfo).port
}

describe('the certificate of the storage', () => {
  let buckets: Buckets
  beforeAll(async () => {
    buckets = await startBuckets()
  })
  afterAll(() => buckets.stop())

  test('must be of an authority that is known, whatever node is told; NODE_EXTRA_CA_CERTS makes one known', async () => {
    const gateway = new URL(buckets.gateway.endpoint)
    let connections = 0
    const proxy = createTlsServer({ key: certificate.key, cert: certificate.cert }, (client) => {
      connections += 1
      const upstream = connect(Number(gateway.port), gateway.hostname)
      client.on('error', () => upstream.destroy())
      upstream.on('error', () => client.destroy())
      client.pipe(upstream).pipe(client)
    })
    const port = await listening(proxy)
    const site = await newBucketSite(
      buckets,
      await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 1 AS id' }),
    )
    const endpoint = { S3_ENDPOINT: `https://127.0.0.1:${String(port)}` }
    for (const unknown of [endpoint, { ...endpoint, ...careless }]) {
      expectFault(await runAt(site, ['run'], unknown), 78, /The certificate of .* cannot be trusted/)
      expect(connections).toBe(0)
    }
    const known = { ...endpoint, NODE_EXTRA_CA_CERTS: ours.caFile }
    expect(await runAt(site, ['run'], known)).toMatchObject({ exitCode: 0 })
    expect(connections).toBeGreaterThan(0)
  })
})

test('a ping goes to no server whose certificate is unknown, whatever node is told', async () => {
  const heard: string[] = []
  const pings = createHttpsServer({ key: certificate.key, cert: certificate.cert }, (request, response) => {
    heard.push(request.url ?? '')
    response.end('OK')
  })
  const port = await listening(pings)
  const url = await newDatabase(inject('pgPort'), { sql: 'CREATE TABLE users AS SELECT 1 AS id' })
  const site = await newSite(url)
  const asked = { HEALTHCHECK_URL: `https://127.0.0.1:${String(port)}/secret-path` }
  const unheard = await runAt(site, ['run'], { ...asked, ...careless })
  expect(unheard).toMatchObject({ exitCode: 0 })
  expect(unheard.stderr).toMatch(/127\.0\.0\.1.* could not be reached/)
  expect(unheard.stderr).not.toContain('secret-path')
  expect(heard).toEqual([])

  const known = { ...asked, NODE_EXTRA_CA_CERTS: ours.caFile }
  expect(await runAt(site, ['run', '--replace'], known)).toMatchObject({ exitCode: 0 })
  expect(heard).toEqual(['/secret-path/start', '/secret-path'])
})
