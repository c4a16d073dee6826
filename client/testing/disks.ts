/** What the servers of servers.ts would find on their disks after a loss of power: what was synced. */
import { partitionOfBlock } from '../../network/placement/locate.ts'
import { partitionOfIno } from '../../network/wire/ids.ts'
import type { MemberId } from '../../network/wire/view.ts'
import type { Store, StoredInode } from './store.ts'

type Content = Pick<Store, 'inodes' | 'blocks'>

export class Disks {
  readonly #store: Store
  readonly #serverOf: (partition: number) => MemberId | null
  readonly #partitionCount: number
  readonly #synced = new Map<MemberId, Content>()

  constructor(
    store: Store,
    partitionCount: number,
    serverOf: (partition: number) => MemberId | null,
  ) {
    this.#store = store
    this.#partitionCount = partitionCount
    this.#serverOf = serverOf
  }

  sync(server: MemberId): void {
    this.#synced.set(server, copyOf(this.#part(server)))
  }

  /** The server has nothing but what it last synced. */
  losePower(server: MemberId): void {
    const part = this.#part(server)
    const kept = copyOf(this.#synced.get(server) ?? { inodes: new Map(), blocks: new Map() })
    for (const ino of part.inodes.keys()) this.#store.inodes.delete(ino)
    for (const key of part.blocks.keys()) this.#store.blocks.delete(key)
    for (const [ino, inode] of kept.inodes) this.#store.inodes.set(ino, inode)
    for (const [key, block] of kept.blocks) this.#store.blocks.set(key, block)
  }

  #part(server: MemberId): Content {
    const inodes = [...this.#store.inodes].filter(
      ([ino]) => this.#serverOf(partitionOfIno(ino)) === server,
    )
    const blocks = [...this.#store.blocks].filter(([key]) => {
      const [ino = 0, generation = 0, block = 0] = key.split('.').map(Number)
      const partition = partitionOfBlock(ino, generation, block, this.#partitionCount)
      return this.#serverOf(partition) === server
    })
    return { inodes: new Map(inodes), blocks: new Map(blocks) }
  }
}

function copyOf({ inodes, blocks }: Content): Content {
  return {
    inodes: new Map([...inodes].map(([ino, inode]) => [ino, copyOfInode(inode)])),
    blocks: new Map([...blocks].map(([key, block]) => [key, Uint8Array.from(block)])),
  }
}

function copyOfInode(inode: StoredInode): StoredInode {
  return {
    ...inode,
    attributes: { ...inode.attributes },
    entries: new Map(inode.entries),
    xattrs: new Map(inode.xattrs),
    data: Uint8Array.from(inode.data),
  }
}
