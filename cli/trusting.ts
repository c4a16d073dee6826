/** Options of a mount that trust all clients of the cluster: `--suid` and `--dev`. */
import { Failure } from './failure.ts'
import type { FuseBackend } from './options.ts'

export interface TrustingOptions {
  readonly suid?: true
  readonly dev?: true
  readonly fuse: FuseBackend
}

/** @throws Failure where they are not for root, or not for the backend that mounts by itself. */
export function checkTrusting(options: TrustingOptions): void {
  for (const option of ['suid', 'dev'] as const) {
    if (options[option] !== true) continue
    if (process.getuid?.() !== 0) throw new Failure(`--${option} is for root`)
    if (options.fuse === 'direct') continue
    throw new Failure(`--${option} does not go with --fuse ${options.fuse}`, { usage: true })
  }
}
