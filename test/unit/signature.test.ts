import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/domain/canonical.ts'
import {
  keyIdOf,
  publicKeyFromRaw,
  rawPublicKey,
  signatureState,
  signDocument,
  type SignedDocument,
} from '../../src/domain/signature.ts'
import { newKeyPair } from '../support/builders.ts'

/** RFC 8032, section 7.1, test 1: the empty message. */
const rfc = {
  secret: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
  public: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  signature:
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
}
// RFC 8410: the DER of an Ed25519 private key up to the key itself.
const rfcKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from(rfc.secret, 'hex')]),
  format: 'der',
  type: 'pkcs8',
})

describe('keys', () => {
  test('a raw public key is the one of RFC 8032', () => {
    expect(rawPublicKey(createPublicKey(rfcKey)).toString('hex')).toBe(rfc.public)
    const fromRaw = publicKeyFromRaw(Buffer.from(rfc.public, 'hex'))
    expect(verify(null, Buffer.alloc(0), fromRaw, Buffer.from(rfc.signature, 'hex'))).toBe(true)
  })

  test('a key is named by the first 16 hex digits of the SHA-256 of its 32 bytes', () => {
    // printf d75a…511a | xxd -r -p | sha256sum
    expect(keyIdOf(createPublicKey(rfcKey))).toBe('21fe31dfa154a261')
  })
})

const pair = newKeyPair()
const other = newKeyPair()
const document: SignedDocument = { b: 'text', a: 1, list: [1, { z: null, y: true }] }
const signature = signDocument(document, pair.privateKey)
const signed: SignedDocument = { ...document, signature: { ...signature } }

describe('a signature', () => {
  test('is over the canonical text without the field itself', () => {
    const text = '{"a":1,"b":"text","list":[1,{"y":true,"z":null}]}'
    expect(signature.ed25519).toBe(sign(null, Buffer.from(text), pair.privateKey).toString('base64'))
    expect(signDocument(signed, pair.privateKey)).toEqual(signature)
  })

  test('is deterministic (RFC 8032)', () => {
    expect(signDocument({}, rfcKey).ed25519).toBe(sign(null, Buffer.from('{}'), rfcKey).toString('base64'))
  })

  test('is valid for a trusted key, whichever of them it is', () => {
    expect(signatureState(signed, [pair.publicKey])).toBe('valid')
    expect(signatureState(signed, [other.publicKey, pair.publicKey])).toBe('valid')
  })

  test('does not depend on the order of the fields', () => {
    const turned = Object.fromEntries(Object.entries(signed).toReversed()) as SignedDocument
    expect(signatureState(turned, [pair.publicKey])).toBe('valid')
  })

  test('covers fields of later versions', () => {
    const later = { ...document, later: { field: 'x' } }
    const state = signatureState({ ...later, signature: { ...signDocument(later, pair.privateKey) } }, [pair.publicKey])
    expect(state).toBe('valid')
    expect(signatureState({ ...signed, later: 'added' }, [pair.publicKey])).toBe('wrong')
  })

  test.each<readonly [string, SignedDocument]>([
    ['a value is altered', { ...signed, a: 2 }],
    ['a number becomes a text', { ...signed, a: '1' }],
    ['a value inside is altered', { ...signed, list: [1, { z: null, y: false }] }],
    ['a list is in another order', { ...signed, list: [{ z: null, y: true }, 1] }],
    ['a field is removed', Object.fromEntries(Object.entries(signed).filter(([name]) => name !== 'b'))],
    ['a field is added', { ...signed, c: null }],
    [
      'it was made by another key under this name',
      { ...document, signature: { ...signDocument(document, other.privateKey), keyId: signature.keyId } },
    ],
  ])('is wrong when %s', (_what, altered) => {
    expect(signatureState(altered, [pair.publicKey])).toBe('wrong')
  })

  test('of a key that is not trusted is told as that', () => {
    expect(signatureState(signed, [other.publicKey])).toBe('unknown-key')
    expect(signatureState(signed, [])).toBe('unknown-key')
  })

  test.each<readonly [string, SignedDocument]>([
    ['the field is absent', document],
    ['the field is null', { ...document, signature: null }],
  ])('is not there when %s', (_what, unsigned) => {
    expect(signatureState(unsigned, [pair.publicKey])).toBe('unsigned')
  })

  test.each<readonly [string, Json]>([
    ['a text', signature.ed25519],
    ['a number', 1],
    ['true', true],
    ['an empty text', ''],
    ['a list', [signature.keyId, signature.ed25519]],
    ['an empty object', {}],
    ['only a key', { keyId: signature.keyId }],
    ['only a signature', { ed25519: signature.ed25519 }],
    ['of a wrong type', { keyId: signature.keyId, ed25519: 1 }],
    ['an object in the signature', { keyId: signature.keyId, ed25519: { toString: 'x' } }],
    ['empty', { keyId: signature.keyId, ed25519: '' }],
    ['not base64', { keyId: signature.keyId, ed25519: '%%%' }],
    ['too short', { keyId: signature.keyId, ed25519: signature.ed25519.slice(0, 40) }],
    ['too long', { keyId: signature.keyId, ed25519: Buffer.alloc(65, 1).toString('base64') }],
    ['all zero', { keyId: signature.keyId, ed25519: Buffer.alloc(64).toString('base64') }],
  ])('that is %s is wrong, and nothing is thrown', (_what, hostile) => {
    expect(signatureState({ ...document, signature: hostile }, [pair.publicKey])).toBe('wrong')
  })

  test.each<readonly [string, Json]>([
    ['a number', 7],
    ['null', null],
    ['a list', [signature.keyId]],
    ['in upper case', signature.keyId.toUpperCase().replace(/^[0-9]+$/, 'X')],
    ['with a space', `${signature.keyId} `],
  ])('whose key id is %s is of no known key', (_what, keyId) => {
    const state = signatureState({ ...document, signature: { keyId, ed25519: signature.ed25519 } }, [pair.publicKey])
    expect(state).toBe('unknown-key')
  })

  test.each<readonly [string, Json]>([
    ['a fraction', 0.5],
    ['half a surrogate pair', '\ud800'],
    ['nesting without end', JSON.parse('['.repeat(50_000) + ']'.repeat(50_000)) as Json],
  ])('of a document that has no canonical text (%s) is wrong, and nothing is thrown', (_what, value) => {
    expect(signatureState({ ...signed, value }, [pair.publicKey])).toBe('wrong')
  })

  test('is not made with a key of another kind', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(() => signDocument(document, privateKey)).toThrow(TypeError)
  })
})
