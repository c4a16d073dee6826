/** Extended attributes, through Python: `node:fs` has no calls for them. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const preamble = `
import errno, os
def code(call, *args):
    try: call(*args)
    except OSError as e: return errno.errorcode[e.errno]
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
}
