/**
 * Real file work on a mounted directory, run as a process of its own: whoever serves a mount must never
 * wait for it. `node exercise.test-support.ts DIRECTORY NAME [OTHER]` ends with 0 when the exercise holds.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'

type Exercise = (directory: string, other: string) => void

/** Repeatable bytes, so that a failure is the same failure again. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed * 2654435761 + 1
  for (let at = 0; at + 4 <= length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes.writeUInt32LE(state, at)
  }
  return bytes
}

function hash(data: Uint8Array): string {
  return createHash('sha1').update(data).digest('hex')
}

const codeOf = (work: () => void): string => {
  try {
    work()
    return 'none'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}

const writes: Exercise = directory => {
  const path = join(directory, 'data')
  const model = noise(5_000_000, 1)
  fs.writeFileSync(path, model)
  const fd = fs.openSync(path, 'r+')
  for (let turn = 0; turn < 20; turn += 1) {
    const at = (turn * 7_654_321) % 4_000_000
    const piece = noise(1_000_000 + turn * 1117, turn)
    const length = Math.min(piece.length, model.length - at)
    assert.equal(fs.writeSync(fd, piece, 0, length, at), length)
    piece.copy(model, at, 0, length)
  }
  fs.fsyncSync(fd)
  fs.closeSync(fd)
  assert.equal(hash(fs.readFileSync(path)), hash(model))
  const middle = Buffer.alloc(3000)
  const reader = fs.openSync(path, 'r')
  assert.equal(fs.readSync(reader, middle, 0, 3000, 1_234_567), 3000)
  fs.closeSync(reader)
  assert.deepEqual(middle, model.subarray(1_234_567, 1_237_567))
}

const truncation: Exercise = directory => {
  const path = join(directory, 'cut')
  fs.writeFileSync(path, noise(2_500_000, 3))
  fs.truncateSync(path, 1_100_000)
  fs.truncateSync(path, 1_200_000)
  const expected = Buffer.alloc(1_200_000)
  noise(2_500_000, 3).copy(expected, 0, 0, 1_100_000)
  assert.equal(hash(fs.readFileSync(path)), hash(expected))
  fs.writeFileSync(path, 'short')
  assert.equal(fs.readFileSync(path, 'utf8'), 'short')
  fs.appendFileSync(path, ' and more')
  assert.equal(fs.readFileSync(path, 'utf8'), 'short and more')
}

const names: Exercise = directory => {
  const at = (name: string): string => join(directory, name)
  fs.mkdirSync(at('one'))
  fs.mkdirSync(at('two'))
  fs.writeFileSync(at('one/file'), 'first')
  fs.writeFileSync(at('two/file'), 'second')
  const open = fs.openSync(at('two/file'), 'r')
  fs.renameSync(at('one/file'), at('two/file'))
  assert.equal(fs.readFileSync(at('two/file'), 'utf8'), 'first')
  assert.equal(fs.readFileSync(open, 'utf8'), 'second')
  fs.closeSync(open)
  assert.equal(
    codeOf(() => fs.renameSync(at('one'), at('two'))),
    'ENOTEMPTY',
  )
  assert.equal(
    codeOf(() => fs.rmdirSync(at('two'))),
    'ENOTEMPTY',
  )
  assert.equal(
    codeOf(() => fs.statSync(at('nothing'))),
    'ENOENT',
  )
  assert.equal(
    codeOf(() => fs.mkdirSync(at('one'))),
    'EEXIST',
  )
  fs.symlinkSync('two/file', at('symlink'))
  assert.equal(fs.readlinkSync(at('symlink')), 'two/file')
  assert.equal(fs.readFileSync(at('symlink'), 'utf8'), 'first')
  fs.chmodSync(at('two/file'), 0o640)
  assert.equal(fs.statSync(at('two/file')).mode & 0o777, 0o640)
  fs.rmSync(at('two'), { recursive: true })
  fs.rmdirSync(at('one'))
  assert.equal(
    codeOf(() => fs.readFileSync(at('symlink'))),
    'ENOENT',
  )
  fs.unlinkSync(at('symlink'))
}

const links: Exercise = directory => {
  const at = (name: string): string => join(directory, name)
  fs.writeFileSync(at('original'), 'same')
  fs.linkSync(at('original'), at('other'))
  assert.equal(fs.statSync(at('other')).nlink, 2)
  assert.equal(fs.statSync(at('other')).ino, fs.statSync(at('original')).ino)
  fs.appendFileSync(at('other'), ' inode')
  fs.unlinkSync(at('original'))
  assert.equal(fs.readFileSync(at('other'), 'utf8'), 'same inode')
  assert.equal(fs.statSync(at('other')).nlink, 1)
}

const entries: Exercise = directory => {
  const many = join(directory, 'many')
  fs.mkdirSync(many)
  const wanted = new Set<string>()
  for (let index = 0; index < 10_000; index += 1) {
    fs.closeSync(fs.openSync(join(many, `entry-${index}`), 'wx'))
    wanted.add(`entry-${index}`)
  }
  const seen = fs.readdirSync(many)
  assert.equal(seen.length, 10_000)
  assert.deepEqual(new Set(seen), wanted)
}

const times: Exercise = directory => {
  const path = join(directory, 'dated')
  fs.writeFileSync(path, '')
  fs.utimesSync(path, 1_000_000_000.5, 1_100_000_000.25)
  const stat = fs.statSync(path)
  assert.equal(stat.atimeMs, 1_000_000_000_500)
  assert.equal(stat.mtimeMs, 1_100_000_000_250)
}

const space: Exercise = directory => {
  const report = fs.statfsSync(directory)
  assert.equal(report.bsize * report.blocks, 2 ** 40)
  assert.equal(report.bsize * report.bavail, 2 ** 39)
}

const xattrs: Exercise = directory => {
  const path = join(directory, 'tagged')
  fs.writeFileSync(path, '')
  if (spawnSync('python3', ['--version']).status !== 0) {
    console.log('no python3: extended attributes not tried')
    return
  }
  const script = `
import os, sys
path = sys.argv[1]
os.setxattr(path, 'user.colour', b'blue')
os.setxattr(path, 'user.long', b'x' * 60000)
assert os.getxattr(path, 'user.colour') == b'blue'
assert os.getxattr(path, 'user.long') == b'x' * 60000
assert sorted(os.listxattr(path)) == ['user.colour', 'user.long']
os.removexattr(path, 'user.long')
assert os.listxattr(path) == ['user.colour']
try:
    os.getxattr(path, 'user.long')
    sys.exit('it was removed')
except OSError as error:
    assert error.errno == 61, error`
  execFileSync('python3', ['-c', script, path])
}

/** Shell tools ask for things in their own ways. */
const tools: Exercise = directory => {
  const script = `set -e
    cd "$1"; mkdir -p a/b/c; echo text > a/b/c/file; cp -a a z; mv z/b/c/file z/moved
    test "$(cat z/moved)" = text; find . -type f | sort > list; test "$(wc -l < list)" -ge 2
    dd if=/dev/zero of=hole bs=1 count=1 seek=3000000 2>&1; test "$(stat -c %s hole)" = 3000001
    mkfifo pipe; test -p pipe; rm -r a z pipe hole list; test ! -e a`
  execFileSync('sh', ['-c', script, 'sh', directory])
}

