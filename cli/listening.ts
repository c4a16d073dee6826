/** How a server is reached by others: what `--tls` and `--transport` make of the addresses that it listens on. */
import { Option } from 'commander'
import { Failure } from './failure.ts'

export interface ListeningOptions {
  readonly tls?: true
  readonly transport?: 'socket' | 'libp2p'
}

export function tlsOption(): Option {
  return new Option('--tls', 'encrypt what travels by TCP: HOST:PORT is tls://HOST:PORT')
}

export function transportOption(): Option {
  return new Option(
    '--transport <kind>',
    'what travels by TCP: frames, or libp2p (slower): HOST:PORT is libp2p://HOST:PORT',
  ).choices(['socket', 'libp2p'])
}

/** @throws Failure when there is nothing that the options could be about: nobody is to believe that it is encrypted. */
export function listeningOn(addresses: readonly string[], options: ListeningOptions): string[] {
  const { tls = false, transport = 'socket' } = options
  if (tls && transport === 'libp2p') {
    throw new Failure('--tls is for sockets: libp2p encrypts by itself, leave --tls away', {
      usage: true,
    })
  }
  if (!tls && transport === 'socket') return [...addresses]
  const [scheme, option] = tls ? ['tls://', '--tls'] : ['libp2p://', '--transport libp2p']
  const changed = addresses.map(address => address.replace(/^tcp:\/\//, scheme))
  if (changed.some(address => address.startsWith(scheme))) return changed
  throw new Failure(
    `${option} is for an address of TCP, and there is none: give --listen HOST:PORT, or --port with 'up'`,
    {
      usage: true,
    },
  )
}
