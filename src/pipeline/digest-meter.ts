import { createHash } from 'node:crypto'

/** Size and SHA-256 of the bytes that pass. */
export class DigestMeter {
  readonly #hash = createHash('sha256')
  #sizeBytes = 0

  update(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.byteLength
    this.#hash.update(chunk)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  end(): { readonly sizeBytes: number; readonly sha256: string } {
    return { sizeBytes: this.#sizeBytes, sha256: this.#hash.digest('hex') }
  }
}
