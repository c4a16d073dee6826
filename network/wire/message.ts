/** What messages of several kinds are made of. */

export type Name = Uint8Array

/** Exactly-once: `sequence` rises by one with each new use of the slot, and stays for a repeat. */
export interface Mutation {
  readonly slot: number
  readonly sequence: number
}

export type Empty = Record<never, never>
