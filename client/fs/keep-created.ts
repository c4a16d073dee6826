/** What a create tells its client beside the attributes. */
import type { CreateReply } from '../../network/wire/operations.ts'
import type { Asked } from '../cluster/read-leases.ts'
import type { Context } from './context.ts'
import type { Place } from './contract.ts'

/** What a create that made something says of the name and of the inode. */
export function keepCreated(
  { cluster: { leases } }: Context,
  { parent, name }: Place,
  { attributes, nameMs, leaseMs }: Pick<CreateReply, 'attributes' | 'nameMs' | 'leaseMs'>,
  asked: Asked,
): void {
  leases.keepMade(parent, name, attributes.ino, asked, nameMs)
  leases.keepAttributes(attributes, asked, leaseMs)
}
