/**
 * Who leads the managers of one cluster. Consensus is etcd's: whoever creates the leader's key leads, until the
 * lease that the key hangs on is gone.
 */
import type { Etcd } from './gateway.ts'
import type { EtcdKeys } from './keys.ts'
import { getting, isAt, putting, transact } from './keys.ts'
import { grantLease, revokeLease, Term } from './term.ts'

export interface Candidate {
  readonly etcd: Etcd
  readonly keys: EtcdKeys
  /** What others are told of this one while it leads. */
  readonly description: string
  /** `managerLeaseSeconds` unless told. */
  readonly leaseSeconds?: number
}

/**
 * One attempt to become the leader.
 * @returns the term; or, when somebody leads already, what that one says of itself.
 * @throws ClusterError as `Etcd.call`; NOT_LEADER when it took too long.
 */
export async function campaign(candidate: Candidate): Promise<Term | string> {
  const { etcd, keys, description, leaseSeconds } = candidate
  const before = await transact(etcd, { compare: [], success: [getting(keys.leader)], failure: [] })
  const leader = before.found[0]
  if (leader !== undefined) return textOf(leader.value)
  const lease = await grantLease(etcd, leaseSeconds)
  try {
    const value = Buffer.from(description).toString('base64')
    const { succeeded, revision, found } = await transact(etcd, {
      compare: [isAt(keys.leader, 'CREATE', '0')],
      success: [putting(keys.leader, value, lease.id)],
      failure: [getting(keys.leader)],
    })
    const other = found[0]
    // The transaction may have been sent twice, when its answer was lost: the lease tells whose key it is.
    const ours = succeeded
      ? revision
      : other?.lease === lease.id
        ? other.create_revision
        : undefined
    if (ours !== undefined) {
      const term = new Term({ etcd, lease, revision: ours })
      term.assertCurrent()
      return term
    }
    await revokeLease(etcd, lease.id)
    return other === undefined ? '' : textOf(other.value)
  } catch (error) {
    // Without the lease no key is left behind; where etcd cannot be told, both run out by themselves.
    await revokeLease(etcd, lease.id).catch(() => undefined)
    throw error
  }
}

function textOf(value: string): string {
  return Buffer.from(value, 'base64').toString('utf8')
}

/** What others are told of a leader: for people, and for those whom a standby sends on. */
export function describeLeader(place: { addresses: readonly string[]; host: string }): string {
  return `${place.addresses.join(', ')} on ${place.host}`
}

export function addressesOfLeader(description: string): readonly string[] {
  const [addresses = ''] = description.split(' on ', 1)
  return addresses.split(', ').filter(address => isAddress.test(address))
}

const isAddress = /^[a-z0-9]+:\S+$/
