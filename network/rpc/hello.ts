/** The first message of each side: who it is, what it speaks and which cluster it belongs to. */
import { Refusal } from '../admission/refusal.ts'
import { ClusterError } from '../errors.ts'
import { fieldsOf } from '../wire/codec.ts'
import type { HelloRequest } from '../wire/operations.ts'

const roles: readonly string[] = ['server', 'client', 'manager', 'admin']

/**
 * Any version's hello can be read by any other: it travels as a map, and its first field decides.
 * @throws ClusterError MALFORMED
 */
export function readHello(body: unknown): HelloRequest {
  const { version, cluster, role, id } = fieldsOf(body)
  if (
    typeof version === 'number' &&
    typeof cluster === 'string' &&
    typeof id === 'string' &&
    isRole(role)
  ) {
    return { version, cluster, role, id }
  }
  throw new ClusterError('MALFORMED', 'the first message is no hello')
}

function isRole(role: unknown): role is HelloRequest['role'] {
  return typeof role === 'string' && roles.includes(role)
}

/** @throws ClusterError VERSION_MISMATCH or WRONG_CLUSTER: the two cannot work together. */
export function checkHello(own: HelloRequest, other: HelloRequest): void {
  if (own.version !== other.version) {
    throw new ClusterError(
      'VERSION_MISMATCH',
      `one side speaks version ${own.version}, the other version ${other.version}`,
    )
  }
  if (own.cluster !== '' && other.cluster !== '' && own.cluster !== other.cluster) {
    throw new ClusterError(
      'WRONG_CLUSTER',
      `the ${own.role} belongs to cluster ${own.cluster}, the ${other.role} to cluster ${other.cluster}`,
    )
  }
}

/** Whom a dialler wants to speak to. */
export interface Expected {
  readonly role: HelloRequest['role']
  /** Anybody in that role where it is not told. */
  readonly id?: string
}

/**
 * A key proves whose it is, and says nothing of where it ought to be found: another member may answer, by mistake or by malice.
 * @throws Refusal wrong_role.
 */
export function checkExpected(expected: Expected, { role, id }: HelloRequest): void {
  if (role !== expected.role) {
    throw new Refusal('wrong_role', `who answers is a ${role}, not a ${expected.role}`)
  }
  if (expected.id !== undefined && id !== expected.id) {
    throw new Refusal('wrong_role', `who answers is ${role} ${id}, not ${expected.id}`)
  }
}
