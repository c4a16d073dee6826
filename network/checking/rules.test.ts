import test from 'ava'
import { fileType } from '../wire/attributes.ts'
import { clusterRootIno, makeIno } from '../wire/ids.ts'
import {
  decodeFacts,
  encodeFacts,
  type Fact,
  factKind,
  packBytes,
  packLinks,
  packPlace,
} from './facts.ts'
import { InodeFacts, judge } from './rules.ts'

const ino = makeIno(3, 77)
const parent = makeIno(2, 20)

const name = (directory = parent, type: number = fileType.regular): Fact => ({
  kind: factKind.name,
  ino,
  a: directory,
  b: 4711,
  c: packPlace(2, type),
})
const file = (nlink: number, generation = 1, reserved = 4): Fact => ({
  kind: factKind.file,
  ino,
  a: packLinks(nlink, fileType.regular),
  b: generation,
  c: reserved,
})
const directory = (nlink: number, size: number, above = parent): Fact => ({
  kind: factKind.directory,
  ino,
  a: nlink,
  b: above,
  c: size,
})
const tally = (entries: number, subdirectories: number): Fact => ({
  kind: factKind.tally,
  ino,
  a: entries,
  b: subdirectories,
  c: 0,
})
const blocks = (generation: number, end: number): Fact => ({
  kind: factKind.blocks,
  ino,
  a: generation,
  b: end,
  c: packBytes(1000, 1000),
})
const purge = (generation: number): Fact => ({
  kind: factKind.purge,
  ino,
  a: generation,
  b: 0,
  c: 0,
})
const inline: Fact = { kind: factKind.inline, ino, a: 12, b: 0, c: 0 }
const unreadable: Fact = { kind: factKind.unreadable, ino, a: 0, b: 0, c: 0 }

/** Facts travel on their way to the rules. */
function faultsOf(...facts: readonly Fact[]): string[] {
  const gathered = new InodeFacts(ino)
  for (const fact of decodeFacts(encodeFacts(facts))) gathered.add(fact)
  return [...judge(gathered)].map(({ fault }) => fault)
}

const sound: { readonly [title: string]: readonly Fact[] } = {
  'a file with as many names as it counts': [file(2), name(), name(makeIno(9, 90))],
  'a file without names that counts none': [file(0)],
  'blocks behind the end, but within what is reserved': [file(1), name(), blocks(1, 4)],
  'blocks of an earlier state that are to be deleted': [file(1, 2), name(), blocks(1, 9), purge(1)],
  'blocks of a file that is gone and are to be deleted': [blocks(5, 3), purge(5)],
  'a directory whose entries came in two pages': [
    directory(3, 5),
    tally(4, 1),
    tally(1, 0),
    name(parent, fileType.directory),
  ],
  'a number that nothing is known of but a deletion': [purge(1)],
}
for (const [title, facts] of Object.entries(sound)) {
  test(`sound: ${title}`, t => t.deepEqual(faultsOf(...facts), []))
}

const faulty: { readonly [title: string]: readonly [string, ...Fact[]] } = {
  'a name of nothing': ['dangling-entry', name()],
  'a name of an inode that cannot be read': ['dangling-entry', name(), unreadable],
  'a name of another type': ['dangling-entry', name(parent, fileType.fifo), file(1)],
  'a file with fewer names than it counts': ['link-count', file(2), name()],
  'a file without a name': ['nameless', file(1)],
  'data without an inode': ['lost-inode', inline],
  'entries without a directory': ['lost-inode', tally(1, 0)],
  'entries of what is no directory': ['lost-inode', file(1), name(), tally(1, 0)],
  'blocks without an inode': ['leaked-blocks', blocks(1, 1)],
  'blocks of another generation': ['leaked-blocks', file(1, 2), name(), blocks(1, 1), purge(3)],
  'blocks behind what is reserved': ['blocks-beyond-reach', file(1), name(), blocks(1, 5)],
  'a directory that counts other entries': [
    'directory-count',
    directory(2, 2),
    tally(1, 0),
    name(parent, fileType.directory),
  ],
  'a directory that does not know of its shards': [
    'directory-count',
    directory(2, 0),
    { kind: factKind.holding, ino, a: 5, b: 0, c: 0 },
    name(parent, fileType.directory),
  ],
  'a directory in another than its parent': [
    'parent',
    directory(2, 0, makeIno(1, 30)),
    name(parent, fileType.directory),
  ],
  'a directory with two names': [
    'parent',
    directory(2, 0),
    name(parent, fileType.directory),
    name(makeIno(1, 30), fileType.directory),
  ],
  'a directory without a name': ['nameless', directory(2, 0)],
}
for (const [title, [fault, ...facts]] of Object.entries(faulty)) {
  test(`${fault}: ${title}`, t => t.deepEqual(faultsOf(...facts), [fault]))
}

test('of blocks that are queued to be deleted nothing is left, and of others all', t => {
  const remains = (...facts: readonly Fact[]) => {
    const gathered = new InodeFacts(ino)
    for (const fact of [name(), name(makeIno(9, 90)), ...facts]) gathered.add(fact)
    return [...judge(gathered)][0]?.remains
  }
  t.like(remains(blocks(5, 3)), { generation: 5, endBlock: 3, names: 2 })
  t.like(remains(blocks(5, 3), purge(5)), { generation: 5, endBlock: 0, lastBytes: 0 })
  t.like(remains(blocks(5, 3), purge(4)), { generation: 5, endBlock: 3 })
  t.like(remains(blocks(4, 3), purge(5)), { generation: 5, endBlock: 0 })
  const large = { ...blocks(5, 2), c: packBytes(2000, 3000) }
  for (const facts of [
    [blocks(5, 3), large],
    [large, blocks(5, 3)],
  ]) {
    t.like(remains(...facts), { endBlock: 3, lastBytes: 1000, largestBytes: 3000 })
  }
})

test('the root needs no name, and has none', t => {
  const facts = new InodeFacts(clusterRootIno)
  facts.add({ ...directory(2, 0, 0), ino: clusterRootIno })
  t.deepEqual([...judge(facts)], [])
  facts.add({ ...name(parent, fileType.directory), ino: clusterRootIno })
  t.deepEqual(
    [...judge(facts)].map(({ fault }) => fault),
    ['parent'],
  )
})

test('what is no row of facts is refused', t => {
  t.throws(() => [...decodeFacts(new Uint8Array(41))], { code: 'MALFORMED' })
})
