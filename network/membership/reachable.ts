/** Where others can reach what listens here. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>

const wildcard = /^(\w+:\/\/)(0\.0\.0\.0|\[::\])(:\d+(?:\/.*)?)$/

/**
 * Addresses as others can dial them: one of all interfaces (`0.0.0.0`, `[::]`) becomes each that this machine has
 * in a network, or those of the machine itself where it is in none.
 */
export function reachable(
  addresses: readonly string[],
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  const hosts = hostsOf(interfaces)
  return [...new Set(addresses.flatMap(address => expand(address, hosts)))]
}

interface Hosts {
  readonly v4: readonly string[]
  readonly v6: readonly string[]
}

function expand(address: string, { v4, v6 }: Hosts): string[] {
  const [whole, scheme, host, rest] = wildcard.exec(address) ?? []
  if (whole === undefined) return [address]
  const hosts = host === '0.0.0.0' ? v4 : [...v4, ...v6]
  return hosts.map(found => `${scheme}${found}${rest}`)
}

function hostsOf(interfaces: Interfaces): Hosts {
  const all = Object.values(interfaces).flatMap(infos => infos ?? [])
  // A link-local address means something only together with the interface of whoever dials it.
  const usable = all.filter(({ address }) => !address.startsWith('fe80:'))
  const outside = usable.filter(({ internal }) => !internal)
  const chosen = outside.length > 0 ? outside : usable
  const of = (family: string) => chosen.filter(info => info.family === family)
  return {
    v4: of('IPv4').map(({ address }) => address),
    v6: of('IPv6').map(({ address }) => `[${address}]`),
  }
}
