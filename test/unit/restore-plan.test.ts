import { describe, expect, test } from 'vitest'
import { blockersOf, contentsOf, planRestore, wayTo, type Needs, type Place } from '../../src/domain/restore-plan.ts'
import { Fault } from '../../src/errors.ts'

const needs: Needs = { versions: ['15.18', '15.19'], superuser: [], plainBytes: 1_000_000_000 }
const existing = {
  owner: 'app',
  mayBecomeOwner: true,
  mayCreateInPublic: true,
  mayCreateInDatabase: true,
  tables: 12,
  userObjects: 40,
  sizeBytes: 2_000_000_000,
  hindrances: [],
}
const empty = { ...existing, tables: 0, userObjects: 0 }
const place: Place = {
  host: '127.0.0.1',
  database: 'app_db',
  user: 'app',
  serverVersion: '15.18',
  serverMajor: 15,
  isSuperuser: false,
  mayCreateDatabases: true,
  existing,
  askedOwner: undefined,
  extensions: [],
  freeBytes: undefined,
}
const extension = { name: 'pg_trgm', isAvailable: true, mayCreate: true, isThere: false }

describe('where there is', () => {
  test.each<[string, Partial<Place>, ReturnType<typeof planRestore>]>([
    ['no such database, it is made', { existing: undefined }, { way: 'create', owner: undefined }],
    [
      'no such database, and an owner was named, it is made for him',
      { existing: undefined, isSuperuser: true, askedOwner: { name: 'app', exists: true, mayBecome: true } },
      { way: 'create', owner: 'app' },
    ],
    ['an empty one, it is filled in the name of its owner', { existing: empty }, { way: 'fill', owner: 'app' }],
    [
      'an empty one of somebody else, it is filled in our own name',
      { existing: { ...empty, mayBecomeOwner: false }, mayCreateDatabases: false },
      { way: 'fill', owner: undefined },
    ],
    [
      'an empty one with the extension that we may not make, it is filled',
      { existing: empty, extensions: [{ ...extension, isThere: true, mayCreate: false, isAvailable: false }] },
      { way: 'fill', owner: 'app' },
    ],
    ['one that holds anything, it is replaced', {}, { way: 'replace', owner: 'app' }],
    [
      'one that holds anything, and its owner is named, it is replaced',
      { askedOwner: { name: 'app', exists: true, mayBecome: true } },
      { way: 'replace', owner: 'app' },
    ],
    ['room enough on the disk, that is no hindrance', { freeBytes: 1_000_000_000 }, { way: 'replace', owner: 'app' }],
  ])('%s', (_what, change, plan) => {
    expect(planRestore({ ...place, ...change }, needs)).toEqual(plan)
  })
})

describe('it cannot be restored there, because', () => {
  test.each<[string, Partial<Place>, Partial<Needs>, string]>([
    [
      'app_db does not exist, and postgres is a superuser: say whose it shall be, with --owner ROLE',
      { existing: undefined, isSuperuser: true, user: 'postgres' },
      {},
      'refused',
    ],
    [
      'the database app_db does not exist, and the role app may not create databases',
      { existing: undefined, mayCreateDatabases: false },
      {},
      'rights',
    ],
    [
      'there is no role app2 on the server: CREATE ROLE it first',
      { existing: undefined, askedOwner: { name: 'app2', exists: false, mayBecome: false } },
      {},
      'refused',
    ],
    [
      'the role app may not act as app2',
      { existing: undefined, askedOwner: { name: 'app2', exists: true, mayBecome: false } },
      {},
      'rights',
    ],
    [
      'app_db exists and belongs to app: --owner app2 is for a new database',
      { askedOwner: { name: 'app2', exists: true, mayBecome: true } },
      {},
      'refused',
    ],
    [
      'the role app may create nothing in the schema public of app_db',
      { existing: { ...empty, mayCreateInPublic: false } },
      {},
      'rights',
    ],
    [
      'app_db is not empty, and the role app may not create the database that would take its place (ALTER ROLE … CREATEDB); without that right only an empty one can be filled',
      { mayCreateDatabases: false },
      {},
      'rights',
    ],
    [
      'app_db belongs to app, and the role me may not act as it',
      { user: 'me', existing: { ...existing, mayBecomeOwner: false } },
      {},
      'rights',
    ],
    ['a session', { existing: { ...existing, hindrances: ['a session'] } }, {}, 'rights'],
    [
      'the backup needs PostgreSQL 17 or later, and the server there is 15.18',
      {},
      { versions: ['15.18', '17.2'] },
      'version',
    ],
    [
      "the extension pg_trgm is not installed on the server's machine",
      { extensions: [{ ...extension, isAvailable: false, isThere: true }] },
      {},
      'version',
    ],
    [
      'the role app may not create the extension pg_trgm; a superuser may',
      { extensions: [{ ...extension, mayCreate: false }] },
      {},
      'rights',
    ],
    [
      'the role app may not create the extension pg_trgm; a superuser may',
      { existing: { ...empty, mayCreateInDatabase: false }, extensions: [extension] },
      {},
      'rights',
    ],
    ['only a superuser can make the event trigger watch', {}, { superuser: ['the event trigger watch'] }, 'rights'],
    [
      "the server's disk has 999 MB free, and the restored database needs more than 1.0 GB",
      { freeBytes: 999_000_000 },
      {},
      'refused',
    ],
  ])('%s', (because, change, needed, code) => {
    expect(blockersOf({ ...place, ...change }, { ...needs, ...needed })).toEqual([{ code, because }])
  })

  test('of all of that together, with what retrying and confirming cannot help first', () => {
    const worst = {
      ...place,
      freeBytes: 1,
      mayCreateDatabases: false,
      extensions: [{ ...extension, isAvailable: false }],
    }
    let thrown: unknown
    try {
      planRestore(worst, { ...needs, versions: ['18.1'], superuser: ['the language plperlu'] })
    } catch (fault) {
      thrown = fault
    }
    expect(thrown).toBeInstanceOf(Fault)
    expect(thrown).toMatchObject({ code: 'rights', hint: 'Nothing was changed.' })
    expect((thrown as Fault).all).toHaveLength(5)
    expect(wayTo(worst)).toBe('replace')
  })

  test('of nothing that a superuser may do', () => {
    const superuser = { ...place, isSuperuser: true, user: 'postgres' }
    expect(blockersOf(superuser, { ...needs, superuser: ['the event trigger watch'] })).toEqual([])
  })
})

test.each([
  [{ tables: 1, userObjects: 9 }, '1 table'],
  [{ tables: 1200, userObjects: 9000 }, '1,200 tables'],
  [{ tables: 0, userObjects: 1 }, '1 object'],
  [{ tables: 0, userObjects: 3 }, '3 objects'],
])('%o is %s', (holds, words) => {
  expect(contentsOf(holds)).toBe(words)
})
