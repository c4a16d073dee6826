/** Finds the transport for an address by its scheme. */
import { ClusterError } from '../errors.ts'
import type { Transport } from '../transport/contract.ts'

/** @throws ClusterError UNREACHABLE when there is none. */
export function transportFor(transports: readonly Transport[], address: string): Transport {
  const scheme = address.slice(0, Math.max(0, address.indexOf(':')))
  const transport = transports.find(({ schemes }) => schemes.includes(scheme))
  if (transport !== undefined) return transport
  const known = transports.flatMap(({ schemes }) => schemes).join(', ')
  throw new ClusterError('UNREACHABLE', `no transport for '${address}': there is ${known}`)
}
