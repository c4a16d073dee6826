/** Binding a Unix socket: mode 0600 from its first moment, and in place of one whose process is dead. */
import { lstatSync, rmSync } from 'node:fs'
import { createConnection, type Server } from 'node:net'
import { ClusterError } from '../errors.ts'

/** @throws ClusterError IN_USE or BAD_ADDRESS */
export async function bindUnix(server: Server, path: string): Promise<void> {
  let cause = await tryBind(server, path)
  if (cause?.code === 'EADDRINUSE' && (await isStale(path))) {
    rmSync(path, { force: true })
    cause = await tryBind(server, path)
  }
  if (cause === undefined) return
  const taken = cause.code === 'EADDRINUSE'
  const message = taken
    ? `${path} is taken: stop what listens there, or give another path`
    : `${path} cannot be listened on (${cause.code})`
  throw new ClusterError(taken ? 'IN_USE' : 'BAD_ADDRESS', message, { cause })
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

const dead: readonly (string | undefined)[] = ['ECONNREFUSED', 'ENOENT']

/** A socket that refuses connections belongs to nobody; anything else is left alone. */
function isStale(path: string): Promise<boolean> {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status?.isSocket() === false) return Promise.resolve(false)
  return new Promise(resolve => {
    const probe = createConnection(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(false)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(dead.includes(error.code)))
  })
}
