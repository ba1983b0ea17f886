import { execa } from 'execa'
import { chmod, link, lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { directoryStore } from '../../src/adapters/directory-store.ts'
import { Fault } from '../../src/errors.ts'
import type { Bytes, PutOptions, Store } from '../../src/ports.ts'
import {
  breakingAfter,
  codeOf,
  collected,
  dataKey,
  faultOf,
  keyOf,
  listed,
  manifestKey,
  streamOf,
} from '../support/builders.ts'

const options: PutOptions = { contentType: 'text/plain', expectedBytes: 1, ifAbsent: false }
const key = dataKey('2026-02-24')
const other = dataKey('2026-02-25')

const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'oslrs-store-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}
const open = async (): Promise<{ root: string; store: Store; at: (name: string) => string }> => {
  const folder = await newFolder()
  const root = join(folder, 'store')
  await mkdir(root, { mode: 0o700 })
  return { root, store: directoryStore(root, 'backups/'), at: (name) => join(root, name) }
}
const put = (store: Store, body: Bytes = streamOf('x'), more: Partial<PutOptions> = {}) =>
  store.put(key, body, { ...options, ...more })
const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )

/** Every way to use a store, on one key. */
const everyUse: readonly (readonly [string, (store: Store) => Promise<unknown>])[] = [
  ['check, to read', (store) => store.check('read')],
  ['check, to write', (store) => store.check('write')],
  ['list', (store) => listed(store.list('backups/'))],
  ['put', (store) => put(store)],
  ['put, if it is not there', (store) => put(store, streamOf('x'), { ifAbsent: true })],
  ['unfinished', (store) => listed(store.unfinished('backups/'))],
]

describe('a folder that is not there is told, not made and not taken for empty', () => {
  // An unmounted disk would look like a store without a single backup.
  test.each(everyUse)('%s', async (_use, use) => {
    const root = join(await newFolder(), 'not-mounted')
    const fault = await faultOf(() => use(directoryStore(root, 'backups/')))
    expect(fault.code).toBe('configuration')
    expect(fault.message).toContain(root)
    expect(fault.hint).toContain(`install -d -m 0700 ${root}`)
    expect(await isThere(root)).toBe(false)
  })

  test('nor is a file where the folder should be', async () => {
    const root = join(await newFolder(), 'file')
    await writeFile(root, '')
    expect(await codeOf(() => directoryStore(root, 'backups/').check('read'))).toBe('configuration')
  })
})

describe('a folder that may not be used is told', () => {
  /** As somebody who may not: root may everything. */
  const asNobody = async <T>(root: string, work: () => Promise<T>): Promise<T> => {
    if (process.geteuid?.() !== 0) {
      await chmod(root, 0o000)
      try {
        return await work()
      } finally {
        await chmod(root, 0o700)
      }
    }
    await chmod(join(root, '..'), 0o755)
    process.seteuid?.(65_534)
    try {
      return await work()
    } finally {
      process.seteuid?.(0)
    }
  }

  test.each([
    // access(2) asks for the real user, so the check is tried in a process of its own, below.
    ...everyUse.filter(([use]) => !use.startsWith('check')),
    ['head', (store: Store) => store.head(key)] as const,
    ['get', (store: Store) => collected(store.get(key))] as const,
  ])('%s', async (_use, use) => {
    const { root, store } = await open()
    await put(store)
    const fault = await asNobody(root, () => faultOf(() => use(store)))
    expect(fault.code).toBe('configuration')
    expect(fault.message).toContain('permission denied')
    expect(fault.hint).toContain('0700')
    expect(fault.cause).toMatchObject({ code: 'EACCES' })
  })

  test.each(['read', 'write'])('check, to %s', async (use) => {
    const { root } = await open()
    await chmod(join(root, '..'), 0o755)
    const script = `
      import { directoryStore } from ${JSON.stringify(join(import.meta.dirname, '../../src/adapters/directory-store.ts'))}
      await directoryStore(${JSON.stringify(root)}, 'backups/').check(${JSON.stringify(use)}).catch((fault) => console.log(fault.code, fault.cause.code))`
    const node = [process.execPath, '--input-type=module', '--eval', script]
    const isRoot = process.geteuid?.() === 0
    if (!isRoot) await chmod(root, 0o000)
    const [file = '', ...args] = isRoot
      ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...node]
      : node
    const { stdout } = await execa(file, args)
    await chmod(root, 0o700)
    expect(stdout).toBe('configuration EACCES')
  })
})

