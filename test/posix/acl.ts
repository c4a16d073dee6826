/**
 * POSIX access control lists (acl(5)), through Python: their system calls are those of extended attributes.
 * Needs root, to become others, and a file system that has ACLs.
 */
import type { Check, Checks } from './check.ts'
import { python } from './program.ts'

export const aclPreamble = `
import errno, os, stat, struct, sys
ACCESS, DEFAULT = 'system.posix_acl_access', 'system.posix_acl_default'
NOBODY = 0xffffffff
TAGS = {'u': (1, 2), 'g': (4, 8), 'm': (16, 16), 'o': (32, 32)}
ALICE, BOB, TEAM = 61001, 61002, 61100

def acl(text):
    "As setfacl has it: u::rwx,u:7:r--,g::r-x,m::rwx,o::---"
    value = struct.pack('<I', 2)
    for entry in text.split(','):
        kind, who, letters = entry.split(':')
        bits = sum(bit for bit, letter in ((4, 'r'), (2, 'w'), (1, 'x')) if letter in letters)
        tag = TAGS[kind][0 if who == '' else 1]
        value += struct.pack('<HHI', tag, bits, NOBODY if who == '' else int(who))
    return value

NAMES = {**errno.errorcode, errno.EOPNOTSUPP: 'EOPNOTSUPP'}
def code(call, *args):
    try: call(*args)
    except OSError as e: return NAMES[e.errno]
    return 'ok'

def become(uid, call, gid=None, groups=()):
    "What the call comes to for somebody else."
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups(groups); os.setgid(gid or uid); os.setuid(uid)
        os.write(theirs, code(call).encode())
        os._exit(0)
    os.close(theirs)
    said = os.read(ours, 100).decode()
    os.close(ours)
    os.waitpid(child, 0)
    return said

def read(path): return lambda: open(path).close()
def write(path): return lambda: open(path, 'r+').close()
def make(path): return lambda: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
def mode(path): return stat.S_IMODE(os.lstat(path).st_mode)
def get(path, name=ACCESS):
    try: return os.getxattr(path, name, follow_symlinks=isinstance(path, int))
    except OSError as e: return NAMES[e.errno]
def equal(got, wanted):
    if got != wanted: raise AssertionError(f'{got!r} is not {wanted!r}')

os.umask(0)
os.chmod('.', 0o755)
open('file', 'w').close()
os.chmod('file', 0o640)
os.mkdir('dir', 0o755)
if code(os.setxattr, 'file', ACCESS, acl('u::rw-,g::r--,o::---')) == 'EOPNOTSUPP':
    print('no ACLs here'); sys.exit(0)
`

function script(body: string): Check {
  return async (t, _fs, directory) => {
    if ((await python(t, directory, `${aclPreamble}${body}`)) === 'no ACLs here') {
      t.log('not checked: this file system has no ACLs')
    }
  }
}

