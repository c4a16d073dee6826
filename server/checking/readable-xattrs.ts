/** Extended attributes as a check reads them: what is sound of a record that may be damaged. */
import { decodeAcl } from '../../network/wire/posix-acl.ts'
import { accessAclName, defaultAclName } from '../../network/wire/xattr-names.ts'
import { decodeXattrs, type Xattrs } from '../metadata/xattrs.ts'

/** As many as can be read; an access control list that nobody could have set is left out. */
export function readableXattrs(record: Uint8Array | undefined): Xattrs {
  const xattrs = longestReadable(record)
  for (const name of unsoundAcls(xattrs)) xattrs.delete(name)
  return xattrs
}

export function areReadable(record: Uint8Array): boolean {
  try {
    return unsoundAcls(decodeXattrs(record)).length === 0
  } catch {
    return false
  }
}

function longestReadable(record: Uint8Array | undefined): Xattrs {
  for (let length = record?.length ?? 0; length > 0; length--) {
    try {
      return decodeXattrs(record?.subarray(0, length))
    } catch {
      // Shorter still.
    }
  }
  return new Map()
}

function unsoundAcls(xattrs: Xattrs): string[] {
  return [accessAclName, defaultAclName].filter(name => {
    const value = xattrs.get(name)
    return value !== undefined && !isAcl(value)
  })
}

function isAcl(value: Uint8Array): boolean {
  try {
    return decodeAcl(value) !== null
  } catch {
    return false
  }
}
