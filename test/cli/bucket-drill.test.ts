import { PutBucketPolicyCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { daysBefore } from '../../src/domain/calendar.ts'
import { encodeManifest, type Manifest } from '../../src/domain/manifest.ts'
import { bytesOf, keysIn, newBucket, inBucket, startBuckets, type Buckets } from '../support/buckets.ts'
import { dataKey, manifestKey } from '../support/builders.ts'
import { drilledBy, drillSiteFor, failedIn, keptSite } from '../support/drills.ts'
import { forgedArchive, opened, rehashed, sealedFor } from '../support/forged.ts'
import { newDatabase } from '../support/postgres.ts'
import { newFolder, newSite, runTool, runToolJson, type Environment, type Site } from '../support/tool.ts'

/** The drill on the engine that production runs on: an awkward database, green; then what is done to it, red. */

/** However busy the machine is: a drill is several programs and a server's work. */
const patient = { timeout: 300_000 }

interface Ground {
  readonly buckets: Buckets
  readonly bucket: string
  readonly kept: Awaited<ReturnType<typeof keptSite>>
  /** With every right in the bucket. */
  readonly owner: Environment
  readonly archive: Buffer
  readonly manifest: Manifest
}
const made: { ground?: Ground } = {}
const ground = (): Ground => {
  if (made.ground === undefined) throw new Error('not prepared')
  return made.ground
}

beforeAll(async () => {
  const buckets = await startBuckets()
  const bucket = await newBucket(buckets)
  const kept = await keptSite(await newDatabase(inject('pgPort'), { file: 'awkward.sql' }))
  const owner = { ...inBucket(buckets, bucket, kept.site.environment), BACKUP_KEY_TABLES: 'parent' }
  const ran = await runTool(['run'], owner)
  expect(ran.exitCode, ran.stderr).toBe(0)
  const keyOf = (part: string): Promise<string> =>
    keysIn(buckets, bucket).then((keys) => keys.find((key) => key.startsWith(`backups/${part}/2`)) ?? '')
  const archive = await bytesOf(buckets, bucket, await keyOf('daily'))
  const manifest = JSON.parse(String(await bytesOf(buckets, bucket, await keyOf('manifests')))) as Manifest
  made.ground = { buckets, bucket, kept, owner, archive, manifest }
}, 300_000)
afterAll(async () => {
  await made.ground?.kept.remove()
  await made.ground?.buckets.stop()
})

const put = (key: string, body: Uint8Array | string): Promise<unknown> =>
  ground().buckets.client.send(new PutObjectCommand({ Bucket: ground().bucket, Key: key, Body: body }))

/** The drill host: a user who may read the bucket and write reports, and does not know the database. */
const drillHost = async (site: Site): Promise<Environment> => {
  const { buckets, bucket } = ground()
  const { accessKey, secretKey } = await buckets.gateway.addUser('drill-host')
  const allow = (actions: string[], resource: string) => ({
    Effect: 'Allow',
    Principal: { AWS: ['arn:aws:iam:::user/drill-host'] },
    Action: actions.map((action) => `s3:${action}`),
    Resource: `arn:aws:s3:::${bucket}${resource}`,
  })
  const Statement = [
    allow(['ListBucket'], ''),
    allow(['GetObject'], '/backups/*'),
    allow(['PutObject'], '/backups/drills/*'),
  ]
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement })
  await buckets.client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }))
  const { environment } = await drillSiteFor(site)
  const { BACKUP_SIGNING_KEY_FILE: _, ...host } = inBucket(buckets, bucket, environment)
  return { ...host, S3_ACCESS_KEY: accessKey, S3_SECRET_KEY: secretKey }
}