describe('links are not followed', () => {
  const withLink = async (
    target: 'a file' | 'nothing' | 'an object',
  ): Promise<{ root: string; store: Store; outside: string }> => {
    const { root, store, at } = await open()
    await put(store, streamOf('own'))
    const outside = target === 'an object' ? at(key) : join(root, '../outside')
    if (target === 'a file') await writeFile(outside, 'secret of somebody else')
    await symlink(outside, at(other))
    return { root, store, outside }
  }

  test.each(['a file', 'nothing', 'an object'] as const)(
    'in the place of an object, to %s: it is no object',
    async (target) => {
      const { store } = await withLink(target)
      expect((await listed(store.list('backups/'))).map((object) => object.key)).toEqual([key])
      expect(await store.head(other)).toBeUndefined()
    },
  )

  test.each(['a file', 'an object'] as const)('in the place of an object, to %s: it is not read', async (target) => {
    const { store } = await withLink(target)
    expect(await codeOf(() => collected(store.get(other)))).toBe('configuration')
    expect(await codeOf(() => store.copy(other, dataKey('2026-02-26'), { ifAbsent: true }))).toBe('configuration')
    expect(await store.head(dataKey('2026-02-26'))).toBeUndefined()
  })

  test('in the place of an object: it is written over itself, and what it leads to stays', async () => {
    const { store, outside } = await withLink('a file')
    await store.put(other, streamOf('new'), options)
    expect(await readFile(outside, 'utf8')).toBe('secret of somebody else')
    expect(String(await collected(store.get(other)))).toBe('new')
  })

  test.each(['a file', 'nothing'] as const)(
    'in the place of an object, to %s: where nothing may be written over, neither is it',
    async (target) => {
      const { store, outside } = await withLink(target)
      expect(await codeOf(() => store.put(other, streamOf('new'), { ...options, ifAbsent: true }))).toBe('refused')
      expect(await isThere(outside)).toBe(target === 'a file')
    },
  )

  test('in the place of an object: it is removed itself', async () => {
    const { store, outside } = await withLink('a file')
    await store.delete(other)
    expect(await readFile(outside, 'utf8')).toBe('secret of somebody else')
  })

  test('in the place of an unfinished object: it is nobody’s', async () => {
    const { root, store, outside } = await withLink('a file')
    const name = join(root, 'backups/daily', '.2026-02-26-app_db.sql.gz.age.0123456789ab.unfinished')
    await symlink(outside, name)
    expect(await listed(store.unfinished('backups/'))).toEqual([])
    await store.abandon({ id: name, key, startedAt: new Date() })
    expect(await readFile(outside, 'utf8')).toBe('secret of somebody else')
  })

  test('in the place of a folder: nothing in it is listed', async () => {
    const { root, store } = await withLink('a file')
    const elsewhere = await newFolder()
    await writeFile(join(elsewhere, '2026-02-app_db.sql.gz.age'), 'x')
    await symlink(elsewhere, join(root, 'backups/monthly'))
    expect((await listed(store.list('backups/'))).map((object) => object.key)).toEqual([key])
  })
})

describe('what stands in the way is told as a Fault', () => {
  test.each<readonly [string, (store: Store) => Promise<unknown>]>([
    ['put', (store) => put(store)],
    ['put, if it is not there', (store) => put(store, streamOf('x'), { ifAbsent: true })],
    ['get', (store) => collected(store.get(key))],
    ['prove', (store) => store.prove(key, { sizeBytes: 1, etag: null, sha256: '' })],
    ['delete', (store) => store.delete(key)],
  ])('a folder in the place of the object: %s', async (_use, use) => {
    const { store, at } = await open()
    await mkdir(join(at(key), 'inside'), { recursive: true })
    await expect(use(store)).rejects.toBeInstanceOf(Fault)
    expect(await isThere(join(at(key), 'inside'))).toBe(true)
    expect(await store.head(key)).toBeUndefined()
    expect(await readdir(at('backups/daily'))).toHaveLength(1)
  })

  test.each(['backups', 'backups/daily'])('a file in the place of the folder %s', async (name) => {
    const { store, at } = await open()
    if (name !== 'backups') await mkdir(at('backups'))
    await writeFile(at(name), 'x')
    await expect(put(store)).rejects.toBeInstanceOf(Fault)
    expect(await store.head(key)).toBeUndefined()
    expect(await codeOf(() => collected(store.get(key)))).toBe('no-such-backup')
    expect(await readFile(at(name), 'utf8')).toBe('x')
  })
})