const checks: Checks = {
  'an access ACL decides who reads and writes': script(`
os.setxattr('file', ACCESS, acl(f'u::---,u:{ALICE}:rw-,g::---,g:{TEAM}:r--,m::rwx,o::---'))
equal(become(ALICE, write('file')), 'ok')
equal(become(BOB, read('file')), 'EACCES')
equal(become(BOB, read('file'), groups=[TEAM]), 'ok')
equal(become(BOB, write('file'), groups=[TEAM]), 'EACCES')
os.setxattr('file', ACCESS, acl(f'u::rw-,u:{ALICE}:---,g::rw-,m::rw-,o::rw-'))
equal(become(ALICE, read('file')), 'EACCES')
equal(become(ALICE, read('file'), gid=0), 'EACCES')
equal(become(BOB, write('file')), 'ok')
os.chown('file', BOB, TEAM)
os.setxattr('file', ACCESS, acl(f'u::r--,u:{BOB}:rw-,g::---,m::rw-,o::rw-'))
equal(become(BOB, read('file')), 'ok')
equal(become(BOB, write('file')), 'EACCES')
equal(become(ALICE, read('file'), groups=[TEAM]), 'EACCES')
`),

  'the mask bounds named entries and the group, and chmod moves it': script(`
os.setxattr('file', ACCESS, acl(f'u::rw-,u:{ALICE}:rw-,g::rw-,m::r--,o::---'))
equal(mode('file'), 0o640)
equal(become(ALICE, read('file')), 'ok')
equal(become(ALICE, write('file')), 'EACCES')
os.chmod('file', 0o660)
equal(get('file'), acl(f'u::rw-,u:{ALICE}:rw-,g::rw-,m::rw-,o::---'))
equal(become(ALICE, write('file')), 'ok')
os.chmod('file', 0o614)
equal(get('file'), acl(f'u::rw-,u:{ALICE}:rw-,g::rw-,m::--x,o::r--'))
equal(become(ALICE, read('file')), 'EACCES')
equal(become(BOB, read('file')), 'ok')
`),

  'an ACL on a directory decides who lists, searches and makes files': script(`
make('dir/there')()
os.chmod('dir/there', 0o644)
os.setxattr('dir', ACCESS, acl(f'u::rwx,u:{ALICE}:--x,u:{BOB}:rwx,g::---,m::rwx,o::---'))
equal(become(ALICE, read('dir/there')), 'ok')
equal(become(ALICE, lambda: os.listdir('dir')), 'EACCES')
equal(become(ALICE, make('dir/new')), 'EACCES')
equal(become(BOB, make('dir/new')), 'ok')
equal(become(BOB, lambda: os.unlink('dir/there')), 'ok')
equal(become(BOB, lambda: os.rename('dir/new', 'dir/old')), 'ok')
equal(become(TEAM, lambda: os.stat('dir/old')), 'EACCES')
os.setxattr('dir', ACCESS, acl(f'u::rwx,u:{BOB}:---,g::---,m::rwx,o::rwx'))
equal(become(BOB, lambda: os.stat('dir/old')), 'EACCES')
equal(become(ALICE, lambda: os.stat('dir/old')), 'ok')
`),

  'a program is executed by whom an ACL lets': script(`
with open('program', 'w') as f: f.write('#!/bin/sh\\nexit 0\\n')
os.setxattr('program', ACCESS, acl(f'u::rwx,u:{ALICE}:r-x,g::---,m::r-x,o::r--'))
def execute(): os.spawnv(os.P_WAIT, './program', ['x']) == 0 or os.access('./program', os.X_OK) or exec("raise OSError(errno.EACCES, '')")
equal(become(ALICE, execute), 'ok')
equal(become(BOB, execute), 'EACCES')
`),

  'an ACL sets the mode, and one that says no more is not kept': script(`
os.setxattr('file', ACCESS, acl(f'u::rwx,u:{ALICE}:r--,g::---,m::r-x,o::--x'))
equal(mode('file'), 0o751)
equal(os.listxattr('file'), [ACCESS])
os.setxattr('file', ACCESS, acl('u::rw-,g::r--,o::---'))
equal(mode('file'), 0o640)
equal(os.listxattr('file'), [])
equal(get('file'), 'ENODATA')
`),

  'setting an ACL moves ctime and not mtime, removing none moves nothing': script(`
import time
before = os.stat('file')
time.sleep(0.02)
os.setxattr('file', ACCESS, acl(f'u::rw-,u:{ALICE}:r--,g::r--,m::r--,o::---'))
after = os.stat('file')
assert after.st_ctime_ns > before.st_ctime_ns and after.st_mtime_ns == before.st_mtime_ns
os.removexattr('file', ACCESS)
equal(mode('file'), 0o640)
equal(code(os.removexattr, 'file', ACCESS), 'ok')
equal(code(os.removexattr, 'file', DEFAULT), 'ok')
`),

  'what is made in a directory inherits its default ACL, and no umask counts': script(`
DIR = f'u::rwx,u:{ALICE}:rwx,g::r-x,m::rwx,o::---'
os.setxattr('dir', DEFAULT, acl(DIR))
equal(mode('dir'), 0o755)
equal(get('dir'), 'ENODATA')
os.umask(0o077)
os.close(os.open('dir/file', os.O_CREAT | os.O_WRONLY, 0o666))
equal(mode('dir/file'), 0o660)
equal(get('dir/file'), acl(f'u::rw-,u:{ALICE}:rwx,g::r-x,m::rw-,o::---'))
equal(os.listxattr('dir/file'), [ACCESS])
equal(become(ALICE, write('dir/file')), 'ok')
os.close(os.open('dir/private', os.O_CREAT | os.O_WRONLY, 0o600))
equal(get('dir/private'), acl(f'u::rw-,u:{ALICE}:rwx,g::r-x,m::---,o::---'))
equal(become(ALICE, read('dir/private')), 'EACCES')
os.mkfifo('dir/pipe', 0o640)
equal(get('dir/pipe'), acl(f'u::rw-,u:{ALICE}:rwx,g::r-x,m::r--,o::---'))
if hasattr(os, 'O_TMPFILE'):
    fd = os.open('dir', os.O_TMPFILE | os.O_RDWR, 0o644)
    equal(get(fd), acl(f'u::rw-,u:{ALICE}:rwx,g::r-x,m::r--,o::---'))
os.symlink('file', 'dir/link')
equal(mode('dir/link'), 0o777)
equal(os.listxattr('dir/link', follow_symlinks=False), [])
os.mkdir('dir/sub', 0o777)
equal(mode('dir/sub'), 0o770)
equal((get('dir/sub'), get('dir/sub', DEFAULT)), (acl(DIR), acl(DIR)))
os.makedirs('dir/sub/a/b', 0o700)
equal(get('dir/sub/a/b', DEFAULT), acl(DIR))
equal(get('dir/sub/a/b'), acl(f'u::rwx,u:{ALICE}:rwx,g::r-x,m::---,o::---'))
make('dir/sub/a/b/c')()
assert len(get('dir/sub/a/b/c')) == 44
`),

  'where there is no default ACL, or no more, the umask counts again': script(`
os.umask(0o027)
os.setxattr('dir', DEFAULT, acl('u::rwx,g::rwx,o::rwx'))
equal(sorted(os.listxattr('dir')), [DEFAULT])
os.close(os.open('dir/open', os.O_CREAT | os.O_WRONLY, 0o666))
equal((mode('dir/open'), os.listxattr('dir/open')), (0o666, []))
os.mkdir('dir/sub', 0o777)
equal((mode('dir/sub'), os.listxattr('dir/sub')), (0o777, [DEFAULT]))
os.removexattr('dir', DEFAULT)
os.close(os.open('dir/masked', os.O_CREAT | os.O_WRONLY, 0o666))
equal(mode('dir/masked'), 0o640)
os.mkdir('dir/other', 0o777)
equal((mode('dir/other'), os.listxattr('dir/other')), (0o750, []))
`),

  'a setgid directory hands down its group and its default ACL': script(`
os.chown('dir', 0, TEAM)
os.chmod('dir', 0o2775)
os.setxattr('dir', DEFAULT, acl(f'u::rwx,u:{ALICE}:r--,g::rwx,m::rwx,o::---'))
os.mkdir('dir/sub', 0o777)
equal((mode('dir/sub'), os.stat('dir/sub').st_gid), (0o2770, TEAM))
make('dir/sub/file')()
equal(os.stat('dir/sub/file').st_gid, TEAM)
`),

  'ACLs that are none are refused, and where there can be none': script(`
for wrong in ('g::r--,o::---', 'u::rw-,o::---', 'u::rw-,g::r--', 'u::rw-,u:7:r--,g::r--,o::---',
              'u::rw-,u::rw-,g::r--,o::---', 'o::---,g::r--,u::rw-', 'u::rw-,g::r--,u:7:r--,m::rw-,o::---'):
    equal((wrong, code(os.setxattr, 'file', ACCESS, acl(wrong))), (wrong, 'EINVAL'))
    equal((wrong, code(os.setxattr, 'dir', DEFAULT, acl(wrong))), (wrong, 'EINVAL'))
good = acl('u::rw-,g::r--,o::---')
equal(code(os.setxattr, 'file', ACCESS, good[:-1]), 'EINVAL')
equal(code(os.setxattr, 'file', ACCESS, b'\\1' + good[1:]), 'EOPNOTSUPP')
equal(code(os.setxattr, 'file', DEFAULT, good), 'EACCES')
os.symlink('file', 'link')
for name in (ACCESS, DEFAULT):
    equal(code(lambda: os.setxattr('link', name, good, follow_symlinks=False)), 'EOPNOTSUPP')
    equal(get('link', name), 'EOPNOTSUPP')
equal(mode('file'), 0o640)
equal(code(os.setxattr, 'file', ACCESS, b''), 'ok')
`),

  'only the owner sets an ACL': script(`
give = lambda: os.setxattr('file', ACCESS, acl(f'u::rw-,u:{BOB}:rw-,g::r--,m::rw-,o::---'))
os.setxattr('file', ACCESS, acl(f'u::rw-,u:{ALICE}:rw-,g::r--,m::rw-,o::---'))
equal(become(ALICE, give), 'EPERM')
equal(become(ALICE, lambda: os.removexattr('file', ACCESS)), 'EPERM')
os.chown('file', ALICE, ALICE)
equal(become(ALICE, give), 'ok')
equal(become(BOB, write('file')), 'ok')
equal(become(BOB, lambda: os.getxattr('file', ACCESS)), 'ok')
`),

  'setgid goes when the owner who sets an ACL is no member of the group': script(`
wide = lambda: os.setxattr('file', ACCESS, acl(f'u::rwx,u:{BOB}:r--,g::r-x,m::rwx,o::---'))
for groups, kept in (([TEAM], 0o2000), ([], 0)):
    os.chown('file', ALICE, TEAM)
    os.chmod('file', 0o2770)
    equal(become(ALICE, wide, groups=groups), 'ok')
    equal(mode('file'), 0o770 | kept)
`),

  'an ACL stays with its file through rename and link, and goes with it': script(`
value = acl(f'u::rw-,u:{ALICE}:rw-,g::r--,m::rw-,o::---')
os.setxattr('file', ACCESS, value)
os.setxattr('dir', DEFAULT, acl('u::rwx,g::---,o::---'))
os.rename('file', 'dir/moved')
os.link('dir/moved', 'linked')
equal((get('dir/moved'), get('linked')), (value, value))
os.mkdir('plain')
os.rename('plain', 'dir/plain')
equal(get('dir/plain', DEFAULT), 'ENODATA')
os.unlink('linked'); os.unlink('dir/moved')
open('file', 'w').close()
equal(get('file'), 'ENODATA')
`),

  'a list of two hundred users is kept and obeyed': script(`
users = ','.join(f'u:{70000 + index}:{"r--" if index % 2 else "---"}' for index in range(200))
value = acl(f'u::rw-,{users},g::---,m::rwx,o::---')
os.setxattr('file', ACCESS, value)
equal(get('file'), value)
equal(become(70199, read('file')), 'ok')
equal(become(70198, read('file')), 'EACCES')
`),

  'a change of ACL counts at once, also for a file that is open': script(`
fd = os.open('file', os.O_RDWR)
for _ in range(5):
    for letters, outcome in (('rw-', 'ok'), ('---', 'EACCES')):
        value = acl(f'u::rw-,u:{ALICE}:{letters},g::---,m::rw-,o::---')
        os.setxattr('file', ACCESS, value)
        equal(become(ALICE, write('file')), outcome)
        equal(get(fd), value)
    os.removexattr(fd, ACCESS)
    equal(get(fd), 'ENODATA')
`),

  'file capabilities end with a write, a truncation and a change of owner, not with chmod': script(`
CAPABILITY = 'security.capability'
value = bytes.fromhex('0100000200200000000000000000000000000000')
os.chmod('file', 0o666)
def has(): return get('file', CAPABILITY) == value
def put(text):
    with open('file', 'r+') as f: f.write(text)
def overwrite(): put('longer')
def rewrite(): open('file', 'w').close()
for user, name, change, kept in (
    (0, 'write', overwrite, False), (ALICE, 'write', overwrite, False),
    (0, 'blocks', lambda: put('x' * 300000), False), (ALICE, 'O_TRUNC', rewrite, False),
    (0, 'O_TRUNC', rewrite, False), (0, 'truncate', lambda: os.truncate('file', 3), False),
    (0, 'chown', lambda: os.chown('file', 1, -1), False), (0, 'chmod', lambda: os.chmod('file', 0o666), True),
    (0, 'utime', lambda: os.utime('file'), True), (0, 'open', lambda: open('file', 'r+').close(), True),
):
    os.setxattr('file', CAPABILITY, value)
    os.setxattr('file', 'user.other', b'1')
    equal((user, name, has()), (user, name, True))
    equal((name, become(user, change) if user else code(change)), (name, 'ok'))
    equal((user, name, has()), (user, name, kept))
    equal(os.getxattr('file', 'user.other'), b'1')
    os.chown('file', 0, 0)
fd = os.open('file', os.O_RDWR)
os.write(fd, b'1')
os.setxattr(fd, CAPABILITY, value)
equal(get(fd, CAPABILITY), value)
os.write(fd, b'2')
equal(get(fd, CAPABILITY), 'ENODATA')
`),
}

export const acl: Checks = process.getuid?.() === 0 ? checks : {}
