/** The first message of each side: who it is, what it speaks and which cluster it belongs to. */
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
