import { generateKeyPairSync, KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSigningKey, readTrustedKey } from '../../src/config/keys.ts'
import { keyIdOf, publicKeyFromRaw, rawPublicKey } from '../../src/domain/signature.ts'
import { newKeyPair } from '../support/builders.ts'

let folder = ''
const pair = newKeyPair()
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oslrs-keys-'))
  const files: Readonly<Record<string, string | Buffer>> = {
    'signing.pem': pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'public.pem': pair.publicKey.export({ type: 'spki', format: 'pem' }),
    'rsa.pem': rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'rsa.pub.pem': rsa.publicKey.export({ type: 'spki', format: 'pem' }),
    locked: pair.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }),
    garbage: 'garbage',
    empty: '',
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const told = (key: KeyObject | string): string => (typeof key === 'string' ? key.replace(folder, '…') : keyIdOf(key))

describe('a signing key', () => {
  test('is a private Ed25519 key in PEM', () => {
    const key = readSigningKey(join(folder, 'signing.pem'))
    expect(key).toBeInstanceOf(KeyObject)
    expect(typeof key === 'string' ? key : key.type).toBe('private')
  })

  test.each([
    ['rsa.pem', 'is not an Ed25519 key'],
    ['public.pem', 'cannot be read as a private key in PEM: …/public.pem'],
    ['locked', 'cannot be read as a private key in PEM: …/locked'],
    ['garbage', 'cannot be read as a private key in PEM: …/garbage'],
    ['missing', 'cannot be read as a private key in PEM: …/missing'],
  ])('is not %s', (name, sentence) => {
    expect(told(readSigningKey(join(folder, name)))).toBe(sentence)
  })
})

describe('a trusted key', () => {
  test('is 32 bytes in base64, or a PEM file', () => {
    expect(told(readTrustedKey(rawPublicKey(pair.publicKey).toString('base64')))).toBe(keyIdOf(pair.publicKey))
    expect(told(readTrustedKey(join(folder, 'public.pem')))).toBe(keyIdOf(pair.publicKey))
  })

  test('may begin like a path in base64', () => {
    const raw = Buffer.alloc(32, 0xff)
    expect(raw.toString('base64')).toMatch(/^\//)
    expect(told(readTrustedKey(raw.toString('base64')))).toBe(keyIdOf(publicKeyFromRaw(raw)))
  })

  test.each([
    ['signing.pem', 'holds a private key, where the public one belongs: …/signing.pem'],
    ['locked', 'holds a private key, where the public one belongs: …/locked'],
    ['rsa.pub.pem', 'is not an Ed25519 key: …/rsa.pub.pem'],
    ['garbage', 'cannot be read as a public key in PEM: …/garbage'],
    ['empty', 'cannot be read as a public key in PEM: …/empty'],
    ['missing', 'cannot be read as a public key in PEM: …/missing'],
  ])('is not the file %s', (name, sentence) => {
    expect(told(readTrustedKey(join(folder, name)))).toBe(sentence)
  })

  test.each([
    ['nothing', ''],
    ['31 bytes', Buffer.alloc(31, 1).toString('base64')],
    ['33 bytes', Buffer.alloc(33, 1).toString('base64')],
    ['without its padding', Buffer.alloc(32, 1).toString('base64').replace('=', '')],
    ['with something behind it', `${Buffer.alloc(32, 1).toString('base64')}!`],
    ['in hex', rawPublicKey(pair.publicKey).toString('hex')],
    ['a relative path', 'keys/public.pem'],
  ])('is not %s', (_what, text) => {
    expect(told(readTrustedKey(text))).toBe('is neither 32 bytes in base64 nor an absolute path')
  })
})
