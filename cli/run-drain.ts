/** Has a server drain, and shows how far it is. */
import { accessFor } from './access.ts'
import { askManager } from './ask-manager.ts'
import type { DrainOptions } from './drain.ts'
import { followDrain } from './draining.ts'
import { findServer } from './find-server.ts'

export async function runDrain(named: string, options: DrainOptions): Promise<void> {
  const access = await accessFor(options)
  const cancel = options.cancel === true
  const { id, name } = await askManager(access, async peer => {
    const { body } = await peer.call('managerStatus', {})
    const server = findServer(body.members, named)
    await peer.call('drainMember', { member: server.id, cancel })
    return server
  })
  const quiet = options.quiet === true
  if (!cancel) {
    await interruptible(signal => followDrain({ access, id, quiet, signal }))
    if (!quiet) {
      console.log(`${name} holds nothing any more: 'rookery member remove ${name}' lets it go`)
    }
  } else if (!quiet) console.log(`${name} drains no more: it gets its share back`)
}

/** Ctrl-C ends the work in order. */
export async function interruptible(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort()
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  try {
    await work(interrupted.signal)
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
  }
}
