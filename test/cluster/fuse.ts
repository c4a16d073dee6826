/** Whether this machine lets a test mount. */
import { existsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'

export const hasFuse = existsSync('/dev/fuse')

/** AVA's serial test where there is /dev/fuse; a skipped one that says so where there is none. */
export function testMounted(title: string, run: (t: ExecutionContext) => Promise<void>): void {
  if (hasFuse) test.serial(title, run)
  else test.skip(`${title} (this machine has no /dev/fuse)`, run)
}