/** Two mounts of one file system: what one writes the other shows at once, open file or not. */
const coherence: Exercise = (here, there) => {
  const at = (directory: string): string => join(directory, 'shared')
  fs.writeFileSync(at(here), 'a'.repeat(10_000))
  const reader = fs.openSync(at(there), 'r')
  const read = (): string => {
    const into = Buffer.alloc(10_000)
    return into.toString('latin1', 0, fs.readSync(reader, into, 0, 10_000, 0))
  }
  assert.equal(read(), 'a'.repeat(10_000))
  const writer = fs.openSync(at(here), 'r+')
  fs.writeSync(writer, 'b'.repeat(10_000), 0)
  assert.equal(read(), 'b'.repeat(10_000))
  fs.ftruncateSync(writer, 5000)
  assert.equal(read(), 'b'.repeat(5000))
  fs.utimesSync(at(here), 1000, 1000)
  assert.equal(read(), 'b'.repeat(5000))
  fs.writeSync(writer, 'c'.repeat(5000), 0)
  fs.utimesSync(at(here), 1000, 1000)
  assert.equal(read(), 'c'.repeat(5000), 'the time of the last change was put back')
  fs.renameSync(at(here), join(here, 'renamed'))
  assert.equal(
    codeOf(() => fs.statSync(at(there))),
    'ENOENT',
  )
  assert.equal(fs.readFileSync(join(there, 'renamed'), 'latin1'), 'c'.repeat(5000))
}

const exercises: Readonly<Record<string, Exercise>> = {
  writes,
  truncation,
  names,
  links,
  entries,
  space,
  times,
  xattrs,
  tools,
  coherence,
}

const [directory, name, other = ''] = process.argv.slice(2)
const exercise = exercises[name ?? '']
assert(directory !== undefined && exercise !== undefined, 'usage: DIRECTORY NAME')
exercise(directory, other)
