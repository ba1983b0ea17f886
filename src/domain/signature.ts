import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { canonicalText, type Json } from './canonical.ts'

/** In the manifest: who signed it, and the Ed25519 signature (RFC 8032) in base64. */
export interface Signature {
  readonly keyId: string
  readonly ed25519: string
}

export type SignedDocument = Readonly<Record<string, Json>>

/** The 32 bytes of an Ed25519 public key (RFC 8410: the last 32 of its DER form). */
export const rawPublicKey = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' }).subarray(-32)

/** DER of an Ed25519 SubjectPublicKeyInfo up to the key itself (RFC 8410). */
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')

export const publicKeyFromRaw = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([spkiHead, raw]), format: 'der', type: 'spki' })

/** First 16 hex digits of the SHA-256 of the raw public key. */
export const keyIdOf = (publicKey: KeyObject): string =>
  createHash('sha256').update(rawPublicKey(publicKey)).digest('hex').slice(0, 16)

const signedText = (document: SignedDocument): Buffer => {
  const { signature: _, ...rest } = document
  return Buffer.from(canonicalText(rest))
}

/** Signs the document's canonical text without its field `signature`, which the caller then adds. */
export const signDocument = (document: SignedDocument, privateKey: KeyObject): Signature => {
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('manifests are signed with Ed25519 alone')
  return {
    keyId: keyIdOf(createPublicKey(privateKey)),
    ed25519: sign(null, signedText(document), privateKey).toString('base64'),
  }
}

export type SignatureState = 'valid' | 'unsigned' | 'unknown-key' | 'wrong'

/** Whether one of the trusted keys signed exactly this document. Never throws, whatever the document holds. */
export const signatureState = (document: SignedDocument, trusted: readonly KeyObject[]): SignatureState => {
  const signature = document['signature']
  if (signature === undefined || signature === null) return 'unsigned'
  if (typeof signature !== 'object' || !('keyId' in signature) || !('ed25519' in signature)) return 'wrong'
  const { keyId, ed25519 } = signature
  if (typeof ed25519 !== 'string') return 'wrong'
  const key = trusted.find((candidate) => keyIdOf(candidate) === keyId)
  if (key === undefined) return 'unknown-key'
  try {
    return verify(null, signedText(document), key, Buffer.from(ed25519, 'base64')) ? 'valid' : 'wrong'
  } catch {
    return 'wrong'
  }
}
