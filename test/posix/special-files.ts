/** Device nodes, pipes and sockets: what they are, who makes them, and whiteouts. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const prelude = `
import ctypes, errno, os, socket, stat
libc = ctypes.CDLL(None, use_errno=True)
def code(act, *args, **more):
    try: act(*args, **more)
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
def rename(old, new, flags):
    if libc.renameat2(-100, old, -100, new, flags) == 0: return 'ok'
    return errno.errorcode[ctypes.get_errno()]
`

export const specialFiles: Checks = {
  'mknod makes what it is asked for, with device numbers of any size': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
os.umask(0)
wanted = [
    ('character', stat.S_IFCHR | 0o640, os.makedev(1, 3)),
    ('block', stat.S_IFBLK | 0o600, os.makedev(4_095, 1_048_575)),
    ('pipe', stat.S_IFIFO | 0o622, 0),
    ('socket', stat.S_IFSOCK | 0o777, 0),
    ('regular', stat.S_IFREG | 0o604, 0),
]
for name, mode, device in wanted if os.getuid() == 0 else wanted[2:]:
    os.mknod(name, mode, device)
    seen = os.lstat(name)
    assert (seen.st_mode, seen.st_rdev, seen.st_size, seen.st_nlink) == (mode, device, 0, 1), seen
    assert code(os.mknod, name, mode, device) == 'EEXIST'
    os.link(name, name + '2')
    assert os.lstat(name + '2').st_mode == mode and os.lstat(name).st_nlink == 2
assert code(os.mknod, 'directory', stat.S_IFDIR | 0o755) in ('EPERM', 'EINVAL')
assert code(os.open, 'socket', os.O_RDWR) == 'ENXIO'
assert code(os.open, 'pipe', os.O_WRONLY | os.O_NONBLOCK) == 'ENXIO'
`
    await python(t, directory, script)
  },

  'a socket is reached by its name, also by a second one, until it has none': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
server = socket.socket(socket.AF_UNIX)
server.bind('name')
server.listen(4)
os.link('name', 'other')
os.rename('name', 'moved')
for name in ('moved', 'other'):
    client = socket.socket(socket.AF_UNIX)
    client.connect(name)
    client.sendall(b'hello')
    assert server.accept()[0].recv(5) == b'hello'
assert code(socket.socket(socket.AF_UNIX).bind, 'moved') == 'EADDRINUSE'
os.unlink('moved')
os.unlink('other')
assert code(socket.socket(socket.AF_UNIX).connect, 'other') == 'ENOENT'
server.close()
open('file', 'w').close()
assert code(socket.socket(socket.AF_UNIX).connect, 'file') == 'ECONNREFUSED'
`
    await python(t, directory, script)
  },

  'RENAME_WHITEOUT leaves a character device 0:0, also when it replaces': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
def check(path):
    seen = os.lstat(path)
    assert stat.S_ISCHR(seen.st_mode) and seen.st_rdev == 0 and seen.st_nlink == 1, seen
os.makedirs('a/inner')
os.mkdir('b')
for path in ('a/one', 'a/two', 'b/two'): open(path, 'w').write(path)
assert rename(b'a/one', b'b/two', 4 | 1) == 'EEXIST'
assert rename(b'a/one', b'b/two', 4 | 2) == 'EINVAL'
assert rename(b'a/none', b'b/new', 4) == 'ENOENT'
assert rename(b'a/one', b'b/new', 4 | 1) == 'ok' and open('b/new').read() == 'a/one'
assert rename(b'a/two', b'b/two', 4) == 'ok' and open('b/two').read() == 'a/two'
assert rename(b'a/inner', b'b/inner', 4) == 'ok'
assert rename(b'b/two', b'b/three', 4) == 'ok'
for path in ('a/one', 'a/two', 'a/inner', 'b/two'): check(path)
assert (os.stat('a').st_nlink, os.stat('b').st_nlink) == (2, 3)
assert sorted(os.listdir('a')) == ['inner', 'one', 'two']
`
    await python(t, directory, script)
  },
}
