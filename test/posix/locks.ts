/** Advisory locks between programs: flock(2), fcntl(2) and open file descriptions. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { Checks } from './check.ts'
import { Locker } from './locker.ts'
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

  'record locks are split, merged, upgraded and downgraded': async (t, _fs, directory) => {
    const [one, other] = await lockers(t, `${directory}/file`)
    t.is(await one.do('posix set w 0 100'), '0')
    t.is(await one.do('posix set u 40 20'), '0')
    t.is(await other.do('posix get w 0 0'), `w 0 40 ${one.pid}`)
    t.is(await other.do('posix set w 40 20'), '0')
    t.is(await other.do('posix get w 60 1'), `w 60 40 ${one.pid}`)
    t.is(await one.do('posix set r 0 10'), '0')
    t.is(await other.do('posix set r 0 10'), '0')
    t.is(await one.do('posix set w 0 10'), 'EAGAIN')
    t.is(await other.do('posix set u 0 10'), '0')
    t.is(await one.do('posix set w 0 10'), '0')
    t.is(await other.do('posix get r 0 1'), `w 0 40 ${one.pid}`)
    t.is(await one.do('posix get w 0 0'), `w 40 20 ${other.pid}`)
  },

  'a range goes to the end of the file, wherever that will be': async (t, _fs, directory) => {
    const [one, other] = await lockers(t, `${directory}/file`)
    t.is(await one.do('posix set w 1000 0'), '0')
    t.is(await other.do('posix set w 9000000000000000000 1'), 'EAGAIN')
    t.is(await other.do('posix set w 999 1'), '0')
    t.is(await other.do('posix get w 4000000000000000000 1'), `w 1000 0 ${one.pid}`)
  },

  'closing any descriptor of the file ends the record locks of the process, not those of others':
    async (t, _fs, directory) => {
      const [one, other] = await lockers(t, `${directory}/file`)
      t.is(await one.do('posix set w 0 10'), '0')
      t.is(await other.do('posix set w 20 10'), '0')
      t.is(await one.do('open 1'), '0')
      t.is(await one.do('close 1'), '0')
      t.is(await other.do('posix set w 0 10'), '0')
      t.is(await one.do('posix set w 20 10'), 'EAGAIN')
    },

  'locks of an open file last until its last descriptor is closed': async (t, _fs, directory) => {
    for (const lock of ['ofd set w 0 10', 'flock set w 0 0']) {
      const [one, other] = await lockers(t, `${directory}/file`)
      t.is(await one.do('open 1'), '0')
      t.is(await one.do(`${lock} 1`), '0')
      t.is(await one.do(lock), 'EAGAIN')
      const child = Number(await one.do('fork 1'))
      t.is(await one.do('close 1'), '0')
      t.is(await other.do(lock), 'EAGAIN')
      const taken = other.do(lock.replace('set', 'wait'))
      process.kill(child, 'SIGKILL')
      t.is(await taken, '0')
      await one.end()
      await other.end()
    }
  },

  'open files of one process keep each other out, and flock knows nothing of records': async (
    t,
    _fs,
    directory,
  ) => {
    const [one] = await lockers(t, `${directory}/file`)
    t.is(await one.do('open 1'), '0')
    t.is(await one.do('ofd set w 0 10 0'), '0')
    t.is(await one.do('ofd set w 5 10 1'), 'EAGAIN')
    t.is(await one.do('ofd set w 10 10 1'), '0')
    t.is(await one.do('posix set r 5 1'), 'EAGAIN')
    t.is(await one.do('flock set w 0 0 0'), '0')
    t.is(await one.do('flock set r 0 0 1'), 'EAGAIN')
  },

  'a process that waits goes on when the lock is given up, or its holder dies': async (
    t,
    _fs,
    directory,
  ) => {
    for (const api of ['posix', 'ofd', 'flock']) {
      const [one, other] = await lockers(t, `${directory}/${api}`)
      t.is(await one.do(`${api} set w 0 0`), '0')
      const first = other.do(`${api} wait w 0 0`)
      t.is(await one.do(`${api} set u 0 0`), '0')
      t.is(await first, '0')
      const second = one.do(`${api} wait r 0 0`)
      await other.end()
      t.is(await second, '0')
    }
  },

  'a signal ends a wait with EINTR and leaves nothing locked': async (t, _fs, directory) => {
    const [one, other, third] = await lockers(t, `${directory}/file`)
    for (const api of ['posix', 'flock']) {
      t.is(await one.do(`${api} set w 0 0`), '0')
      const waiting = other.do(`${api} wait w 0 0`)
      const ended = repeatUntil(waiting, () => other.signal('SIGUSR1'))
      t.is(await waiting, 'EINTR')
      await ended
      t.is(await one.do(`${api} set u 0 0`), '0')
      t.is(await third.do(`${api} set w 0 0`), '0')
      t.is(await third.do(`${api} set u 0 0`), '0')
    }
  },

  'who would wait in a circle gets EDEADLK': async (t, _fs, directory) => {
    const [one, other] = await lockers(t, `${directory}/file`)
    t.is(await one.do('posix set w 0 1'), '0')
    t.is(await other.do('posix set w 1 1'), '0')
    const waiting = one.do('posix wait w 1 1')
    // Whoever comes second is told; the other goes on when that one has ended.
    const told = await Promise.race([waiting, other.do('posix wait w 0 1')])
    t.is(told, 'EDEADLK')
    await other.end()
    t.true(['0', 'EDEADLK'].includes(await waiting))
  },

  'a lock needs a descriptor that is open for it': async (t, fs, directory) => {
    await fs.writeFile(`${directory}/file`, 'x')
    const script = `
import errno, fcntl, os
for flags, kind in ((os.O_RDONLY, fcntl.LOCK_EX), (os.O_WRONLY, fcntl.LOCK_SH)):
    try: fcntl.lockf(os.open('file', flags), kind | fcntl.LOCK_NB)
    except OSError as e: assert e.errno == errno.EBADF
    else: assert False
`
    await python(t, directory, script)
  },
}

async function lockers(t: ExecutionContext, path: string): Promise<[Locker, Locker, Locker]> {
  return [await Locker.start(t, path), await Locker.start(t, path), await Locker.start(t, path)]
}

/** A signal that comes before the wait has begun ends nothing. */
async function repeatUntil(done: Promise<unknown>, act: () => void): Promise<void> {
  let over = false
  const ended = done.then(() => {
    over = true
  })
  while (!over) {
    act()
    await Promise.race([ended, sleep(50)])
  }
}
