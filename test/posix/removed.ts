/** What was removed while a program still refers to it, by other ways than an open regular file. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

export const removed: Checks = {
  'a directory that was removed while it is open is there, empty and without links': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `
import errno, os, stat
def code(act, *args, **more):
    try: act(*args, **more)
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
os.mkdir('here')
held = os.open('here', os.O_RDONLY | os.O_DIRECTORY)
ino = os.fstat(held).st_ino
os.chdir('here')
os.rmdir('../here')
for seen in (os.fstat(held), os.stat('.')):
    assert stat.S_ISDIR(seen.st_mode) and seen.st_nlink == 0 and seen.st_ino == ino, seen
os.fchmod(held, 0o710)
os.utime(held, ns=(5, 6))
seen = os.stat('.')
assert stat.S_IMODE(seen.st_mode) == 0o710 and (seen.st_atime_ns, seen.st_mtime_ns) == (5, 6), seen
assert os.listxattr('.') == [] and code(os.getxattr, '.', 'user.none') == 'ENODATA'
assert os.listdir('.') == [] and os.listdir(held) == []
assert code(os.stat, 'name') == 'ENOENT'
assert code(os.stat, 'name', dir_fd=held) == 'ENOENT'
assert code(os.open, 'name', os.O_CREAT | os.O_WRONLY) == 'ENOENT'
assert code(os.mkdir, 'name') == 'ENOENT'
assert code(os.mkdir, 'name', dir_fd=held) == 'ENOENT'
assert code(os.mkfifo, 'name') == 'ENOENT'
assert code(os.symlink, 'x', 'name') == 'ENOENT'
assert code(os.getcwd) == 'ENOENT'
assert 'here' not in os.listdir('..')
os.fsync(held)
`
    await python(t, directory, script)
  },

  'a removed directory whose name was taken again is still another one': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `
import os
os.mkdir('here')
held = os.open('here', os.O_RDONLY | os.O_DIRECTORY)
os.rmdir('here')
os.mkdir('here')
open('here/file', 'w').close()
assert os.listdir(held) == [] and os.listdir('here') == ['file']
assert os.fstat(held).st_ino != os.stat('here').st_ino
assert os.fstat(held).st_nlink == 0 and os.stat('here').st_nlink == 2
`
    await python(t, directory, script)
  },

  'a pipe that lost its name while it is open goes on, and has no links': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `
import os, stat
os.mkfifo('pipe')
pipe = os.open('pipe', os.O_RDWR)
os.unlink('pipe')
seen = os.fstat(pipe)
assert stat.S_ISFIFO(seen.st_mode) and seen.st_nlink == 0, seen
os.fchmod(pipe, 0o604)
assert stat.S_IMODE(os.fstat(pipe).st_mode) == 0o604
os.write(pipe, b'content')
assert os.read(pipe, 10) == b'content'
`
    await python(t, directory, script)
  },

  'what a descriptor of O_PATH stands for keeps its attributes without a name': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `
import os, stat
open('file', 'w').write('content')
os.symlink('file', 'link')
paths = [os.open(name, os.O_PATH | os.O_NOFOLLOW) for name in ('file', 'link')]
inos = [os.fstat(path).st_ino for path in paths]
os.unlink('file')
os.unlink('link')
for path, ino, kind in zip(paths, inos, (stat.S_IFREG, stat.S_IFLNK)):
    seen = os.fstat(path)
    assert stat.S_IFMT(seen.st_mode) == kind and seen.st_nlink == 0 and seen.st_ino == ino, seen
`
    await python(t, directory, script)
  },

  'dot and dot-dot in a listing have the numbers that stat shows': async (t, _fs, directory) => {
    const script = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = ctypes.c_void_p
libc.readdir.restype = ctypes.c_void_p
def numbers(path):
    stream, found = libc.opendir(path.encode()), {}
    while entry := libc.readdir(ctypes.c_void_p(stream)):
        found[ctypes.string_at(entry + 19)] = ctypes.c_uint64.from_address(entry).value
    libc.closedir(ctypes.c_void_p(stream))
    return found
def check(path):
    found = numbers(path)
    assert found[b'.'] == os.stat(path).st_ino, (path, found)
    assert found[b'..'] == os.stat(path + '/..').st_ino, (path, found)
os.makedirs('outer/inner')
os.mkdir('other')
for path in ('outer', 'outer/inner'): check(path)
os.rename('outer/inner', 'other/moved')
check('other/moved')
`
    await python(t, directory, script)
  },
}
