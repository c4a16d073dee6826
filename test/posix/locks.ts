/** Advisory locks between the programs of one machine. */
import type { Checks } from './check.ts'
import { python } from './program.ts'

const preamble = `
import errno, fcntl, os
def child(attempt):
    pid = os.fork()
    if pid == 0:
        try: attempt()
        except OSError as e: os._exit(1 if e.errno in (errno.EAGAIN, errno.EACCES) else 2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
mine = os.open('lock', os.O_RDWR | os.O_CREAT)
os.write(mine, bytes(100))
`

export const locks: Checks = {
  'flock keeps others out until it is given up': async (t, _fs, directory) => {
    const script = `${preamble}
def attempt():
    fcntl.flock(os.open('lock', os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.flock(mine, fcntl.LOCK_EX)
assert child(attempt) == 1
fcntl.flock(mine, fcntl.LOCK_UN)
assert child(attempt) == 0
`
    await python(t, directory, script)
  },

  'record locks hold for their range only and end with the process': async (t, _fs, directory) => {
    const script = `${preamble}
def attempt(start):
    fcntl.lockf(os.open('lock', os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 10, start)
fcntl.lockf(mine, fcntl.LOCK_EX, 10, 20)
assert child(lambda: attempt(25)) == 1
assert child(lambda: attempt(30)) == 0
assert child(lambda: attempt(30)) == 0
fcntl.lockf(mine, fcntl.LOCK_UN, 10, 20)
assert child(lambda: attempt(25)) == 0
`
    await python(t, directory, script)
  },

  'shared locks let readers in and writers wait': async (t, _fs, directory) => {
    const script = `${preamble}
def attempt(kind):
    fcntl.flock(os.open('lock', os.O_RDWR), kind | fcntl.LOCK_NB)
fcntl.flock(mine, fcntl.LOCK_SH)
assert child(lambda: attempt(fcntl.LOCK_SH)) == 0
assert child(lambda: attempt(fcntl.LOCK_EX)) == 1
`
    await python(t, directory, script)
  },
}