describe('the error of a body', () => {
  test.each(['ENOENT', 'EACCES', 'ENOSPC', 'EIO', 'EPIPE'])(
    'is thrown as it is, though it has the code %s',
    async (code) => {
      // It is about another file or pipe: to tell it as the store's would send people the wrong way.
      const { store } = await open()
      const own = Object.assign(new Error('from somewhere else'), { code })
      await expect(put(store, breakingAfter(own, 'some'))).rejects.toBe(own)
      expect(await listed(store.unfinished('backups/'))).toEqual([])
    },
  )
})

describe('unfinished objects', () => {
  const unfinishedName = (day: string): string => `backups/daily/.${day}-app_db.sql.gz.age.0123456789ab.unfinished`

  test('are listed while they are written, with the time of their beginning', async () => {
    const { store } = await open()
    const before = Date.now() - 1000
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      const found = await listed(store.unfinished('backups/'))
      expect(found.map((upload) => upload.key)).toEqual([key])
      expect(found[0]?.startedAt.getTime()).toBeGreaterThan(before)
      expect(await listed(store.list('backups/'))).toEqual([])
      expect(await store.head(key)).toBeUndefined()
      yield Buffer.from('whole')
    }
    await put(store, body())
    expect(await listed(store.unfinished('backups/'))).toEqual([])
  })

  test('are told only under the prefix that was asked for', async () => {
    const { store, at } = await open()
    await mkdir(at('backups/daily'), { recursive: true })
    for (const day of ['2026-02-24', '2026-03-01']) await writeFile(at(unfinishedName(day)), 'half')
    const keysUnder = async (prefix: string) => (await listed(store.unfinished(prefix))).map((upload) => upload.key)
    expect((await keysUnder('backups/')).toSorted()).toEqual([key, dataKey('2026-03-01')])
    expect(await keysUnder('backups/daily/2026-03')).toEqual([dataKey('2026-03-01')])
    expect(await keysUnder('backups/monthly/')).toEqual([])
  })

  test('that are abandoned leave the object of that name as it is', async () => {
    const { store, at } = await open()
    await put(store, streamOf('good'))
    await writeFile(at(unfinishedName('2026-02-24')), 'half')
    for (const upload of await listed(store.unfinished('backups/'))) {
      await store.abandon(upload)
      await store.abandon(upload)
    }
    expect(await readdir(at('backups/daily'))).toEqual(['2026-02-24-app_db.sql.gz.age'])
    expect(String(await collected(store.get(key)))).toBe('good')
  })

  test('of a process that was killed between the link and the end are only a second name', async () => {
    const { store, at } = await open()
    await put(store, streamOf('good'))
    await link(at(key), at(unfinishedName('2026-02-24')))
    expect((await listed(store.list('backups/'))).map((object) => object.key)).toEqual([key])
    for (const upload of await listed(store.unfinished('backups/'))) await store.abandon(upload)
    expect(String(await collected(store.get(key)))).toBe('good')
  })

  test.each([
    'backups/daily/.2026-02-24-app_db.sql.gz.age.unfinished',
    'backups/daily/.2026-02-24-app_db.sql.gz.age.0123456789AB.unfinished',
    'backups/daily/2026-02-24-app_db.sql.gz.age.0123456789ab.unfinished',
    'backups/daily/.notes.txt.0123456789ab.unfinished',
    'backups/.2026-02-24-app_db.sql.gz.age.0123456789ab.unfinished',
  ])('are not somebody else’s files: %s', async (name) => {
    const { store, at } = await open()
    await mkdir(at('backups/daily'), { recursive: true })
    await writeFile(at(name), 'theirs')
    expect(await listed(store.unfinished('backups/'))).toEqual([])
    expect(await listed(store.list('backups/'))).toEqual([])
  })
})

