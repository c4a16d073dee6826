/** Extended attributes, through Python: `node:fs` has no calls for them. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const preamble = `
import errno, os
names_of = {**errno.errorcode, errno.EOPNOTSUPP: 'EOPNOTSUPP'}
def code(call, *args):
    try: call(*args)
    except OSError as e: return names_of[e.errno]
    return 'ok'
open('file', 'w').close()
os.mkdir('dir')
`

export const xattr: Checks = {
  'attributes are set, listed, read, replaced and removed': async (t, _fs, directory) => {
    const script = `${preamble}
for path in ('file', 'dir'):
    os.setxattr(path, 'user.one', b'first')
    os.setxattr(path, 'user.two', bytes(range(256)))
    os.setxattr(path, 'user.empty', b'')
    assert sorted(os.listxattr(path)) == ['user.empty', 'user.one', 'user.two']
    assert os.getxattr(path, 'user.two') == bytes(range(256))
    assert os.getxattr(path, 'user.empty') == b''
    os.setxattr(path, 'user.one', b'second')
    assert os.getxattr(path, 'user.one') == b'second'
    os.removexattr(path, 'user.two')
    assert sorted(os.listxattr(path)) == ['user.empty', 'user.one']
    assert code(os.getxattr, path, 'user.two') == 'ENODATA'
    assert code(os.removexattr, path, 'user.two') == 'ENODATA'
`
    await python(t, directory, script)
  },

  'XATTR_CREATE and XATTR_REPLACE insist': async (t, _fs, directory) => {
    const script = `${preamble}
assert code(os.setxattr, 'file', 'user.a', b'1', os.XATTR_REPLACE) == 'ENODATA'
assert code(os.setxattr, 'file', 'user.a', b'1', os.XATTR_CREATE) == 'ok'
assert code(os.setxattr, 'file', 'user.a', b'2', os.XATTR_CREATE) == 'EEXIST'
assert code(os.setxattr, 'file', 'user.a', b'3', os.XATTR_REPLACE) == 'ok'
both = os.XATTR_CREATE | os.XATTR_REPLACE
assert code(os.setxattr, 'file', 'user.a', b'4', both) == 'EEXIST'
assert code(os.setxattr, 'file', 'user.b', b'4', both) == 'ENODATA'
assert code(os.setxattr, 'file', 'user.a', b'4', 4) == 'EINVAL'
assert os.getxattr('file', 'user.a') == b'3'
`
    await python(t, directory, script)
  },

  'attributes go with the file through rename and link, and with it away': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${preamble}
os.setxattr('file', 'user.kept', b'yes')
os.rename('file', 'dir/moved')
assert os.getxattr('dir/moved', 'user.kept') == b'yes'
os.link('dir/moved', 'linked')
assert os.getxattr('linked', 'user.kept') == b'yes'
os.unlink('linked')
os.unlink('dir/moved')
open('file', 'w').close()
assert os.listxattr('file') == []
`
    await python(t, directory, script)
  },

  'setting an attribute moves ctime and not mtime': async (t, _fs, directory) => {
    const script = `${preamble}
import time
before = os.stat('file')
time.sleep(0.02)
os.setxattr('file', 'user.a', b'1')
after = os.stat('file')
assert after.st_ctime_ns > before.st_ctime_ns and after.st_mtime_ns == before.st_mtime_ns
`
    await python(t, directory, script)
  },

  'names and values that are too long are refused': async (t, _fs, directory) => {
    const script = `${preamble}
assert code(os.setxattr, 'file', 'user.' + 'n' * 250, b'1') == 'ok'
assert code(os.setxattr, 'file', 'user.' + 'n' * 251, b'1') == 'ERANGE'
assert code(os.setxattr, 'file', 'user.big', bytes(65537)) == 'E2BIG'
assert os.listxattr('file') == ['user.' + 'n' * 250]
`
    await python(t, directory, script)
  },

  'names outside of the namespaces are refused': async (t, _fs, directory) => {
    const script = `${preamble}
for name in ('other.a', 'user', 'system.other', 'system.posix_acl_accessory'):
    assert code(os.setxattr, 'file', name, b'1') == 'EOPNOTSUPP', name
    assert code(os.getxattr, 'file', name) == 'EOPNOTSUPP', name
    assert code(os.removexattr, 'file', name) == 'EOPNOTSUPP', name
for name in ('user.', 'security.', 'trusted.'):
    assert code(os.setxattr, 'file', name, b'1') == 'EINVAL', name
`
    await python(t, directory, script)
  },

  'only files and directories have user attributes': async (t, _fs, directory) => {
    const script = `${preamble}
os.symlink('file', 'link')
os.mkfifo('pipe')
for path in ('link', 'pipe'):
    set = lambda: os.setxattr(path, 'user.a', b'1', follow_symlinks=False)
    get = lambda: os.getxattr(path, 'user.a', follow_symlinks=False)
    assert code(set) == 'EPERM', path
    assert code(get) == 'ENODATA', path
    assert os.listxattr(path, follow_symlinks=False) == []
`
    await python(t, directory, script)
  },

  'a buffer that is too small is ERANGE, and none asks for the length': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${preamble}
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
os.setxattr('file', 'user.a', b'12345')
def get(size): return libc.getxattr(b'file', b'user.a', ctypes.create_string_buffer(size or 1), ctypes.c_size_t(size))
def names(size): return libc.listxattr(b'file', ctypes.create_string_buffer(size or 1), ctypes.c_size_t(size))
assert get(0) == 5 and get(5) == 5 and get(100) == 5
assert get(4) == -1 and ctypes.get_errno() == errno.ERANGE
assert names(0) == 7 and names(7) == 7
assert names(6) == -1 and ctypes.get_errno() == errno.ERANGE
`
    await python(t, directory, script)
  },

  'trusted attributes are for root alone, and user attributes follow the mode': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${preamble}
if os.getuid() != 0: raise SystemExit
os.chmod('.', 0o755)
os.chmod('file', 0o644)
os.mkdir('sticky')
os.chmod('sticky', 0o1777)
os.setxattr('file', 'trusted.a', b'1')
os.setxattr('file', 'user.a', b'1')
assert sorted(os.listxattr('file')) == ['trusted.a', 'user.a']
child = os.fork()
if child == 0:
    os.setgroups([]); os.setgid(61001); os.setuid(61001)
    ok = (os.listxattr('file') == ['user.a']
        and code(os.getxattr, 'file', 'trusted.a') == 'ENODATA'
        and code(os.setxattr, 'file', 'trusted.b', b'1') == 'EPERM'
        and code(os.setxattr, 'file', 'security.b', b'1') == 'EPERM'
        and code(os.getxattr, 'file', 'user.a') == 'ok'
        and code(os.setxattr, 'file', 'user.a', b'2') == 'EACCES'
        and code(os.setxattr, 'sticky', 'user.a', b'1') == 'EPERM')
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0
os.removexattr('file', 'trusted.a')
assert os.listxattr('file') == ['user.a']
`
    await python(t, directory, script)
  },
}
