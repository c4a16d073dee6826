import test from 'ava'
import { maxDoubtedNames } from '../../network/limits.ts'
import { DirectoryNodes } from './directory-nodes.ts'
import { aliasLimit, opcode } from './protocol/numbers.ts'

const [thread, other] = [10, 11]
const [here, there, moved] = [2, 3, 9]

/** The kernel has `moved` here, and another mount moves it there. */
function setUp(): DirectoryNodes {
  const nodes = new DirectoryNodes()
  nodes.lookedUp(thread, moved, here)
  nodes.lookedUp(thread, moved, here)
  return nodes
}

test('a directory that was moved gets an alias when the kernel looks it up a second time', t => {
  const nodes = setUp()
  nodes.lookedUp(thread, moved, there)
  t.is(nodes.aliasOf(moved), 0)
  nodes.served(thread, opcode.lookup, there)
  nodes.served(thread, opcode.forget, moved)
  nodes.lookedUp(thread, moved, there)
  t.is(nodes.aliasOf(moved), 1)
  nodes.lookedUp(other, moved, there)
  nodes.lookedUp(other, moved, there)
  t.is(nodes.aliasOf(moved), 1)
})

test('a directory keeps its number while somebody who looked it up works in it', t => {
  for (const operation of [opcode.getattr, opcode.lookup, opcode.opendir]) {
    const nodes = setUp()
    nodes.lookedUp(thread, moved, there)
    nodes.served(thread, operation, moved)
    nodes.lookedUp(thread, moved, there)
    nodes.lookedUp(thread, moved, there)
    t.is(nodes.aliasOf(moved), 0, `${operation}`)
  }
})

test('a thread that does something else in between does not try again', t => {
  const nodes = setUp()
  nodes.lookedUp(thread, moved, there)
  nodes.served(thread, opcode.mkdir, there)
  nodes.lookedUp(thread, moved, there)
  nodes.lookedUp(other, moved, there)
  t.is(nodes.aliasOf(moved), 0)
})

test('a directory that was looked up elsewhere and moved back is doubted as well', t => {
  const nodes = setUp()
  nodes.lookedUp(thread, moved, there)
  nodes.served(thread, opcode.mkdir, there)
  nodes.lookedUp(thread, moved, here)
  nodes.lookedUp(thread, moved, here)
  t.is(nodes.aliasOf(moved), 1)
})

test('what this mount moves itself the kernel has where it went', t => {
  const nodes = setUp()
  nodes.placed(moved, there)
  nodes.lookedUp(thread, moved, there)
  nodes.lookedUp(thread, moved, there)
  t.is(nodes.aliasOf(moved), 0)
})

test('both names of a rename that is tried again may have been moved', t => {
  const nodes = setUp()
  nodes.lookedUp(thread, moved + 1, here)
  nodes.lookedUp(thread, moved, there)
  nodes.lookedUp(thread, moved, there)
  nodes.lookedUp(thread, moved + 1, there)
  t.deepEqual([nodes.aliasOf(moved), nodes.aliasOf(moved + 1)], [1, 1])
})

test('a thread of which nothing is known gets no alias, and one remembers only so many names', t => {
  const nodes = setUp()
  nodes.lookedUp(0, moved, there)
  nodes.lookedUp(0, moved, there)
  t.is(nodes.aliasOf(moved), 0)
  for (let ino = 20; ino <= 20 + maxDoubtedNames; ino++) {
    nodes.placed(ino, here)
    nodes.lookedUp(thread, ino, there)
  }
  const last = 20 + maxDoubtedNames
  nodes.lookedUp(thread, last, there)
  t.is(nodes.aliasOf(last), 0)
})

test('a rename that was refused is tried again once', t => {
  const nodes = setUp()
  t.false(nodes.refusedTwice(thread))
  nodes.served(thread, opcode.lookup, here)
  nodes.served(thread, opcode.rename2, here)
  t.true(nodes.refusedTwice(thread))
  nodes.settled(thread)
  t.false(nodes.refusedTwice(thread))
})

test('an alias is never the number itself', t => {
  const nodes = setUp()
  for (let turn = 1; turn < 2 * aliasLimit; turn++) {
    nodes.renew(moved)
    t.true(nodes.aliasOf(moved) > 0 && nodes.aliasOf(moved) < aliasLimit)
  }
})
