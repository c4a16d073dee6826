/** Servers as a manager would have them: ids, hosts and addresses of the usual lengths. */
import type { Member } from '../../network/wire/view.ts'

/** Servers of one rack are one failure domain. */
const rackServers = 20

export function membersOf(count: number): Member[] {
  return Array.from({ length: count }, (_, index) => memberAt(index))
}

export function memberAt(index: number): Member {
  const rack = Math.floor(index / rackServers)
  return {
    id: idAt(index),
    role: 'server',
    name: `server-${index}`,
    addresses: [`tcp://10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}:7401`],
    host: idAt(index + 1_000_000),
    domain: `rack-${rack}`,
    weight: 1,
  }
}

/** 32 hexadecimal digits that look drawn by chance, and are the same each time. */
function idAt(index: number): string {
  let state = BigInt(index) + 0x9e3779b97f4a7c15n
  const next = () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n)
    return (state ^ (state >> 31n)).toString(16).padStart(16, '0')
  }
  next()
  return next() + next()
}
