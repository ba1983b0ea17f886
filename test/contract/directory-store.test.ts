import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { directoryStore } from '../../src/adapters/directory-store.ts'
import { makeKey } from '../../src/domain/key.ts'
import type { Store } from '../../src/ports.ts'
import { storeContract } from '../support/store-contract.ts'
import { filesUnder, newFolder } from '../support/tool.ts'

const open = async (): Promise<{
  root: string
  store: Store
  plant: (name: string, bytes: Uint8Array) => Promise<void>
}> => {
  const root = join(await newFolder(), 'store')
  await mkdir(root, { mode: 0o700 })
  return {
    root,
    store: directoryStore(root, 'backups/'),
    plant: async (name, bytes) => {
      await mkdir(dirname(join(root, name)), { recursive: true })
      await writeFile(join(root, name), bytes)
    },
  }
}
storeContract('a folder', open)

const key = makeKey(
  { prefix: 'backups/', name: 'app_db' },
  { kind: 'data', tier: 'daily', period: '2026-01-01', name: 'app_db', revision: 1, sealing: 'age' },
)
const options = { contentType: '', expectedBytes: 1, ifAbsent: false }
async function* body(text = 'x'): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield Buffer.from(text)
}

describe('a folder as a store', () => {
  test('is for its owner alone: folders 0700, files 0600', async () => {
    const { root, store } = await open()
    await store.put(key, body(), options)
    for (const name of ['backups', 'backups/daily']) expect((await stat(join(root, name))).mode & 0o777).toBe(0o700)
    expect((await stat(join(root, key))).mode & 0o777).toBe(0o600)
  })

  test('must exist: an unmounted disk is not hidden by a new folder', async () => {
    const root = join(await newFolder(), 'not-mounted')
    const store = directoryStore(root, 'backups/')
    await expect(store.check('write')).rejects.toMatchObject({ code: 'configuration' })
    await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('an object that was never finished is found by its name, and can be removed', async () => {
    const { root, store, plant } = await open()
    await plant('backups/daily/.2026-01-01-app_db.sql.gz.age.0123456789ab.unfinished', Buffer.from('half'))
    await plant('backups/daily/.foreign.unfinished', Buffer.from('theirs'))
    const found = []
    for await (const upload of store.unfinished('backups/')) found.push(upload)
    expect(found).toMatchObject([{ key }])
    for (const upload of found) await store.abandon(upload)
    expect(await filesUnder(root)).toEqual(['backups/daily/.foreign.unfinished'])
  })

  test('links are neither followed nor listed', async () => {
    const { root, store } = await open()
    await mkdir(join(root, 'backups/daily'), { recursive: true })
    const outside = join(await newFolder(), 'outside')
    await writeFile(outside, 'secret of somebody else')
    await symlink(outside, join(root, key))
    const listed = []
    for await (const object of store.list('backups/')) listed.push(object)
    expect(listed).toEqual([])
    await expect(store.get(key)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'configuration' })
  })

  test('what a killed process leaves is no object', async () => {
    const { root, store } = await open()
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield Buffer.alloc(1000)
        const names = await readdir(join(root, 'backups/daily'))
        // In mid-write there is a file, and not under the object's name.
        expect(names).toHaveLength(1)
        expect(names[0]).toMatch(/^\..*\.unfinished$/)
        throw new Error('killed here')
      }
    }
    await expect(store.put(key, endless(), options)).rejects.toThrow('killed here')
    expect(await readdir(join(root, 'backups/daily'))).toEqual([])
  })
})
