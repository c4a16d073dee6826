/** Who may what, and what follows from whose group it is: supplementary groups, setgid, times. Needs root. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const prelude = `
import ctypes, errno, os, stat
libc = ctypes.CDLL(None, use_errno=True)
ALICE, BOB, TEAM = 61_001, 61_002, 62_000
def code(act, *args):
    try: act(*args)
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
def mode(path): return os.lstat(path).st_mode & 0o7777
def become(uid, groups, act):
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            said = str(act())
        except OSError as error: said = errno.errorcode[error.errno]
        except BaseException as error: said = repr(error)
        os.write(into, said.encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as pipe: said = pipe.read()
    os.waitpid(child, 0)
    return said
def made(path, bits):
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, bits))
    return oct(mode(path))
os.umask(0)
os.chmod('.', 0o755)
`

const checks: Checks = {
  'a supplementary group opens what is its, however many there are': async (t, _fs, directory) => {
    const script = `${prelude}
os.mkdir('team')
os.chown('team', 0, TEAM)
os.chmod('team', 0o770)
assert become(ALICE, [TEAM], lambda: made('team/a', 0o600)) == '0o600'
assert become(ALICE, [TEAM + 1], lambda: made('team/b', 0o600)) == 'EACCES'
assert become(ALICE, list(range(TEAM, TEAM + 40)), lambda: made('team/c', 0o600)) == '0o600'
assert become(ALICE, [], lambda: os.listdir('team')) == 'EACCES'
assert become(ALICE, [TEAM], lambda: os.chown('team/a', -1, TEAM)) == 'None'
assert become(ALICE, [TEAM], lambda: os.chown('team/a', -1, TEAM + 1)) == 'EPERM'
assert os.stat('team/a').st_gid == TEAM
`
    await python(t, directory, script)
  },

  'setgid is for members of the group only, and handed down by directories': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
os.mkdir('shared')
os.chown('shared', 0, TEAM)
os.chmod('shared', 0o2777)
for groups, kept in (([], 0), ([TEAM], 0o2000)):
    n = 'shared/%d' % len(groups)
    assert become(ALICE, groups, lambda: made(n + 'f', 0o2775)) == oct(0o775 | kept)
    assert become(ALICE, groups, lambda: made(n + 'u', 0o4755)) == oct(0o4755)
    def directory(): os.mkdir(n + 'd', 0o755)
    become(ALICE, groups, directory)
    assert mode(n + 'd') == 0o2755, oct(mode(n + 'd'))
    def changed():
        os.close(os.open(n + 'c', os.O_CREAT | os.O_RDWR, 0o755))
        os.chmod(n + 'c', 0o2755)
    become(ALICE, groups, changed)
    assert mode(n + 'c') == 0o755 | kept, oct(mode(n + 'c'))
    assert all(os.stat(n + end).st_gid == TEAM for end in 'fudc')
`
    await python(t, directory, script)
  },

  'writes, truncations and chown by an ordinary user take setuid and setgid away': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
def fresh(bits):
    if os.path.exists('file'): os.unlink('file')
    with open('file', 'w') as file: file.write('x' * 100)
    os.chown('file', ALICE, TEAM)
    os.chmod('file', bits)
def truncate(): os.truncate('file', 10)
def reopen(): os.close(os.open('file', os.O_WRONLY | os.O_TRUNC))
def write(flags=0):
    file = os.open('file', os.O_RDWR | flags)
    os.write(file, b'y')
    os.close(file)
def append(): write(os.O_APPEND)
def allocate():
    file = os.open('file', os.O_RDWR)
    os.posix_fallocate(file, 0, 200)
    os.close(file)
def keep(): os.chown('file', -1, -1)
for act in (truncate, reopen, write, append, allocate):
    for bits, left in ((0o6755, 0o755), (0o4644, 0o644), (0o2755, 0o755), (0o6777, 0o777)):
        fresh(bits)
        become(ALICE, [TEAM], act)
        assert mode('file') == left, (act.__name__, oct(bits), oct(mode('file')))
    fresh(0o6755)
    act()
    assert mode('file') == 0o6755, (act.__name__, 'root keeps them')
for who in (ALICE, 0):
    fresh(0o6755)
    become(who, [TEAM], keep)
    assert mode('file') == 0o755, (who, oct(mode('file')))
`
    await python(t, directory, script)
  },

  'times are set by the owner, to now also by who may write; left out they need nothing': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
NOW, OMIT = (0, (1 << 30) - 1), (0, (1 << 30) - 2)
def touch(access, modified, path=b'file'):
    times = (ctypes.c_long * 4)(*access, *modified)
    if libc.utimensat(-100, path, times, 0) != 0: raise OSError(ctypes.get_errno(), 'utimensat')
made('file', 0o644)
os.chown('file', ALICE, ALICE)
touch((5, 123_456_789), (6, 987_654_321))
seen = os.stat('file')
assert (seen.st_atime_ns, seen.st_mtime_ns) == (5_123_456_789, 6_987_654_321)
touch(OMIT, OMIT)
assert os.stat('file').st_ctime_ns == seen.st_ctime_ns
touch(OMIT, NOW)
after = os.stat('file')
assert after.st_atime_ns == 5_123_456_789 and after.st_mtime_ns > 10**18 and after.st_ctime_ns > seen.st_ctime_ns
touch((-5, 5), (-1, 999_999_999))
after = os.stat('file')
assert (after.st_atime_ns, after.st_mtime_ns) == (-4_999_999_995, -1)
assert code(touch, (0, 10**9), NOW) == 'EINVAL' and code(touch, (0, -1), NOW) == 'EINVAL'
assert become(BOB, [], lambda: touch(NOW, NOW)) == 'EACCES'
assert become(BOB, [], lambda: touch((1, 1), (1, 1))) == 'EPERM'
assert become(BOB, [], lambda: touch(OMIT, OMIT)) == 'None'
os.chmod('file', 0o666)
assert become(BOB, [], lambda: touch(NOW, NOW)) == 'None'
assert become(BOB, [], lambda: touch(NOW, OMIT)) == 'EPERM'
assert become(BOB, [], lambda: touch((1, 1), (1, 1))) == 'EPERM'
assert become(ALICE, [], lambda: touch((1, 1), (1, 1))) == 'None'
`
    await python(t, directory, script)
  },

  'a sticky directory keeps entries of others, also from being replaced': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
os.mkdir('tmp')
os.chmod('tmp', 0o1777)
for name in ('file', 'dir'): become(ALICE, [], (lambda: made('tmp/file', 0o666)) if name == 'file' else lambda: os.mkdir('tmp/dir'))
assert become(BOB, [], lambda: os.unlink('tmp/file')) == 'EPERM'
assert become(BOB, [], lambda: os.rename('tmp/file', 'tmp/moved')) == 'EPERM'
assert become(BOB, [], lambda: os.rmdir('tmp/dir')) == 'EPERM'
assert become(BOB, [], lambda: made('tmp/mine', 0o600)) == '0o600'
assert become(BOB, [], lambda: os.rename('tmp/mine', 'tmp/file')) == 'EPERM'
assert become(ALICE, [], lambda: os.rename('tmp/file', 'tmp/moved')) == 'None'
os.chown('tmp', BOB, BOB)
assert become(BOB, [], lambda: os.unlink('tmp/moved')) == 'None'
`
    await python(t, directory, script)
  },
}

export const identities: Checks = process.getuid?.() === 0 ? checks : {}
