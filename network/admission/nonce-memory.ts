/** Nonces that were shown lately, to know a repeated hello for what it is. A proof could not be repeated anyway. */
import { maxNoncesRemembered } from '../limits.ts'

export class NonceMemory {
  readonly #seen = new Set<string>()

  /** @returns false when it was shown before. */
  add(nonce: Uint8Array): boolean {
    const key = Buffer.from(nonce.buffer, nonce.byteOffset, nonce.byteLength).toString('latin1')
    if (this.#seen.has(key)) return false
    this.#seen.add(key)
    if (this.#seen.size > maxNoncesRemembered) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest)
        break
      }
    }
    return true
  }
}
