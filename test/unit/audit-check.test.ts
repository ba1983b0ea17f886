import { describe, expect, test } from 'vitest'
import { chainHash, genesisHash } from '../../src/domain/audit-chain.ts'
import { coversItself, judgeAudit, type AuditFigures } from '../../src/domain/audit-check.ts'
import type { Json } from '../../src/domain/canonical.ts'
import { digestOf } from '../support/builders.ts'

const id = '01890a5d-ac96-774b-bcce-b302099a8057'
const createdAt = '2026-02-24T01:00:00.123Z'
const stored = (details: Json, text = details === null ? null : JSON.stringify(details)) => ({
  id,
  action: 'user.login',
  actorId: null,
  createdAt,
  details: text,
  previousHash: genesisHash,
  hash: chainHash({
    id,
    action: 'user.login',
    actorId: null,
    createdAt: new Date(createdAt),
    details,
    previousHash: genesisHash,
  }),
})

describe('a row of the audit chain', () => {
  test.each<[string, ReturnType<typeof stored>]>([
    ['without details', stored(null)],
    ['with details', stored({ b: 1, a: [1, { d: null, c: 'Ọ̀yọ́' }] })],
    // jsonb keeps its keys by their length, and blanks after colons.
    ['as the database writes them', stored({ bb: 1, a: 2.5 }, '{"a": 2.50, "bb": 1}')],
  ])('%s covers itself', (_what, row) => {
    expect(coversItself(row)).toBe(true)
  })

  test.each<[string, Partial<ReturnType<typeof stored>> | { actorId: string }]>([
    ['id', { id: '01890a5d-ac96-774b-bcce-b302099a8058' }],
    ['action', { action: 'user.logout' }],
    ['actor', { actorId: id }],
    ['time', { createdAt: '2026-02-24T01:00:00.124Z' }],
    ['details', { details: '{"n": 2}' }],
    ['predecessor', { previousHash: digestOf('0') }],
    ['hash', { hash: digestOf('0') }],
    ['details, to nothing', { details: null }],
    ['details, to no JSON', { details: '{' }],
  ])('whose %s was altered does not', (_what, altered) => {
    expect(coversItself({ ...stored({ n: 1 }), ...altered })).toBe(false)
  })

  test('without a hash covers nothing', () => {
    expect(coversItself({ ...stored({}), hash: null })).toBe(false)
    expect(coversItself({ ...stored({}), previousHash: null })).toBe(false)
  })
})

describe('the chain', () => {
  const figures = (more: Partial<AuditFigures> = {}): AuditFigures => ({
    rows: 500,
    tailHash: digestOf('a'),
    selfHashFailures: 0,
    forks: 3,
    gaps: 1,
    ...more,
  })
  const recorded = { rows: 500, tailHash: digestOf('a') }

  test.each<[string, AuditFigures, typeof recorded | null, AuditFigures | null, string, RegExp | undefined]>([
    ['as recorded, with old forks and gaps', figures(), recorded, figures(), 'ok', undefined],
    ['with fewer forks than before, of an older backup', figures({ forks: 1 }), recorded, figures(), 'ok', undefined],
    ['at the first drill of a chain without gaps', figures({ gaps: 0 }), recorded, null, 'ok', undefined],
    [
      'at the first drill of a chain with a gap',
      figures(),
      recorded,
      null,
      'warning',
      /^1 row whose predecessor is not there$/,
    ],
    ['with new forks', figures({ forks: 5 }), recorded, figures(), 'warning', /^2 new forks since the last drill$/],
    [
      'with a new gap',
      figures({ gaps: 2 }),
      recorded,
      figures(),
      'failed',
      /^1 row more than at the last drill .* rows were removed$/,
    ],
    [
      'with an altered row',
      figures({ selfHashFailures: 1 }),
      recorded,
      figures(),
      'failed',
      /altered after they were written$/,
    ],
    ['with rows missing', figures({ rows: 499 }), recorded, figures(), 'failed', /^499 rows, and 500 by the manifest$/],
    ['with another tail', figures({ tailHash: digestOf('b') }), recorded, figures(), 'failed', /last hash/],
    ['of which the manifest says nothing', figures({ rows: 7 }), null, figures(), 'ok', undefined],
  ])('%s', (_what, found, manifest, before, state, sentence) => {
    const judgement = judgeAudit(found, manifest, before)
    expect(judgement.state).toBe(state)
    if (sentence === undefined) expect(judgement.sentences).toEqual([])
    else expect(judgement.sentences[0]).toMatch(sentence)
    expect(judgement.sentences.join()).not.toContain('broken')
  })
})
