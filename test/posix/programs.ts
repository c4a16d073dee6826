/** What programs do that `node:fs` cannot: mapped memory, pipes, databases, archives, executables. */
import { bytesOf, sameBytes } from './bytes.ts'
import type { Checks } from './check.ts'
import { names, permissions, stat } from './expect.ts'
import { isInstalled, python, shell } from './program.ts'

export const programs: Checks = {
  'a private mapping reads the file, a shared one writes it': async (t, fs, directory) => {
    const content = bytesOf(1, 300_000)
    await fs.writeFile(`${directory}/mapped`, content)
    const script = `
import mmap, os
fd = os.open('mapped', os.O_RDWR)
with mmap.mmap(fd, 0) as shared:
    assert len(shared) == 300000
    shared[100:105] = b'hello'
    shared[299990:300000] = b'0123456789'
    shared.flush()
os.close(fd)
with open('mapped', 'rb') as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as private:
    assert private[100:105] == b'hello'
`
    if ((await python(t, directory, script)) === null) return
    content.write('hello', 100)
    content.write('0123456789', 299_990)
    sameBytes(t, await fs.readFile(`${directory}/mapped`), content)
  },

  'what is written through a mapping without msync is there after close': async (
    t,
    fs,
    directory,
  ) => {
    const script = `
import mmap, os
fd = os.open('mapped', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 100000)
shared = mmap.mmap(fd, 100000)
shared[0:4] = b'head'
shared[99996:100000] = b'tail'
shared.close()
os.close(fd)
`
    if ((await python(t, directory, script)) === null) return
    const expected = Buffer.alloc(100_000)
    expected.write('head', 0)
    expected.write('tail', 99_996)
    sameBytes(t, await fs.readFile(`${directory}/mapped`), expected)
  },

  'time stamps are kept to the nanosecond, also before 1970': async (t, fs, directory) => {
    const script = `
import os
open('file', 'w').close()
for ns in (1234567890123456789, 1, 999999999, -1, -1234567890123456789, 4102444800999999999):
    os.utime('file', ns=(ns - 7, ns))
    s = os.stat('file')
    assert (s.st_atime_ns, s.st_mtime_ns) == (ns - 7, ns), (s.st_atime_ns, s.st_mtime_ns, ns)
`
    await python(t, directory, script)
    t.true((await stat(fs, `${directory}/file`)).isFile())
  },

  'vectored writes and reads at a position move whole records': async (t, _fs, directory) => {
    const script = `
import os
fd = os.open('vectors', os.O_RDWR | os.O_CREAT)
assert os.pwritev(fd, [b'one', b'', b'two' * 10000, b'three'], 5) == 30008
buffers = [bytearray(3), bytearray(30000), bytearray(100)]
assert os.preadv(fd, buffers, 5) == 30008
assert bytes(buffers[2][:5]) == b'three' and bytes(buffers[1]) == b'two' * 10000
assert os.lseek(fd, 0, os.SEEK_END) == 30013
assert os.pread(fd, 5, 0) == bytes(5)
`
    await python(t, directory, script)
  },

  'SEEK_DATA and SEEK_HOLE find the data, or call all of it data': async (t, _fs, directory) => {
    const script = `
import os
fd = os.open('sparse', os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4 << 20)
os.pwrite(fd, b'x' * 4096, 3 << 20)
at = os.lseek(fd, 0, os.SEEK_DATA)
assert at <= 3 << 20, at
hole = os.lseek(fd, 3 << 20, os.SEEK_HOLE)
assert (3 << 20) + 4096 <= hole <= 4 << 20, hole
`
    await python(t, directory, script)
  },

  'a FIFO carries bytes between two programs': async (t, _fs, directory) => {
    const text = await shell(t, directory, 'mkfifo pipe; (echo through > pipe) & cat pipe; wait')
    t.is(text, 'through')
  },

  'a Unix socket takes a name in it': async (t, fs, directory) => {
    const script = `
import os, socket
os.chdir('.')
server = socket.socket(socket.AF_UNIX)
server.bind('s')
server.listen(1)
client = socket.socket(socket.AF_UNIX)
client.connect('s')
client.send(b'hi')
assert server.accept()[0].recv(2) == b'hi'
os.unlink('s')
`
    await python(t, directory, script)
    t.deepEqual(await names(fs, directory), [])
  },

  'a script and a copied binary are executed': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/script`, '#!/bin/sh\necho "ran $1"\n', { mode: 0o755 })
    t.is(await shell(t, directory, './script well'), 'ran well')
    t.is(await shell(t, directory, 'cp /bin/echo ./echo; ./echo copied'), 'copied')
  },

  'the umask is taken from the mode': async (t, fs, directory) => {
    await shell(t, directory, 'umask 027; touch file; mkdir dir; umask 0; touch open')
    t.is(permissions(await stat(fs, `${directory}/file`)), 0o640)
    t.is(permissions(await stat(fs, `${directory}/dir`)), 0o750)
    t.is(permissions(await stat(fs, `${directory}/open`)), 0o666)
  },

  'a tree goes through tar, cp -a and diff unchanged': async (t, fs, directory) => {
    await fs.mkdir(`${directory}/tree/sub/deeper`, { recursive: true })
    for (const [index, length] of [0, 10, 8_193, 70_000, 1_500_000].entries()) {
      await fs.writeFile(`${directory}/tree/sub/${index}`, bytesOf(index, length), { mode: 0o640 })
    }
    await fs.symlink('../1', `${directory}/tree/sub/deeper/link`)
    await fs.link(`${directory}/tree/sub/2`, `${directory}/tree/hard`)
    await shell(
      t,
      directory,
      `cp -a tree copy; diff -r --no-dereference tree copy
       mkdir out; tar cf tree.tar tree; tar xf tree.tar -C out; diff -r --no-dereference tree out/tree
       test "$(stat -c %i out/tree/hard)" = "$(stat -c %i out/tree/sub/2)"
       test "$(stat -c '%a %Y' copy/sub/3)" = "$(stat -c '%a %Y' tree/sub/3)"
       rm -r tree copy out tree.tar`,
    )
    t.deepEqual(await names(fs, directory), [])
  },

  'a git repository is made, committed to and checked': async (t, _fs, directory) => {
    if (!isInstalled('git')) {
      t.log('not checked: it takes git')
      t.pass()
      return
    }
    await shell(
      t,
      directory,
      `export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1
       git init -q repo; cd repo
       git config user.name Test; git config user.email test@example.org
       for i in 1 2 3 4 5; do echo "line $i" > file$i; git add file$i; git commit -qm "commit $i"; done
       git gc -q; git fsck --strict; test -z "$(git status --porcelain)"
       git clone -q . ../clone; test "$(git -C ../clone rev-list --count HEAD)" = 5`,
    )
  },

  'an SQLite database commits, rolls back and stays whole': async (t, _fs, directory) => {
    for (const mode of ['DELETE', 'TRUNCATE', 'WAL']) {
      const script = `
import sqlite3
base = sqlite3.connect('${mode}.db')
base.execute('PRAGMA journal_mode=${mode}')
base.execute('CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT)')
for group in range(5):
    with base:
        base.executemany('INSERT INTO numbers VALUES (?, ?)',
                         [(group * 200 + i, 'x' * (i % 97)) for i in range(200)])
try:
    with base:
        base.execute('DELETE FROM numbers')
        raise KeyError
except KeyError:
    pass
base.close()
again = sqlite3.connect('${mode}.db')
assert again.execute('SELECT count(*) FROM numbers').fetchone()[0] == 1000
assert again.execute('PRAGMA integrity_check').fetchone()[0] == 'ok'
`
      await python(t, directory, script)
    }
  },

  'a file is opened again through /proc while it has no name': async (t, _fs, directory) => {
    const script = `
import os
fd = os.open('file', os.O_RDWR | os.O_CREAT)
os.write(fd, b'content')
os.unlink('file')
again = os.open('/proc/self/fd/%d' % fd, os.O_RDONLY)
assert os.read(again, 100) == b'content'
`
    await python(t, directory, script)
  },

  'a program that stands in a removed directory gets errors, not hangs': async (
    t,
    _fs,
    directory,
  ) => {
    const text = await shell(
      t,
      directory,
      'mkdir here; cd here; rmdir ../here; if (: > new) 2>/dev/null; then echo made; fi; ls -A 2>/dev/null || true',
    )
    t.is(text, '')
  },

  'renameat2 exchanges two names and refuses to replace': async (t, _fs, directory) => {
    const script = `
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def rename(old, new, flags):
    if libc.renameat2(-100, old, -100, new, flags) == 0: return 0
    return ctypes.get_errno()
for name in ('a', 'b'):
    os.mkdir(name)
    with open(name + '/file', 'w') as f: f.write(name)
assert rename(b'a/file', b'b/file', 1) == errno.EEXIST
assert rename(b'a/file', b'b/file', 2) == 0
assert open('a/file').read() == 'b' and open('b/file').read() == 'a'
assert rename(b'a', b'b', 2) == 0
assert open('a/file').read() == 'a' and open('b/file').read() == 'b'
assert rename(b'a/file', b'b/none', 2) == errno.ENOENT
assert rename(b'a/file', b'b/new', 1) == 0
`
    await python(t, directory, script)
  },

  'fallocate makes room, or says that it cannot, and harms nothing': async (t, fs, directory) => {
    const script = `
import errno, os
with open('file', 'wb') as f: f.write(b'content')
fd = os.open('file', os.O_RDWR)
os.posix_fallocate(fd, 0, 200000)
assert os.fstat(fd).st_size == 200000
`
    if ((await python(t, directory, script)) === null) return
    const expected = Buffer.alloc(200_000)
    expected.write('content')
    sameBytes(t, await fs.readFile(`${directory}/file`), expected)
  },
}
