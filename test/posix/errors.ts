/** Which error a call gives when more than one could be given: as the file systems of Linux itself do. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

/** f a file, e1 and e2 directories, le1 and lf links to two of them; loop and dang lead nowhere. */
const scene = `
import errno, os
def code(act, *args):
    try: act(*args)
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
open('f', 'w').close()
os.mkdir('e1')
os.makedirs('e2/sub')
for target, link in (('f', 'lf'), ('e1', 'le1'), ('loop', 'loop'), ('none', 'dang')): os.symlink(target, link)
wrong = []
def check(expected, act, *args):
    got = code(act, *args)
    if got != expected: wrong.append((act.__name__, args, got, expected))
`

const calls = `
for line in '''
rename f e1 EISDIR|rename e1 f ENOTDIR|rename e1 e2 ENOTEMPTY|rename e2 e2/sub/x EINVAL
rename e2/sub e2 ENOTEMPTY|rename e1 e1 ok|rename . q EBUSY|rename e1/. q EBUSY|rename e1 e2/.. EBUSY
rename none f ENOENT|rename f f/x ENOTDIR|rename f/ g ENOTDIR|rename f g/ ENOTDIR|rename e1/ e3/ ok
rename e3 e1 ok|rename le1/ e9 ENOTDIR|rename lf e1 EISDIR|rename loop/x y ELOOP
link e1 x EPERM|link f f EEXIST|link f e1 EEXIST|link none x ENOENT|link f none/x ENOENT
link f x/ ENOENT|link f dang EEXIST
rmdir f ENOTDIR|rmdir e2 ENOTEMPTY|rmdir . EINVAL|rmdir .. ENOTEMPTY|rmdir e1/. EINVAL
rmdir e1/.. ENOTEMPTY|rmdir le1 ENOTDIR|rmdir le1/ ENOTDIR|rmdir none ENOENT
unlink e1 EISDIR|unlink e1/ EISDIR|unlink f/ ENOTDIR|unlink le1/ ENOTDIR|unlink . EISDIR
unlink .. EISDIR|unlink none ENOENT
mkdir f EEXIST|mkdir f/x ENOTDIR|mkdir none/x ENOENT|mkdir dang EEXIST|mkdir dang/ EEXIST|mkdir . EEXIST
mkdir .. EEXIST|mkdir e1/.. EEXIST|mkdir new/ ok|mkfifo f EEXIST|mkfifo e1/ EEXIST|mkfifo nf/ ENOENT
symlink x f EEXIST|symlink x dang EEXIST|symlink x e1/ EEXIST|symlink x newl/ ENOENT
readlink f EINVAL|readlink e1 EINVAL|readlink lf ok|readlink le1/ EINVAL
chdir f ENOTDIR|chdir loop ELOOP|listdir f ENOTDIR|stat f/ ENOTDIR|stat f/. ENOTDIR|stat f/.. ENOTDIR
stat le1/ ok|stat dang ENOENT
'''.strip().replace('\\n', '|').split('|'):
    name, *args, expected = line.split()
    check(expected, getattr(os, name), *args)
for path, size, expected in (('e1', 0, 'EISDIR'), ('f', -1, 'EINVAL'), ('none', 0, 'ENOENT'),
                             ('dang', 0, 'ENOENT'), ('loop', 0, 'ELOOP'), ('f/', 0, 'ENOTDIR')):
    check(expected, os.truncate, path, size)
check('ENOENT', os.stat, '')
check('ENOENT', os.symlink, '', 'empty')
check('ENOTDIR', os.chmod, 'f/', 0o644)
check('ELOOP', os.chown, 'loop', 0, 0)
assert wrong == [], wrong
`

const opens = `
paths = 'f e1 e1/ lf le1 dang loop none f/ f/x none/x newx/ .'.split()
write = 'ok EISDIR EISDIR ok EISDIR ENOENT ELOOP ENOENT ENOTDIR ENOTDIR ENOENT ENOENT EISDIR'
read = 'ok ok ok ok ok ENOENT ELOOP ENOENT ENOTDIR ENOTDIR ENOENT ENOENT ok'
def opened(flags, path): os.close(os.open(path, flags, 0o644))
for flags, expected in (
    (os.O_RDONLY, read), (os.O_PATH, read), (os.O_WRONLY, write), (os.O_RDWR | os.O_TRUNC, write),
    (os.O_RDONLY | os.O_TRUNC, write), (os.O_WRONLY | os.O_SYNC, write),
    (os.O_RDONLY | os.O_DIRECTORY,
     'ENOTDIR ok ok ENOTDIR ok ENOENT ELOOP ENOENT ENOTDIR ENOTDIR ENOENT ENOENT ok'),
    (os.O_RDONLY | os.O_NOFOLLOW,
     'ok ok ok ELOOP ELOOP ELOOP ELOOP ENOENT ENOTDIR ENOTDIR ENOENT ENOENT ok'),
    (os.O_CREAT | os.O_RDWR,
     'ok EISDIR EISDIR ok EISDIR ok ELOOP ok EISDIR ENOTDIR ENOENT EISDIR EISDIR'),
    (os.O_CREAT | os.O_EXCL | os.O_RDWR,
     'EEXIST EEXIST EISDIR EEXIST EEXIST EEXIST EEXIST ok EISDIR ENOTDIR ENOENT EISDIR EEXIST'),
):
    for path, code_expected in zip(paths, expected.split()):
        check(code_expected, opened, flags, path)
        if os.path.lexists('none'): os.unlink('none')
directory = os.open('e1', os.O_RDONLY)
check('EISDIR', os.read, directory, 1)
check('EBADF', os.write, directory, b'x')
check('EINVAL', os.ftruncate, directory, 0)
check('ok', os.fsync, directory)
reader, writer = os.open('f', os.O_RDONLY), os.open('f', os.O_WRONLY)
check('EBADF', os.write, reader, b'x')
check('EINVAL', os.ftruncate, reader, 0)
check('EBADF', os.read, writer, 1)
check('EINVAL', os.pread, reader, 1, -1)
check('EINVAL', os.ftruncate, writer, -1)
assert wrong == [], wrong
`

export const errors: Checks = {
  'each call on a path gives the error that Linux gives': async (t, _fs, directory) => {
    await python(t, directory, scene + calls)
  },

  'open, and calls on what it opened, give the errors that Linux gives': async (
    t,
    _fs,
    directory,
  ) => {
    await python(t, directory, scene + opens)
  },
}
