import { CreateMultipartUploadCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { directoryStore } from '../../../src/adapters/directory-store.ts'
import { s3Store } from '../../../src/adapters/s3/store.ts'
import type { Store } from '../../../src/ports.ts'
import { Secret } from '../../../src/secret.ts'
import type { Buckets } from '../buckets.ts'
import { layout, listed } from '../builders.ts'
import type { Place } from './world.ts'

/** The folder must exist. */
export const inFolder =
  (root: string) =>
  (now: () => Date): Place => {
    let left = 0
    const plant = async (name: string, bytes: Uint8Array): Promise<void> => {
      await mkdir(dirname(join(root, name)), { recursive: true })
      await writeFile(join(root, name), bytes)
    }
    return dated(
      {
        store: directoryStore(root, layout.prefix),
        plant,
        remove: (name) => rm(join(root, name), { force: true }),
        leaveUnfinished: (key) =>
          plant(
            join(dirname(key), `.${basename(key)}.${(++left).toString(16).padStart(12, '0')}.unfinished`),
            Buffer.from('half'),
          ),
      },
      now,
    )
  }

export const inBucket =
  ({ gateway, client }: Buckets, bucket: string) =>
  (now: () => Date): Place =>
    dated(
      {
        store: s3Store(
          {
            endpoint: gateway.endpoint,
            region: gateway.region,
            bucket,
            accessKey: new Secret(gateway.accessKey),
            secretKey: new Secret(gateway.secretKey),
            idleMs: 10_000,
            copyInPartsAboveBytes: 5_000_000_000,
          },
          layout.prefix,
        ),
        plant: async (name, bytes) => {
          await client.send(new PutObjectCommand({ Bucket: bucket, Key: name, Body: bytes }))
        },
        remove: async (name) => {
          await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: name }))
        },
        leaveUnfinished: async (key) => {
          await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: key }))
        },
      },
      now,
    )

/** A real place lives in real time. Here it shows the simulated time at which each thing came. */
const dated = (place: Place, now: () => Date): Place => {
  const came = new Map<string, Date>()
  const uploads = new Map<string, Date>()
  const { store } = place
  const timeOf = (key: string): Date => came.get(key) ?? new Date(NaN)
  const noting = async <T>(key: string, work: Promise<T>): Promise<T> => {
    const result = await work
    came.set(key, now())
    return result
  }
  const datedStore: Store = {
    ...store,
    list: async function* (prefix) {
      for await (const object of store.list(prefix)) yield { ...object, lastModified: timeOf(object.key) }
    },
    head: async (key) => {
      const found = await store.head(key)
      return found === undefined ? undefined : { ...found, lastModified: timeOf(key) }
    },
    put: (key, body, options) => noting(key, store.put(key, body, options)),
    copy: (from, to, options) => noting(to, store.copy(from, to, options)),
    unfinished: async function* (prefix) {
      for await (const upload of store.unfinished(prefix)) {
        // What is left behind is first seen at the end of the step that left it.
        if (!uploads.has(upload.id)) uploads.set(upload.id, now())
        yield { ...upload, startedAt: uploads.get(upload.id) ?? now() }
      }
    },
  }
  return {
    ...place,
    store: datedStore,
    plant: (name, bytes) => noting(name, place.plant(name, bytes)),
    leaveUnfinished: async (key) => {
      await place.leaveUnfinished(key)
      await listed(datedStore.unfinished(layout.prefix))
    },
  }
}
