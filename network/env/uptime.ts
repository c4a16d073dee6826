/** Typed face of uptime.c. */
import { loadAddon } from '../addon.ts'

interface Uptime {
  /** Milliseconds since this machine was started, also those in which it was suspended (CLOCK_BOOTTIME). */
  uptimeMs(): number
}

export const { uptimeMs } = loadAddon('network/env/uptime') as Uptime