test(
  'an awkward database in a bucket, on a host that may read it and write reports: green; then every damage: red',
  patient,
  async () => {
    const { buckets, bucket, kept, archive, manifest } = ground()
    const { site } = kept
    const host = await drillHost(site)
    const { document, ...ended } = await runToolJson(['verify'], host)
    expect(ended.exitCode, ended.stderr).toBe(0)
    const green = drilledBy(ended, document)
    expect(green.report).toMatchObject({ verdict: 'green', figures: { tables: 24, largeObjects: 2 } })
    expect(await keysIn(buckets, bucket)).toContain(green.reportKey)
    // It may write nothing else.
    expect(await runTool(['promote', '--month', '2020-01'], host)).not.toMatchObject({ exitCode: 75 })
    expect((await runTool(['prune'], host)).exitCode).toBe(78)

    const day = manifest.timestamp.slice(0, 10)
    const yesterday = daysBefore(day, 1)
    const [key, itsManifest] = [dataKey(day), manifestKey(day)]
    const sql = await opened(site, archive)
    const other = await sealedFor(site, Buffer.from('another archive altogether, which is not even a gzip'.repeat(80)))
    const marker = join(await newFolder(), 'a-forger-was-here')
    const small = (line: string): Buffer =>
      Buffer.from(`CREATE TABLE public.t (id integer);\n\n${line}\n\n--\n-- PostgreSQL database dump complete\n--\n\n`)
    // The first partition may be empty: which row goes where, follows from the numbers that the enum's words were given.
    const aRowLess = Buffer.from(String(sql).replace(/(COPY public\.by_enum_hash [^\n]*\n)(?!\\\.)[^\n]*\n/, '$1'))
    expect(aRowLess.length).toBeLessThan(sql.length)
    const forged = async (of: Promise<{ archive: Buffer; manifest: Manifest }>): Promise<void> => {
      const { archive: bytes, manifest: agreeing } = await of
      await put(key, bytes)
      await put(itsManifest, encodeManifest(agreeing))
    }
    const believing: Environment = { BACKUP_TRUSTED_KEYS: '' }
    const { BACKUP_AGE_IDENTITY_FILE: _, ...withoutIdentity } = host

    const rows: [
      what: string,
      harm: () => Promise<unknown>,
      environment: Environment,
      exitStatus: number,
      sentence: RegExp,
    ][] = [
      [
        'one bit flipped',
        () =>
          put(
            key,
            archive.map((byte, at) => (at === archive.length - 40 ? byte ^ 1 : byte)),
          ),
        host,
        65,
        /archive is damaged/,
      ],
      [
        'truncated',
        () => put(key, archive.subarray(0, archive.length - 1)),
        host,
        65,
        /its object has \d+ bytes, and should have/,
      ],
      [
        'another archive of the same size in its place',
        () => put(key, Buffer.concat([other, archive]).subarray(0, archive.length)),
        host,
        65,
        /archive is damaged/,
      ],
      [
        'the manifest of another day',
        () => put(manifestKey(yesterday), encodeManifest(manifest)),
        { ...host, day: yesterday },
        65,
        /its manifest speaks of another backup/,
      ],
      [
        'a row removed, everything hashed anew, by somebody without a key',
        () => forged(forgedArchive(site, manifest, aRowLess)),
        host,
        65,
        /its manifest is not signed/,
      ],
      [
        'the same with the old signature',
        async () => {
          await forged(forgedArchive(site, manifest, aRowLess))
          const { manifest: agreeing } = await forgedArchive(site, manifest, aRowLess)
          await put(
            itsManifest,
            encodeManifest({
              ...rehashed(agreeing, await bytesOf(buckets, bucket, key)),
              signature: manifest.signature,
            }),
          )
        },
        host,
        65,
        /its manifest was altered after it was signed/,
      ],
      [
        'a row removed, and the stored digest alone stated anew',
        async () => {
          const { archive: bytes } = await forgedArchive(site, manifest, aRowLess)
          await put(key, bytes)
          await put(itsManifest, encodeManifest(rehashed(manifest, bytes)))
        },
        { ...host, ...believing },
        65,
        /public\.by_enum_hash: 99 rows, the manifest says 100/,
      ],
      [
        'the wrong identity',
        () => Promise.resolve(),
        { ...host, BACKUP_AGE_IDENTITY_FILE: (await newSite('postgres://nobody@127.0.0.1/none')).identityFile },
        78,
        /does not open this backup/,
      ],
      ['no identity', () => Promise.resolve(), withoutIdentity, 78, /no private key to open it is configured/],
      [
        'an empty archive with a manifest that agrees',
        () => forged(forgedArchive(site, manifest, Buffer.alloc(0))),
        { ...host, ...believing },
        65,
        /does not end with pg_dump's trailer/,
      ],
      [
        'the dump of another database',
        async () => {
          const bytes = await sealedFor(
            site,
            gzipSync(
              Buffer.from('CREATE TABLE public.x (id integer);\n\n--\n-- PostgreSQL database dump complete\n--\n\n'),
            ),
          )
          await put(key, bytes)
          await put(itsManifest, encodeManifest(rehashed(manifest, bytes)))
        },
        { ...host, ...believing },
        65,
        /not in the archive/,
      ],
      [
        'a forged \\! line',
        () => forged(forgedArchive(site, manifest, small(`\\! touch ${marker}`))),
        { ...host, ...believing },
        65,
        /a command for psql itself, which no dump does/,
      ],
      [
        'a forged COPY to a program',
        () => forged(forgedArchive(site, manifest, small(`COPY public.t TO PROGRAM 'touch ${marker}';`))),
        { ...host, ...believing },
        65,
        /The server refused line \d+ of the dump \(SQLSTATE 42501\)/,
      ],
      [
        'SQL after the trailer',
        () =>
          forged(
            forgedArchive(site, manifest, Buffer.concat([sql, Buffer.from('DROP TABLE public.parent CASCADE;\n')])),
          ),
        { ...host, ...believing },
        65,
        /does not end with pg_dump's trailer/,
      ],
      [
        'garbage after the archive',
        async () => {
          const bytes = Buffer.concat([archive, Buffer.from('garbage')])
          await put(key, bytes)
          await put(itsManifest, encodeManifest(rehashed(manifest, bytes)))
        },
        { ...host, ...believing },
        65,
        /archive is damaged/,
      ],
    ]
    for (const [what, harm, { day: asked, ...environment }, exitStatus, sentence] of rows) {
      await put(key, archive)
      await put(itsManifest, encodeManifest(manifest))
      await harm()
      const red = await runTool(['verify', '--date', asked ?? day], environment)
      expect.soft(red.exitCode, what).toBe(exitStatus)
      expect.soft(`${red.stdout}${red.stderr}`, what).toMatch(sentence)
      expect.soft(red.stdout, what).not.toContain('GREEN')
      expect.soft(existsSync(marker), what).toBe(false)
    }
    expect(rows.map(([what]) => what)).toHaveLength(15)

    // As it was, it is green again.
    await put(key, archive)
    await put(itsManifest, encodeManifest(manifest))
    expect(await runTool(['verify', '--date', day], host)).toMatchObject({ exitCode: 0 })
    // But the newest is not what it should be: a drill of an older one is no pass.
    await put(manifestKey(daysBefore(day, -1)), encodeManifest(manifest))
    const passedOver = drilledBy(...(await latest(host)))
    expect(passedOver.exitCode).toBe(65)
    expect(failedIn(passedOver)).toEqual([])
  },
)

const latest = async (environment: Environment) => {
  const { document, ...ended } = await runToolJson(['verify'], environment)
  expect(JSON.stringify(document)).toContain('There is a newer backup, of')
  return [ended, document] as const
}
