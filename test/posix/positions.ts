/** Positions in a directory: telldir(3), seekdir(3), rewinddir(3) and getdents64(2), while names come and go. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

/** A stream of a directory, with the names of 150 files in it: more than one read of the C library takes. */
const stream = `
import ctypes, os, random
libc = ctypes.CDLL(None, use_errno=True)
for call in ('opendir', 'readdir'): getattr(libc, call).restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
libc.seekdir.restype = libc.rewinddir.restype = None
def fill(prefix, count):
    for number in range(count): open(f'{prefix}{number:03}' + 'x' * 240, 'w').close()
def pointer(stream): return ctypes.c_void_p(stream)
def next_name(stream):
    entry = libc.readdir(pointer(stream))
    return ctypes.string_at(entry + 19).decode() if entry else None
def rest(stream):
    names = []
    while (name := next_name(stream)) is not None: names.append(name)
    return names
def seek(stream, position): libc.seekdir(pointer(stream), ctypes.c_long(position))
fill('old', 150)
stream = libc.opendir(b'.')
`

export const positions: Checks = {
  'a position that telldir told leads back to what followed, while others come and go': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${stream}
order, places = [], []
while True:
    place = libc.telldir(pointer(stream))
    name = next_name(stream)
    if name is None: break
    places.append(place)
    order.append(name)
assert len(order) == len(set(order)) == 152, order
gone = set(name for name in order[::3] if name.startswith('old'))
for name in gone: os.unlink(name)
fill('new', 100)
for at in [0, 1, 151, *random.sample(range(152), 8)]:
    seek(stream, places[at])
    seen = rest(stream)
    assert len(seen) == len(set(seen)), 'a name twice'
    expected = [name for name in order[at:] if name not in gone]
    assert [name for name in seen if not name.startswith('new')] == expected, at
`
    await python(t, directory, script)
  },

  'rewinddir begins anew, with what was made and without what was removed': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${stream}
for _ in range(10): next_name(stream)
fill('new', 30)
for number in range(50): os.unlink(f'old{number:03}' + 'x' * 240)
libc.rewinddir(pointer(stream))
names = rest(stream)
assert sorted(names) == sorted(['.', '..', *os.listdir('.')]) and len(names) == 132, names
`
    await python(t, directory, script)
  },

  'a listing in buffers of one entry has each name once, one that is too small is EINVAL': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${stream}
import errno, struct, platform
number = {'x86_64': 217, 'aarch64': 61}[platform.machine()]
fd = os.open('.', os.O_RDONLY | os.O_DIRECTORY)
def read(size):
    buffer = ctypes.create_string_buffer(size)
    got = libc.syscall(number, fd, buffer, ctypes.c_size_t(size))
    if got < 0: return ctypes.get_errno()
    names, at = [], 0
    while at < got:
        ino, place, length, kind = struct.unpack_from('QqHB', buffer, at)
        names.append(ctypes.string_at(ctypes.addressof(buffer) + at + 19).decode())
        at += length
    return names
names = []
while found := read(280): names += found
assert sorted(names) == sorted(['.', '..', *os.listdir('.')]), len(names)
assert read(280) == [], 'the end stays the end'
os.lseek(fd, 0, os.SEEK_SET)
assert read(20) == errno.EINVAL
assert len(read(4096)) > 5
`
    await python(t, directory, script)
  },
}
