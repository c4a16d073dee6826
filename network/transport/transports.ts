/** All transports of a member that has a key. */
import type { Env } from '../env/env.ts'
import type { Identity } from '../identity/identity.ts'
import type { Transport } from './contract.ts'
import { LateTransport } from './late.ts'
import { SocketTransport } from './socket.ts'

export function transportsOf(env: Env, identity: Identity): readonly Transport[] {
  return [
    new SocketTransport(env),
    new LateTransport(['tls'], async () => {
      const { TlsTransport } = await import('./tls.ts')
      return new TlsTransport(env, identity)
    }),
    new LateTransport(['libp2p'], async () => {
      const { Libp2pTransport } = await import('./libp2p.ts')
      return new Libp2pTransport(env, identity)
    }),
  ]
}
