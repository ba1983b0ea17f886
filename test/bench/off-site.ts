import { execa } from 'execa'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startRadosgw } from '../support/radosgw.ts'
import { openBucket, oursToBucket, type Bucket } from './bucket.ts'
import type { Archive, Contender } from './contenders.ts'
import { countRows, makeRegistry, respondentsOfGigabytes, startServer } from './database.ts'
import { install } from './installation.ts'
import { facts } from './machine.ts'
import { peakOf } from './measure.ts'
import { factsText, peakText } from './report.ts'
import { restoreAndCompare } from './restores.ts'

/**
 * One large backup to a bucket of radosgw, looked at from outside: its memory, its parts, its entity tag worked out of the
 * object that curl has fetched, the files that it wrote, and the SQL that age and gunzip make of it. Fails where one
 * of them is not as it should be. `npm run off-site -- --size-gb 1`
 */
const { values: asked } = parseArgs({ options: { 'size-gb': { type: 'string', default: '1' } } })

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const require = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`It is not so: ${what}`)
  say(`  ✓ ${what}`)
}
const inMegabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`

const digest = (algorithm: string, bytes: Uint8Array): Buffer => createHash(algorithm).update(bytes).digest()

const mebibyte = 1024 * 1024

/** The tag that S3 makes of bytes that were sent in parts of that size; of a single part, as of one request. */
const tagOf = (bytes: Buffer, partBytes: number): string => {
  const digests: Buffer[] = []
  for (let at = 0; at < bytes.length; at += partBytes) digests.push(digest('md5', bytes.subarray(at, at + partBytes)))
  return digests.length === 1
    ? digest('md5', bytes).toString('hex')
    : `${digest('md5', Buffer.concat(digests)).toString('hex')}-${String(digests.length)}`
}

/** radosgw does not say how large the parts were; of all sizes in MiB that give as many, one must give the tag. */
const partBytesOf = (bytes: Buffer, tag: string): number | undefined => {
  const parts = Number(tag.split('-')[1] ?? '1')
  const sizes = Array.from({ length: 512 }, (_, index) => (index + 5) * mebibyte)
  return sizes.filter((size) => Math.ceil(bytes.length / size) === parts).find((size) => tagOf(bytes, size) === tag)
}

const proveStored = async (bucket: Bucket, { path, manifest }: Archive): Promise<void> => {
  if (manifest === undefined) throw new Error('there is no manifest')
  const shown = await bucket.head(manifest.s3Key)
  const bytes = await readFile(path)
  const partBytes = partBytesOf(bytes, shown.tag)
  const [size, sha256] = [bytes.length, digest('sha256', bytes).toString('hex')]
  say(`Stored: ${manifest.s3Key}, ${inMegabytes(size)}, tag ${shown.tag}; fetched with curl:`)
  require(size === shown.sizeBytes &&
    size === manifest.sizeBytes, `as HEAD and the manifest say, it has ${String(size)} bytes`)
  require(sha256 === manifest.checksumSha256, `as the manifest says, its SHA-256 is ${sha256}`)
  require(partBytes !== undefined &&
    shown.tag ===
      manifest.storage
        .etag, `the tag is that of parts of ${String((partBytes ?? 0) / mebibyte)} MiB at most, and stands in the manifest`)
}

/** The SQL as standard programs alone make it. */
const openedSha256 = async ({ path, open }: Archive): Promise<string> => {
  const script = `set -eo pipefail; ${open} | sha256sum`
  const { stdout } = await execa('bash', ['-c', script, 'off-site', path], { stdin: 'ignore' })
  return stdout.slice(0, 64)
}

const tracedCalls =
  'execve,openat,open,creat,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,unlink,unlinkat,symlink,symlinkat'

/** Every file that one more run, and each program that it starts, opens for writing, makes, renames or removes. */
const filesWritten = async (contender: Contender, folder: string): Promise<readonly string[]> => {
  const trace = join(folder, 'trace')
  await contender.clean()
  await contender.start(['strace', '-f', '--seccomp-bpf', '-qq', '-e', `trace=${tracedCalls}`, '-o', trace]).ended
  const lines = (await readFile(trace, 'utf8')).split('\n')
  // Otherwise it would have shown nothing.
  for (const program of ['pg_dump', 'age'])
    require(lines.some((line) => line.includes(`execve("/`) && line.includes(`/${program}"`)), `${program} was traced`)
  return lines.filter(
    (line) =>
      /^\d+ +(creat|rename|link|mkdir|unlink|symlink)|^\d+ +open.*O_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)/.test(line) &&
      // What was refused has written nothing: where there is no state folder, the run says so and goes on.
      !/"\/dev\/(null|tty)"|"\/proc\/| = -1 E[A-Z]+ /.test(line),
  )
}

const folder = await mkdtemp(join(tmpdir(), 'oslrs-off-site-'))
const [server, gateway] = await Promise.all([startServer(), startRadosgw()])
try {
  const installation = await install(folder)
  const source = await makeRegistry(server, respondentsOfGigabytes(Number(asked['size-gb'])))
  const bucket = await openBucket(gateway)
  const around = { folder, url: source.url, ...installation }
  const contender = oursToBucket(around, bucket, `age -d -i ${installation.identityFile} "$1" | gunzip`)
  say(factsText(await facts(server.binaries)))

  const since = performance.now()
  const peak = await peakOf(contender)
  const seconds = (performance.now() - since) / 1000
  const archive = await contender.archive()
  const { manifest } = archive ?? {}
  if (archive === undefined || manifest === undefined) throw new Error('there is no backup')
  say(`Backed up ${inMegabytes(manifest.plain.sizeBytes)} of SQL in ${seconds.toFixed(1)} s.`)
  say(peakText(contender.name, peak))
  require(peak.total.pssBytes < 250e6, 'all its programs together took less than 250 MB at any time')
  await proveStored(bucket, archive)
  require((await bucket.unfinished()) === 0, 'no upload is left unfinished')
  say('Fetched with curl, opened with age -d | gunzip:')
  require((await openedSha256(archive)) ===
    manifest.plain.sha256, `the SQL is that which was dumped, ${manifest.plain.sha256}`)
  const restored = await restoreAndCompare(server.port, contender, await countRows(source.url))
  require(restored !== undefined, `psql restores all ${String(restored?.rows)} rows of it`)
  const written = await filesWritten(contender, folder)
  for (const line of written) say(`  ${line}`)
  require(written.length === 0, 'another run, traced, wrote no file anywhere')
} finally {
  await Promise.all([server.stop(), gateway.stop()])
  await rm(folder, { recursive: true, force: true })
}
