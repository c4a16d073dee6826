/** Binding a Unix socket: mode 0600 from its first moment, and in place of one whose process is dead. */
import { lstat, unlink } from 'node:fs/promises'
import { createConnection, type Server } from 'node:net'
import { ClusterError } from '../errors.ts'

/** @throws ClusterError IN_USE or UNREACHABLE */
export async function bindUnix(server: Server, path: string): Promise<void> {
  let cause = await tryBind(server, path)
  if (cause?.code === 'EADDRINUSE' && (await isStale(path))) {
    await unlink(path)
    cause = await tryBind(server, path)
  }
  if (cause === undefined) return
  const taken = cause.code === 'EADDRINUSE'
  const message = taken ? `${path} is taken` : `${path} cannot be listened on`
  throw new ClusterError(taken ? 'IN_USE' : 'UNREACHABLE', message, { cause })
}

function tryBind(server: Server, path: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise(resolve => {
    const failed = (error: NodeJS.ErrnoException) => resolve(error)
    server.once('error', failed)
    // bind(2) happens within `listen`, so nobody can connect before the mode is right.
    const mask = process.umask(0o177)
    try {
      server.listen(path, () => {
        server.off('error', failed)
        resolve(undefined)
      })
    } finally {
      process.umask(mask)
    }
  })
}

/** A socket that refuses connections belongs to nobody; anything else is left alone. */
async function isStale(path: string): Promise<boolean> {
  const status = await lstat(path)
  if (!status.isSocket()) return false
  return new Promise(resolve => {
    const probe = createConnection(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
}
