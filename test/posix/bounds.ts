/** How long names and paths may be, how large files, and what a limit of the process says to that. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const prelude = `
import errno, mmap, os, resource, signal
def code(act, *args):
    try: act(*args)
    except OSError as error: return errno.errorcode[error.errno]
    return 'ok'
`

export const bounds: Checks = {
  'a name has up to 255 bytes, a path up to 4,095, a target as many': async (t, _fs, directory) => {
    const script = `${prelude}
longest, longer = 'n' * 255, 'n' * 256
open('f', 'w').close()
assert code(os.mkdir, longest) == 'ok' and os.listdir('.') != []
for act in (os.mkdir, os.stat, os.unlink, os.rmdir, os.readlink, os.mkfifo):
    assert code(act, longer) == 'ENAMETOOLONG', act
for act in (os.rename, os.link, os.symlink): assert code(act, 'f', longer) == 'ENAMETOOLONG', act
assert code(os.stat, 'é' * 127) == 'ENOENT' and code(os.stat, 'é' * 128) == 'ENAMETOOLONG'
assert code(os.mkdir, './' * 2_046 + 'abc') == 'ok'
assert code(os.mkdir, './' * 2_046 + 'abcd') == 'ENAMETOOLONG'
assert code(os.symlink, 'x' * 4_095, 'link') == 'ok' and os.readlink('link') == 'x' * 4_095
assert os.lstat('link').st_size == 4_095
assert code(os.symlink, 'x' * 4_096, 'other') == 'ENAMETOOLONG'
assert os.pathconf('.', 'PC_NAME_MAX') == 255 and os.statvfs('.').f_namemax == 255
here = os.getcwd()
for _ in range(20):
    os.mkdir('d' * 250)
    os.chdir('d' * 250)
assert code(os.mkdir, 'deeper') == 'ok' and os.listdir('.') == ['deeper']
os.rmdir('deeper')
for _ in range(20):
    os.chdir('..')
    os.rmdir('d' * 250)
assert os.getcwd() == here
`
    await python(t, directory, script)
  },

  'what no file is large enough for is refused, and changes nothing': async (t, _fs, directory) => {
    const script = `${prelude}
file = os.open('file', os.O_CREAT | os.O_RDWR)
for offset in (2**31, 2**32, 2**40, 2**43):
    assert os.pwrite(file, b'x', offset) == 1 and os.fstat(file).st_size == offset + 1
    assert os.pread(file, 3, offset - 1) == b'\\0x'
size = os.fstat(file).st_size
assert code(os.ftruncate, file, -1) == 'EINVAL'
assert code(os.pwrite, file, b'xx', 2**63 - 1) == 'EINVAL'
assert os.pread(file, 10, 2**62) == b''
# Where the largest file is depends on the file system, but not what is said beyond it.
for act, *args in ((os.ftruncate, 2**63 - 1), (os.pwrite, b'xx', 2**62)):
    said = code(act, file, *args)
    assert said in ('ok', 'EFBIG'), said
    if said == 'EFBIG': assert os.fstat(file).st_size == size
    else: os.ftruncate(file, size)
`
    await python(t, directory, script)
  },

  'RLIMIT_FSIZE cuts a write short, then refuses it': async (t, _fs, directory) => {
    const script = `${prelude}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
file = os.open('file', os.O_CREAT | os.O_RDWR)
assert [os.write(file, b'x' * 9_000), os.write(file, b'x' * 9_000)] == [9_000, 1_000]
assert code(os.write, file, b'x') == 'EFBIG'
assert code(os.ftruncate, file, 10_001) == 'EFBIG' and code(os.ftruncate, file, 10_000) == 'ok'
appending = os.open('file', os.O_WRONLY | os.O_APPEND)
assert code(os.write, appending, b'x') == 'EFBIG' and os.fstat(file).st_size == 10_000
assert os.pwrite(file, b'y' * 10, 9_990) == 10
`
    await python(t, directory, script)
  },

  'what is appended agrees with pages, mapped and read, of the same and of another descriptor':
    async (t, _fs, directory) => {
      const script = `${prelude}
reader=os.open('both',os.O_RDWR|os.O_CREAT|os.O_TRUNC)
file=os.open('both',os.O_RDWR|os.O_APPEND)
os.write(reader,b'a'*5000); assert os.pread(reader,9000,0)==b'a'*5000
os.write(file,b'b'*5000)
assert os.pread(reader,20000,0)==b'a'*5000+b'b'*5000
assert os.pread(file,20000,0)==b'a'*5000+b'b'*5000
m=mmap.mmap(file,10000); assert m[4999:5001]==b'ab'
m[0:3]=b'xyz'; m.flush(); assert os.pread(file,3,0)==b'xyz' and os.pread(reader,3,0)==b'xyz'
os.write(file,b'c'*100); assert os.fstat(reader).st_size==10100
m[9999:10000]=b'!'; m.flush()
assert os.pread(reader,200,9990)==b'b'*9+b'!'+b'c'*100
m2=mmap.mmap(reader,10100); assert m2[9998:10002]==b'b!cc'
os.write(file,b'd'*70000); assert os.pread(reader,80100,0)[10090:10110]==b'c'*10+b'd'*10
os.ftruncate(file,10); os.write(file,b'end'); assert os.pread(reader,100,0)==b'xyz'+b'a'*7+b'end'
m3=mmap.mmap(reader,13); assert m3[:]==b'xyz'+b'a'*7+b'end'
os.pwrite(file,b'p',0)  # on Linux appends
assert os.pread(reader,100,0)==b'xyz'+b'a'*7+b'endp'
`
      await python(t, directory, script)
    },

  'mapped pages are shared or private, agree with reads and writes, and end with the file': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
file = os.open('file', os.O_CREAT | os.O_RDWR)
os.write(file, b'a' * 10_000)
shared = mmap.mmap(file, 10_000)
private = mmap.mmap(file, 10_000, flags=mmap.MAP_PRIVATE)
shared[5] = ord('S')
private[6] = ord('P')
assert shared[6] == ord('a') and private[5] == ord('S') and private[6] == ord('P')
assert os.pread(file, 8, 0) == b'aaaaaSaa'
os.pwrite(file, b'W', 9_000)
assert shared[9_000] == private[9_000] == ord('W')
shared.flush()
with open('file', 'rb') as other: assert other.read(8) == b'aaaaaSaa'
os.ftruncate(file, 5_000)
child = os.fork()
if child == 0:
    shared[9_000]
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGBUS
os.ftruncate(file, 20_000)
assert os.pread(file, 8, 4_996) == b'aaaa' + bytes(4) and shared[9_000] == 0
`
    await python(t, directory, script)
  },
}
