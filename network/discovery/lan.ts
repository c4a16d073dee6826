/**
 * Finding a cluster's managers in the network that a machine is in, by multicast DNS (RFC 6762). What is found is
 * only where to look: whoever answers there has to prove that it is a manager of the cluster.
 */
import { createHash } from 'node:crypto'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { mdns } from '@libp2p/mdns'
import { createLibp2p } from 'libp2p'
import type { Identity } from '../identity/identity.ts'
import { maxManagerAddresses } from '../limits.ts'
import { formatLibp2p, multiaddrOf, parseLibp2p } from '../transport/libp2p-address.ts'

/** Only who looks for something asks often. */
const askIntervalMs = 1_000
const idleIntervalMs = 3_600_000

export interface Announcement {
  close(): Promise<void>
}

export interface AnnounceInit {
  readonly identity: Identity
  readonly cluster: string
  /** `libp2p://host:port/PEERID` each, as others can dial them. */
  readonly addresses: readonly string[]
  /** Ends it before it has begun. */
  readonly signal: AbortSignal
}

/** Answers whoever asks for the cluster, with those of the addresses that are of a private network. */
export async function announceManager(init: AnnounceInit): Promise<Announcement> {
  const { identity, cluster, addresses, signal } = init
  signal.throwIfAborted()
  const announce = addresses.map(address => multiaddrOf(parseLibp2p(address)).toString())
  const node = await createLibp2p({
    privateKey: privateKeyFromRaw(identity.privateKey.raw),
    addresses: { listen: [], announce },
    peerDiscovery: [mdns({ serviceTag: tagOf(cluster), interval: idleIntervalMs })],
  })
  return { close: async () => node.stop() }
}

/**
 * Calls `found` with addresses of managers of this cluster as they answer, each once, until `signal` is aborted.
 */
export async function lookForManagers(
  cluster: string,
  found: (address: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const node = await createLibp2p({
    addresses: { listen: [] },
    peerDiscovery: [
      mdns({ serviceTag: tagOf(cluster), interval: askIntervalMs, broadcast: false }),
    ],
  })
  const known = new Set<string>()
  node.addEventListener('peer:discovery', ({ detail: { id, multiaddrs } }) => {
    for (const address of multiaddrs) {
      const [where, how] = address.getComponents()
      if (where?.value === undefined || how?.name !== 'tcp') continue
      const text = formatLibp2p(where.value, Number(how.value), id.toString())
      if (known.has(text) || known.size >= maxManagerAddresses) continue
      known.add(text)
      found(text)
    }
  })
  await new Promise<void>(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  await node.stop()
}

/** Of one cluster, without telling the network its id. */
function tagOf(cluster: string): string {
  const digits = createHash('sha256').update(cluster).digest('hex').slice(0, 16)
  return `_rookery-${digits}._udp.local`
}
