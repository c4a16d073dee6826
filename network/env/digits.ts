/** What real and simulated randomness share: the bound of `integer` and the digits of an id. */
import assert from 'node:assert/strict'

export function assertBelow(below: number): void {
  assert(Number.isSafeInteger(below) && below > 0 && below <= 2 ** 48, `no integer below ${below}`)
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}
