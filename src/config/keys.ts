import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { publicKeyFromRaw } from '../domain/signature.ts'

/** The Ed25519 private key in a PEM file, or a sentence about what is wrong with it. */
export const readSigningKey = (path: string): KeyObject | string => {
  try {
    const key = createPrivateKey(readFileSync(path))
    return key.asymmetricKeyType === 'ed25519' ? key : 'is not an Ed25519 key'
  } catch {
    return `cannot be read as a private key in PEM: ${path}`
  }
}

/**
 * A trusted public key: 32 bytes in base64, or the absolute path of a PEM file. A key in base64 may begin with `/` as well,
 * so that form is asked first.
 */
export const readTrustedKey = (entry: string): KeyObject | string => {
  const raw = Buffer.from(entry, 'base64')
  if (raw.length === 32 && raw.toString('base64') === entry) return publicKeyFromRaw(raw)
  if (!entry.startsWith('/')) return 'is neither 32 bytes in base64 nor an absolute path'
  try {
    const pem = readFileSync(entry, 'utf8')
    // node would derive the public key from a private one without a word; a private key has no place here.
    if (pem.includes('PRIVATE KEY')) return `holds a private key, where the public one belongs: ${entry}`
    const key = createPublicKey(pem)
    return key.asymmetricKeyType === 'ed25519' ? key : `is not an Ed25519 key: ${entry}`
  } catch {
    return `cannot be read as a public key in PEM: ${entry}`
  }
}
