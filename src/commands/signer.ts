import { createPublicKey, type KeyObject } from 'node:crypto'
import { keyIdOf } from '../domain/signature.ts'
import { Fault } from '../errors.ts'
import type { Vault } from './vault.ts'

/**
 * Where keys are trusted, what this host writes must be signed with one of them. Otherwise it would count as damaged, and a
 * replacement of that kind would cost the good backup in whose place it comes.
 *
 * @param what is to be signed, as the beginning of a sentence: "A monthly".
 * @throws `configuration`
 */
export const requireSigner = (
  { trusted }: Pick<Vault, 'trusted'>,
  signingKey: KeyObject | undefined,
  what: string,
): void => {
  if (trusted.length === 0) return
  if (signingKey === undefined)
    throw new Fault(
      'configuration',
      `${what} must be signed here (BACKUP_TRUSTED_KEYS is set), and this host has no key to sign it.`,
      { hint: 'Do it on the server, which has BACKUP_SIGNING_KEY_FILE; or if this is the server, set that.' },
    )
  const keyId = keyIdOf(createPublicKey(signingKey))
  if (trusted.some((key) => keyIdOf(key) === keyId)) return
  throw new Fault(
    'configuration',
    'What this host signs, it does not itself trust: BACKUP_TRUSTED_KEYS lacks the public half of BACKUP_SIGNING_KEY_FILE.',
    {
      hint: `Add the public key of the key ${keyId}: openssl pkey -in FILE -pubout -outform DER | tail -c 32 | base64`,
    },
  )
}
