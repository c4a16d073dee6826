/** Files that begin without a name (O_TMPFILE), and the name that linkat(2) gives them. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const prelude = `
import ctypes, errno, os, stat
libc = ctypes.CDLL(None, use_errno=True)
def code(act, *args, **more):
    try: act(*args, **more)
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
def temporary(directory='.', flags=os.O_RDWR, mode=0o666):
    return os.open(directory, os.O_TMPFILE | flags, mode)
def name(file, path):
    old = b'/proc/self/fd/%d' % file
    if libc.linkat(-100, old, -100, path.encode(), 0x400) != 0: raise OSError(ctypes.get_errno(), path)
`

export const temporary: Checks = {
  'a file of O_TMPFILE is written and read without a name, and leaves nothing': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
before = os.stat('.').st_nlink
os.umask(0o027)
with os.fdopen(temporary(), 'w+b') as file:
    seen = os.fstat(file.fileno())
    assert stat.S_ISREG(seen.st_mode) and seen.st_nlink == 0 and seen.st_mode & 0o7777 == 0o640, seen
    for content in (b'small', bytes(range(256)) * 4096):
        file.seek(0)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        assert file.read() == content
    assert os.listdir('.') == []
assert os.listdir('.') == [] and os.stat('.').st_nlink == before
assert code(temporary, '.', os.O_RDONLY) == 'EINVAL'
assert code(temporary, 'none') == 'ENOENT'
open('file', 'w').close()
assert code(temporary, 'file') == 'ENOTDIR'
`
    await python(t, directory, script)
  },

  'linkat gives it a name, in its directory or in another, once it is written': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
os.mkdir('there')
open('taken', 'w').close()
for number, path in enumerate(('here', 'there/named', 'again')):
    file = temporary('.' if number < 2 else 'there')
    content = b'content %d ' % number * (1 if number == 0 else 100_000)
    rest = content
    while rest: rest = rest[os.write(file, rest):]
    assert code(name, file, 'taken') == 'EEXIST'
    name(file, path)
    assert os.fstat(file).st_nlink == 1 and os.stat(path).st_ino == os.fstat(file).st_ino
    name(file, 'second')
    assert os.stat(path).st_nlink == 2
    os.unlink('second')
    os.close(file)
    assert open(path, 'rb').read() == content
`
    await python(t, directory, script)
  },

  'with O_EXCL, or when its only name was removed, it gets no name': async (t, _fs, directory) => {
    const script = `${prelude}
assert code(name, temporary('.', os.O_RDWR | os.O_EXCL), 'never') == 'ENOENT'
file = temporary()
name(file, 'once')
os.unlink('once')
assert code(name, file, 'twice') == 'ENOENT'
assert os.listdir('.') == []
`
    await python(t, directory, script)
  },

  'in a setgid directory it has the group of the directory': async (t, fs, directory) => {
    await fs.chmod(directory, 0o2775)
    const script = `${prelude}
assert os.fstat(temporary()).st_gid == os.stat('.').st_gid
`
    await python(t, directory, script)
  },
}
