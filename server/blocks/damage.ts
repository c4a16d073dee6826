/** Blocks that an opened store found it cannot serve, or not as they were last written, and how it says so. */
import { maxDamageLogged } from '../../network/limits.ts'
import type { Key } from '../metadata/contract.ts'
import { parseBlockKey } from './index.ts'
import type { FallenBack } from './recovery.ts'

export const unreadable = 'its record cannot be read'
export const outside = 'it lies outside the device'
export const sharing = 'it shares space with another block'

/** As pino has it. */
export interface StoreLog {
  error(details: object, message: string): void
}

export function reportDamage(
  log: StoreLog,
  device: string,
  damaged: ReadonlyMap<Key, string>,
): void {
  if (damaged.size === 0) return
  log.error({ device, count: damaged.size }, 'damaged blocks: they are served as errors')
  let logged = 0
  for (const [key, reason] of damaged) {
    if (logged++ === maxDamageLogged) return
    log.error({ device, ...parseBlockKey(key), reason }, 'damaged block')
  }
}

export function reportFallenBack(
  log: StoreLog,
  device: string,
  blocks: readonly FallenBack[],
): void {
  if (blocks.length === 0) return
  const message = 'blocks lost what was written since the last sync: they are as they were before'
  log.error({ device, count: blocks.length }, message)
  for (const { block } of blocks.slice(0, maxDamageLogged)) {
    log.error({ device, ...block }, 'block as it was before')
  }
}
