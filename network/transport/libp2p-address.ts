/** Addresses of the libp2p transport: `libp2p://host:port/PEERID`, without the peer id where one listens. */
import { isIPv4, isIPv6 } from 'node:net'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { ClusterError } from '../errors.ts'

interface Libp2pAddress {
  readonly host: string
  readonly port: number
  readonly peerId: string | undefined
}

const form = /^libp2p:\/\/(?:\[([^\]]+)\]|([^:[\]/]+)):(\d{1,5})(?:\/([1-9A-HJ-NP-Za-km-z]+))?$/

/** @throws ClusterError UNREACHABLE when it is no such address. */
export function parseLibp2p(address: string): Libp2pAddress {
  const match = form.exec(address)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  const peerId = match?.[4]
  if (host === undefined || !(port <= 0xffff) || (peerId !== undefined && !isPeerId(peerId))) {
    throw new ClusterError('UNREACHABLE', `'${address}' is no address: libp2p://host:port/PEERID`)
  }
  return { host, port, peerId }
}

export function formatLibp2p(host: string, port: number, peerId: string): string {
  return `libp2p://${host.includes(':') ? `[${host}]` : host}:${port}/${peerId}`
}

/** The same as libp2p writes it. */
export function multiaddrOf({ host, port, peerId }: Libp2pAddress): Multiaddr {
  const kind = isIPv4(host) ? 'ip4' : isIPv6(host) ? 'ip6' : 'dns'
  const peer = peerId === undefined ? '' : `/p2p/${peerId}`
  return multiaddr(`/${kind}/${host}/tcp/${port}${peer}`)
}

function isPeerId(text: string): boolean {
  try {
    peerIdFromString(text)
    return true
  } catch {
    return false
  }
}
