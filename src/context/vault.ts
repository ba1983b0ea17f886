import { directoryStore } from '../adapters/directory-store.ts'
import type { Vault } from '../commands/vault.ts'
import { required, s3SettingsOf, trustedKeysOf } from '../config/derive.ts'
import type { Values } from '../config/settings.ts'
import type { Store } from '../ports.ts'

/** A store that is named and not opened yet: the SDK of one is too large to be read for the other. */
export interface NamedVault extends Omit<Vault, 'store'> {
  readonly openStore: (stop: AbortSignal) => Promise<Store>
}

export const openVault = async ({ openStore, ...rest }: NamedVault, stop: AbortSignal): Promise<Vault> => ({
  ...rest,
  store: await openStore(stop),
})

export const vaultOf = (values: Values, faults: string[]): NamedVault | undefined => {
  const trusted = trustedKeysOf(values, faults)
  const prefix = required(values, 'BACKUP_PREFIX', faults)
  const name = required(values, 'BACKUP_NAME', faults)
  if (prefix === undefined || name === undefined) return undefined
  const openStore = storeOf(values, prefix, faults)
  return openStore === undefined ? undefined : { openStore, layout: { prefix, name }, trusted }
}

const storeOf = (values: Values, prefix: string, faults: string[]): NamedVault['openStore'] | undefined => {
  const { BACKUP_STORE_DIR: folder, S3_ENDPOINT: endpoint, S3_BUCKET_NAME: bucket } = values
  if (folder !== undefined) {
    if (bucket !== undefined) faults.push('BACKUP_STORE_DIR and S3_BUCKET_NAME are both set; backups go to one place')
    return () => Promise.resolve(directoryStore(folder, prefix))
  }
  if (endpoint === undefined && bucket === undefined) {
    faults.push('Nowhere to store backups: set the S3 names, or BACKUP_STORE_DIR')
    return undefined
  }
  const settings = s3SettingsOf(values, faults)
  if (settings === undefined) return undefined
  return async (stop) => (await import('../adapters/s3/store.ts')).s3Store({ ...settings, stop }, prefix)
}
