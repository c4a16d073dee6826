/**
 * The alphabet of short sequences that are tried in all combinations, in the manner of CrashMonkey
 * (Mohan et al., OSDI 2018): few names, every kind of change. They begin with /a, /d, /d/a and /d/e.
 */
import type { Call, ModelIno } from './calls.ts'
import type { World } from './world.ts'

/** A change by paths; null when a directory or a file on the way is not there. */
export type Step = (world: World) => Call | null

export interface NamedStep {
  readonly title: string
  readonly call: Step
}

function inoOf(world: World, path: string): ModelIno | null {
  let at = world.root
  for (const name of path.split('/').filter(part => part !== '')) {
    const child = world.get(at)?.entries.get(name)
    if (child === undefined) return null
    at = child
  }
  return at
}

function placeOf(world: World, path: string): { parent: ModelIno; entry: string } | null {
  const slash = path.lastIndexOf('/')
  const parent = inoOf(world, path.slice(0, Math.max(0, slash)))
  if (parent === null || !world.isDirectory(parent)) return null
  return { parent, entry: path.slice(slash + 1) }
}

function at(path: string, make: (place: { parent: ModelIno; entry: string }) => Call): Step {
  return world => {
    const place = placeOf(world, path)
    return place === null ? null : make(place)
  }
}

function onFile(path: string, make: (ino: ModelIno) => Call): Step {
  return world => {
    const ino = inoOf(world, path)
    return ino === null || world.isDirectory(ino) ? null : make(ino)
  }
}

function link(from: string, to: string): Step {
  return world => {
    const ino = inoOf(world, from)
    const place = placeOf(world, to)
    return ino === null || place === null ? null : { name: 'link', ino, ...place }
  }
}

function rename(from: string, to: string, flags = 0): Step {
  return world => {
    const place = placeOf(world, from)
    const other = placeOf(world, to)
    if (place === null || other === null) return null
    return { name: 'rename', ...place, newParent: other.parent, newEntry: other.entry, flags }
  }
}

const create = (path: string) =>
  at(path, place => ({ name: 'create', ...place, mode: 0o644, exclusive: true }))
const mkdir = (path: string) => at(path, place => ({ name: 'mkdir', ...place, mode: 0o755 }))
const unlink = (path: string) => at(path, place => ({ name: 'unlink', ...place }))
const rmdir = (path: string) => at(path, place => ({ name: 'rmdir', ...place }))
const symlink = (path: string) => at(path, place => ({ name: 'symlink', ...place, target: 'a' }))
const noReplace = 1
const exchange = 2

const steps: { readonly [title: string]: Step } = {
  'mkdir b': mkdir('b'),
  'rmdir b': rmdir('b'),
  'mkdir d/b': mkdir('d/b'),
  'rmdir d/e': rmdir('d/e'),
  'rmdir d': rmdir('d'),
  'create b': create('b'),
  'create d/b': create('d/b'),
  'unlink a': unlink('a'),
  'unlink b': unlink('b'),
  'unlink d/a': unlink('d/a'),
  'link a to b': link('a', 'b'),
  'link a to d/b': link('a', 'd/b'),
  'link d/a to b': link('d/a', 'b'),
  'symlink d/b': symlink('d/b'),
  'rename a to b': rename('a', 'b'),
  'rename a to d/a': rename('a', 'd/a'),
  'rename d/a to b': rename('d/a', 'b'),
  'rename b to d/e': rename('b', 'd/e'),
  'rename d/e to b': rename('d/e', 'b'),
  'rename d/e to d/b': rename('d/e', 'd/b'),
  'rename d to b': rename('d', 'b'),
  'rename a to b, not over it': rename('a', 'b', noReplace),
  'exchange a and d/a': rename('a', 'd/a', exchange),
  'exchange a and d/e': rename('a', 'd/e', exchange),
  'exchange b and d/e': rename('b', 'd/e', exchange),
  'append to a': onFile('a', ino => ({
    name: 'write',
    ino,
    offset: 0,
    data: 'more',
    append: true,
  })),
  'truncate d/a': onFile('d/a', ino => ({ name: 'setattr', ino, size: 1 })),
  'chmod a': onFile('a', ino => ({ name: 'setattr', ino, mode: 0o600 })),
}

export const alphabet: readonly NamedStep[] = Object.entries(steps).map(([title, call]) => ({
  title,
  call,
}))

/** For sequences of three. */
export const smallAlphabet = [
  'rmdir d/e',
  'create b',
  'mkdir b',
  'link a to d/b',
  'unlink d/a',
  'rename a to d/a',
  'rename d/e to b',
  'exchange a and d/e',
].map(title => ({ title, call: steps[title]! }))

/** What they begin with. */
export const beginning: readonly Step[] = [
  create('a'),
  mkdir('d'),
  create('d/a'),
  mkdir('d/e'),
  onFile('a', ino => ({ name: 'write', ino, offset: 0, data: 'first', append: false })),
  onFile('d/a', ino => ({ name: 'write', ino, offset: 0, data: 'second', append: false })),
  onFile('a', ino => ({ name: 'release', ino })),
  onFile('d/a', ino => ({ name: 'release', ino })),
]
