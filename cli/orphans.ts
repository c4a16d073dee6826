/**
 * Processes whose supervisor was killed stop by themselves, the manager last (lifeline.ts): a new
 * supervisor waits for that, or its own would find their directories in use.
 */
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Home } from './home.ts'

/** Beyond this, whoever still holds a directory is named by who wants it. */
const deadlineMs = 30_000
const pollMs = 100

/** Only for the holder of the home's lock: a state that is left is then that of a dead supervisor. */
export async function awaitOrphans(home: Home): Promise<void> {
  const left = await home.readState()
  const socket = left?.managers.find(address => address.startsWith('unix:'))
  if (socket === undefined) return
  const deadline = performance.now() + deadlineMs
  while ((await answers(socket.slice('unix:'.length))) && performance.now() < deadline) {
    await sleep(pollMs)
  }
}

async function answers(path: string): Promise<boolean> {
  const connection = createConnection(path)
  try {
    await once(connection, 'connect')
    return true
  } catch {
    // Refused, or there is no such socket: nobody is there.
    return false
  } finally {
    connection.destroy()
  }
}
