/** Gets this machine into a cluster with a token, and starts what it is to be there. */
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { serverIdOf } from '../network/admission/member-id.ts'
import type { Token } from '../network/admission/token.ts'
import { realEnv } from '../network/env/real.ts'
import { claimDirectories } from '../server/stores.ts'
import { admit, readToken } from './admission.ts'
import { Failure } from './failure.ts'
import { prepareGuestHome } from './home.ts'
import type { JoinOptions } from './join.ts'
import { listeningOn } from './listening.ts'
import { writeServerSettings } from './server-settings.ts'
import { systemdUnit } from './systemd-unit.ts'
import { tokenFrom } from './token-source.ts'

const defaultListen = ['tcp://0.0.0.0:7401']

export async function runJoin(given: string | undefined, options: JoinOptions): Promise<void> {
  const { tokenFile } = options
  const text = await tokenFrom({
    ...(given === undefined ? {} : { token: given }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  })
  if (text === undefined) {
    throw new Failure('there is no token: give it, or --token-file FILE', { usage: true })
  }
  const token = readToken(text)
  if (token.role === 'server') await joinAsServer(token, options)
  else await joinHome(token, options)
}

async function joinAsServer(token: Token, options: JoinOptions): Promise<void> {
  const { metaDir, dataDir } = options
  if (metaDir === undefined || dataDir === undefined) {
    throw new Failure('the token makes a server: say where, with --meta-dir and --data-dir', {
      usage: true,
    })
  }
  const directories = { metaDirectory: resolve(metaDir), dataDirectory: resolve(dataDir) }
  const listen = listeningOn(options.listen ?? defaultListen, options)
  // Before the token is spent: a directory that is somebody else's is no place for a server.
  const stamp = await claimDirectories(directories)
  const kept = await admit({
    env: realEnv(),
    token,
    directory: directories.metaDirectory,
    name: options.name ?? hostname(),
    say,
  })
  const id = serverIdOf(kept.credentials.identity.peerId)
  if (stamp.id !== '' && stamp.id !== id) {
    throw new Failure(`${metaDir} is that of server ${stamp.id}, whose key is gone: put it back`)
  }
  const { name, domain, weight } = options
  await writeServerSettings(directories.metaDirectory, {
    dataDir: directories.dataDirectory,
    listen,
    ...(name === undefined ? {} : { name }),
    ...(domain === undefined ? {} : { domain }),
    ...(weight === undefined ? {} : { weight }),
  })
  if (options.printUnit === true) {
    process.stdout.write(systemdUnit(directories.metaDirectory, directories.dataDirectory))
    return
  }
  const { runServer } = await import('./run-server.ts')
  const { http, logLevel } = options
  await runServer({ metaDir, logLevel, ...(http === undefined ? {} : { http }) })
}

/** For commands and mounts: what they go by lies in the home. */
async function joinHome(token: Token, options: JoinOptions): Promise<void> {
  if (options.metaDir !== undefined || options.dataDir !== undefined) {
    throw new Failure(
      `the token is for a ${token.role}, which has no disks: create one with --role server`,
      { usage: true },
    )
  }
  const home = await prepareGuestHome(options.home)
  const kept = await admit({
    env: realEnv(),
    token,
    directory: join(home.directory, token.role),
    name: hostname(),
    say,
  })
  console.log(`${home.directory} is a ${kept.role}'s of cluster ${kept.credentials.cluster}`)
}

function say(line: string): void {
  process.stderr.write(`rookery: ${line}\n`)
}
