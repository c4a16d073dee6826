/** Where managers can be dialled over libp2p, as tokens and members have it. */
import type { ManagerPlace } from '../network/admission/token.ts'
import { reachable } from '../network/membership/reachable.ts'

const form = /^libp2p:\/\/([^/]+)/

/** @param addresses where the manager listens. */
export function placeOf(peerId: string, addresses: readonly string[]): ManagerPlace {
  const endpoints = reachable(addresses).flatMap(address => form.exec(address)?.[1] ?? [])
  return { peerId, endpoints }
}
