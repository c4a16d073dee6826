/**
 * Volumes are the entries of the cluster's root directory. Administrators make, rename and delete them; who has a client's
 * key puts nothing there and takes nothing away: a volume of its own would have no quota.
 */
import { PosixError } from '../network/errors.ts'
import type { Handler, Incoming, Service } from '../network/rpc/contract.ts'
import { clusterRootIno } from '../network/wire/ids.ts'
import type { OperationName } from '../network/wire/operations.ts'

/** Those that change the entries of a directory. */
const naming = [
  'create',
  'createTemporary',
  'mkdir',
  'makeBehind',
  'removeBehind',
  'unlink',
  'rmdir',
  'rename',
  'link',
] as const satisfies readonly OperationName[]

export function guardVolumes(service: Service): Service {
  const guarded = naming.map(name => {
    const handler = service[name] as Handler<OperationName> | undefined
    if (handler === undefined) return [name, undefined]
    return [
      name,
      (incoming: Incoming<OperationName>) => {
        assertMayName(incoming)
        return handler(incoming)
      },
    ]
  })
  return { ...service, ...Object.fromEntries(guarded) }
}

/** @throws PosixError EPERM. */
function assertMayName({ peer, body }: Incoming<OperationName>): void {
  if (peer.proven?.role !== 'client') return
  const { parent, newParent } = body as { readonly parent?: unknown; readonly newParent?: unknown }
  if (Number(parent) !== clusterRootIno && Number(newParent) !== clusterRootIno) return
  throw new PosixError('EPERM', 'volumes are for administrators of the cluster to make and delete')
}