describe('a list', () => {
  test('under a prefix that ends in mid-name has what begins so', async () => {
    const { store } = await open()
    for (const day of ['2026-02-24', '2026-02-25', '2026-03-01']) await store.put(dataKey(day), streamOf('x'), options)
    await store.put(manifestKey('2026-02-24'), streamOf('{}'), options)
    const keysUnder = async (prefix: string) =>
      (await listed(store.list(prefix))).map((object) => object.key).toSorted()
    expect(await keysUnder('backups/daily/2026-02')).toEqual([key, other])
    expect(await keysUnder('backups/d')).toEqual([key, other, dataKey('2026-03-01')])
    expect(await keysUnder('backups/manifests/')).toEqual([manifestKey('2026-02-24')])
    expect(await keysUnder('elsewhere/')).toEqual([])
  })

  test('of a store in which nothing was stored yet is empty', async () => {
    const { store } = await open()
    expect(await listed(store.list('backups/'))).toEqual([])
    expect(await listed(store.unfinished('backups/'))).toEqual([])
  })

  test('has size and time of what it lists, as head has', async () => {
    const { store } = await open()
    await put(store, streamOf('12345'))
    const [object] = await listed(store.list('backups/'))
    expect(object).toEqual(await store.head(key))
    expect(object).toMatchObject({ key, sizeBytes: 5 })
    expect(Math.abs((object?.lastModified.getTime() ?? 0) - Date.now())).toBeLessThan(60_000)
  })
})

describe('an object', () => {
  test('that is read while it is replaced is the former one to its end', async () => {
    const { store } = await open()
    const [first, second] = [Buffer.alloc(2_000_000, 'a'), Buffer.alloc(2_000_000, 'b')]
    await put(store, streamOf(first))
    const chunks: Uint8Array[] = []
    for await (const chunk of store.get(key)) {
      if (chunks.length === 0) await put(store, streamOf(second))
      chunks.push(chunk)
    }
    expect(Buffer.concat(chunks).equals(first)).toBe(true)
    expect((await collected(store.get(key))).equals(second)).toBe(true)
  })

  test('that a reader leaves early leaves no file open', async () => {
    const { store } = await open()
    await put(store, streamOf(Buffer.alloc(1_000_000)))
    const openFiles = async (): Promise<number> => (await readdir('/proc/self/fd')).length
    for await (const _chunk of store.get(key)) break
    const before = await openFiles()
    for (let n = 0; n < 20; n += 1) for await (const _chunk of store.get(key)) break
    expect(await openFiles()).toBeLessThanOrEqual(before)
  })

  test('may come in many small and in empty chunks', async () => {
    const { store } = await open()
    const chunks = Array.from({ length: 2000 }, (_, n) => (n % 3 === 0 ? '' : String(n)))
    const { sizeBytes } = await put(store, streamOf(...chunks))
    expect(sizeBytes).toBe(chunks.join('').length)
    expect(String(await collected(store.get(key)))).toBe(chunks.join(''))
  })
})

describe('the place', () => {
  test.each(['plain', 'with space', 'with#hash', 'with?mark', 'with%41percent', 'ẹ̀yọ́'])(
    '%s is a URL that leads back',
    async (name) => {
      const root = join(await newFolder(), name)
      await mkdir(root)
      const { place, description } = directoryStore(root, 'backups/')
      expect(fileURLToPath(place.endpoint)).toBe(root)
      expect(place).toMatchObject({ region: null, bucket: null })
      expect(description).toContain(root)
    },
  )

  test('may be named with a slash at its end', async () => {
    const { root } = await open()
    const store = directoryStore(`${root}/`, 'backups/')
    await put(store)
    expect((await listed(store.list('backups/'))).map((object) => object.key)).toEqual([key])
  })

  test('holds drills, acknowledgements and canaries as well', async () => {
    const { store } = await open()
    const keys = [
      keyOf({ kind: 'ack', date: '2026-02-24' }),
      keyOf({ kind: 'canary', id: 'abc' }),
      keyOf({ kind: 'drill', startedAt: new Date('2026-03-02T03:00:12Z') }),
    ]
    for (const each of keys) await store.put(each, streamOf('x'), options)
    expect((await listed(store.list('backups/'))).map((object) => object.key).toSorted()).toEqual(keys)
  })
})
