import { execa } from 'execa'
import { type ChildProcess, spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from './postgres.ts'

/** A whole S3 service of our own: Ceph's monitor, one OSD in memory, and the RADOS Gateway, as plain processes on loopback. */
export interface Radosgw {
  readonly endpoint: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
  /** A second user, who may do nothing until a bucket policy allows it. */
  addUser(uid: string): Promise<{ readonly accessKey: string; readonly secretKey: string }>
  stop(): Promise<void>
}

const accessKey = 'demo-access'
const secretKey = 'demo/secret+key='

const configuration = (folder: string, ports: { mon: number; osd: number; gateway: number }): string => `[global]
fsid = ${randomUUID()}
mon_initial_members = a
mon_host = [v2:127.0.0.1:${String(ports.mon)}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
public_network = 127.0.0.0/8
ms_bind_port_min = ${String(ports.osd)}
ms_bind_port_max = ${String(ports.osd + 80)}
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.asok
log_file = ${folder}/log/$name.log
crash_dir = ${folder}/log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
[mon]
mon_data = ${folder}/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_cluster_log_file = ${folder}/log/cluster.log
mon_osd_full_ratio = 0.97
paxos_propose_interval = 0.05
[osd]
osd_data = ${folder}/osd
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_max_object_name_len = 460
osd_class_load_list = *
osd_class_default_list = *
[client]
# "secure", which radosgw would insist on, cannot be had with auth "none".
ms_mon_client_mode = crc
rgw_data = ${folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:${String(ports.gateway)} tcp_nodelay=1
rgw_enable_apis = s3
rgw_rados_pool_pg_num_min = 1
rgw_thread_pool_size = 32
rgw_crypt_require_ssl = false
rgw_enable_usage_log = false
rgw_override_bucket_index_max_shards = 1
`

/** Bounded waiting for something that tells of its readiness only when asked. */
const until = async (what: string, ready: () => Promise<boolean>): Promise<void> => {
  for (let tries = 0; tries < 1200; tries += 1) {
    if (await ready()) return
    await pause(50)
  }
  throw new Error(`radosgw: timed out: ${what}`)
}

/** `ofGateway`: in the environment of the gateway alone, as a clock of its own. */
export const startRadosgw = async (ofGateway: Readonly<Record<string, string>> = {}): Promise<Radosgw> => {
  // Unix sockets lie below it, and their paths have 107 characters at most.
  const folder = await mkdtemp(join(tmpdir(), 'rgw-'))
  for (const name of ['run', 'log', 'mon', 'osd', 'rgw']) await mkdir(join(folder, name))
  const ports = { mon: await freePort(), osd: 20_000 + (process.pid % 400) * 100, gateway: await freePort() }
  const conf = join(folder, 'ceph.conf')
  await writeFile(conf, configuration(folder, ports))
  const env = { ...process.env, CEPH_CONF: conf, CEPH_ARGS: '' }
  const once = (file: string, ...args: string[]) => execa(file, args, { env, stdin: 'ignore', timeout: 60_000 })
  const running: ChildProcess[] = []
  const start = (file: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): void => {
    const log = openSync(join(folder, 'log', `${file}.out`), 'a')
    running.push(spawn(file, args, { env: { ...env, ...more }, stdio: ['ignore', log, log] }))
  }
  const stop = async (): Promise<void> => {
    // What it holds is memory: there is nothing to save.
    await Promise.all(
      running.toReversed().map(
        (child) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null || child.signalCode !== null) resolve()
            else {
              child.once('exit', () => {
                resolve()
              })
              child.kill('SIGKILL')
            }
          }),
      ),
    )
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const map = join(folder, 'run/monmap')
    const fsid = (await once('ceph-conf', '-c', conf, '--lookup', 'fsid')).stdout
    await once(
      'monmaptool',
      '--create',
      '--clobber',
      '--fsid',
      fsid,
      '--addv',
      'a',
      `[v2:127.0.0.1:${String(ports.mon)}]`,
      map,
    )
    await once('ceph-mon', '-i', 'a', '--mkfs', '--monmap', map)
    start('ceph-mon', ['-f', '-i', 'a'])
    const osd = randomUUID()
    await once('ceph', '--connect-timeout', '20', 'osd', 'new', osd)
    await once('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd)
    start('ceph-osd', ['-f', '-i', '0'])
    const addUser = async (uid: string, keys: { accessKey: string; secretKey: string }): Promise<typeof keys> => {
      const given = [`--access-key=${keys.accessKey}`, `--secret-key=${keys.secretKey}`]
      await once('radosgw-admin', 'user', 'create', `--uid=${uid}`, `--display-name=${uid}`, ...given)
      return keys
    }
    await addUser('demo', { accessKey, secretKey })
    start('radosgw', ['-f', '-n', 'client.rgw'], ofGateway)
    const endpoint = `http://127.0.0.1:${String(ports.gateway)}`
    await until('the gateway answers', () =>
      fetch(endpoint).then(
        (answer) => answer.ok,
        () => false,
      ),
    )
    return {
      endpoint,
      region: 'us-east-1',
      accessKey,
      secretKey,
      addUser: (uid) => addUser(uid, { accessKey: uid, secretKey: randomUUID() }),
      stop,
    }
  } catch (thrown) {
    await stop()
    throw thrown
  }
}
