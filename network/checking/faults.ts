/**
 * What can be wrong with a cluster, each with the words for it. The codes are part of the output of
 * `rookery fsck --json`: they stay.
 */

export interface FaultKind {
  /** What is wrong. */
  readonly summary: string
  /** What `--repair` does about it, or what is left to do. */
  readonly remedy: string
}

export const faults = {
  'dangling-entry': {
    summary: 'a name leads to an inode that does not exist, or to one of another type',
    remedy: 'the inode is made again from what is left of it; without anything left the name goes',
  },
  'lost-inode': {
    summary: 'data or entries are left of an inode whose record is gone or cannot be read',
    remedy: 'the inode is made again around them',
  },
  'link-count': {
    summary: 'a file counts other links than it has names',
    remedy: 'the count is set to the names found',
  },
  nameless: {
    summary: 'a file or directory has no name',
    remedy: 'it gets one in the volume lost-found',
  },
  parent: {
    summary: 'a directory names another parent than the directory it is in, or has several names',
    remedy: 'it keeps one name, and names the directory of that as its parent',
  },
  unreachable: {
    summary: 'a directory lies in a loop that the root does not lead to',
    remedy: 'the loop is opened, and its directories are moved to the volume lost-found',
  },
  'directory-count': {
    summary: 'a directory counts other entries or subdirectories than it has',
    remedy: 'they are counted again',
  },
  'partition-count': {
    summary: 'a partition counts other inodes or blocks than it has',
    remedy: 'they are counted again',
  },
  'bad-record': {
    summary: 'what is kept of a client that works with a partition cannot be read',
    remedy: 'it is removed: a call that the client repeats just then may fail',
  },
  'bad-entry': {
    summary: 'a record of directory entries cannot be read',
    remedy: 'entries that can be read are kept; what loses its name gets one in lost-found',
  },
  'bad-inode': {
    summary: 'an inode has values that it cannot have',
    remedy: 'they are set to what its data shows',
  },
  'bad-inline-data': {
    summary: 'the data beside an inode is not what was written',
    remedy: 'the file is read as an error: restore it from a backup, or delete it',
  },
  'stray-inline-data': {
    summary: 'data lies beside an inode that has its data in blocks, or can have none',
    remedy: 'it is removed',
  },
  'bad-xattrs': {
    summary: 'extended attributes cannot be read',
    remedy: 'those that can be read are kept',
  },
  'stray-xattrs': {
    summary: 'extended attributes belong to no inode',
    remedy: 'they are removed',
  },
  'orphan-record': {
    summary: 'the list of removed files that are still open does not fit an inode',
    remedy: 'the list is corrected',
  },
  'cut-record': {
    summary: 'a truncation is recorded of a file that is gone, or cannot be read',
    remedy: 'the record is removed',
  },
  'purge-record': {
    summary: 'blocks are queued for deletion that a file still uses, or the record cannot be read',
    remedy: 'the record is removed',
  },
  'leaked-blocks': {
    summary: 'blocks are left of a file, or of a state of it, that is gone',
    remedy: 'they are queued for deletion',
  },
  'blocks-beyond-reach': {
    summary: 'a file has blocks behind the last one it knows of',
    remedy: 'the file is told of them',
  },
  'misplaced-block': {
    summary: 'a block lies in a partition where nobody looks for it',
    remedy: 'nothing is done: it takes space, and no file is read from it',
  },
  'bad-block': {
    summary:
      'the record of a block cannot be read or shares its space with another, its data is lost',
    remedy: 'the file is read as an error there: restore it from a backup, or delete it',
  },
  'bad-data': {
    summary: 'the data disk does not have what was written',
    remedy: 'the file is read as an error there: restore it from a backup, or delete it',
  },
  'stuck-transaction': {
    summary: 'a transaction has been left in doubt',
    remedy: 'its outcome is asked for and carried out',
  },
  'misplaced-record': {
    summary: 'a record lies in another partition than its inode',
    remedy: 'it is left: entries of a split directory are found again with its counts',
  },
} as const satisfies Record<string, FaultKind>

export type FaultCode = keyof typeof faults

export const faultCodes = Object.keys(faults) as readonly FaultCode[]
