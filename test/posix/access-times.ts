/** Access times as only the kernel can move them: through mapped pages, programs, and O_NOATIME. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const prelude = `
import mmap, os, subprocess, time
def atime(path):
    return os.lstat(path).st_atime_ns
def moves(path, act):
    before = atime(path)
    time.sleep(0.012)
    act()
    return atime(path) > before
def write(path, content):
    with open(path, 'wb') as file: file.write(content)
def read(path, flags=0):
    file = os.open(path, os.O_RDONLY | flags)
    while os.read(file, 65536): pass
    os.close(file)
`

export const accessTimes: Checks = {
  'O_NOATIME leaves atime alone': async (t, _fs, directory) => {
    const script = `${prelude}
for length in (10, 300_000):
    write('file', b'x' * length)
    assert not moves('file', lambda: read('file', os.O_NOATIME))
    assert moves('file', lambda: read('file'))
    os.unlink('file')
os.mkdir('dir')
def look(flags):
    held = os.open('dir', os.O_RDONLY | os.O_DIRECTORY | flags)
    os.listdir(held)
    os.close(held)
assert not moves('dir', lambda: look(os.O_NOATIME))
assert moves('dir', lambda: look(0))
`
    await python(t, directory, script)
  },

  'a file that was just written moves its atime when it is read, however large': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
for length in (1, 5_000, 100_000, 6_000_000):
    write('file', b'x' * length)
    assert moves('file', lambda: read('file')), length
    assert not moves('file', lambda: read('file')), length
    os.unlink('file')
`
    await python(t, directory, script)
  },

  'a mapped file moves its atime when it is looked at, a started program too': async (
    t,
    _fs,
    directory,
  ) => {
    const script = `${prelude}
write('file', b'x' * 10_000)
def look():
    with open('file', 'rb') as file:
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages: assert pages[5_000] == 120
assert moves('file', look)
write('program', b'#!/bin/sh\\nexit 0\\n')
os.chmod('program', 0o755)
assert moves('program', lambda: subprocess.run(['./program'], check=True))
`
    await python(t, directory, script)
  },
}
