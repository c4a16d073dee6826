/** Makes empty files, one after the other as a program does, and says every so often how many. */
import { closeSync, openSync } from 'node:fs'

const [directory, rank, count] = process.argv.slice(2)
const step = 500
const parent = process.ppid
for (let index = 0; index < Number(count); index++) {
  closeSync(openSync(`${directory}/file.${rank}.${index}`, 'wx'))
  if ((index + 1) % step > 0) continue
  // Events are not heard between calls that wait: nobody counts any more.
  if (process.ppid !== parent) process.exit(1)
  process.send?.(step)
}
process.send?.(Number(count) % step)
process.disconnect?.()
