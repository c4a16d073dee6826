/** What this process has open, for tests. */
import { readdirSync, readlinkSync } from 'node:fs'

/** One path for each descriptor. */
export function openPaths(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)]
    } catch {
      // That of the directory itself is closed by now.
      return []
    }
  })
}
