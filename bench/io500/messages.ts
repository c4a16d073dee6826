/** What the conductor and its workers say to each other over the channel of child_process. */
import type { PhaseName } from './phases.ts'

export type ToWorker =
  | { readonly kind: 'prepare'; readonly phase: PhaseName; readonly newerThanMs: number }
  /** Steps to do; null until the stonewall. */
  | { readonly kind: 'go'; readonly count: number | null; readonly stonewallMs: number }
  /** After the stonewall: goes on to as many steps as the fastest has done. */
  | { readonly kind: 'wear out'; readonly count: number }

export type ToConductor =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stonewalled'; readonly count: number }
  | {
      readonly kind: 'done'
      readonly count: number
      /** Of find only. */
      readonly matched: number
      /** CLOCK_MONOTONIC, which all processes of a machine share. */
      readonly startedNs: bigint
      readonly endedNs: bigint
    }
  | { readonly kind: 'failed'; readonly message: string }
