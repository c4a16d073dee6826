/** chown(2): what -1 means. */
import type { SetAttributes } from '../fs/contract.ts'

/** -1 leaves that one as it is. */
export function ownersOf(uid: number, gid: number): SetAttributes {
  return { ...(uid === -1 ? {} : { uid }), ...(gid === -1 ? {} : { gid }) }
}
