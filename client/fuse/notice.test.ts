import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { maxAttributesNotices, maxPagesNotices } from '../../network/limits.ts'
import { loadNotice } from './notice.ts'

const write = loadNotice()
const message = Buffer.alloc(16)
const ebadf = 9
/** What a pipe holds: pipe(7). */
const pipeBytes = 64 * 1024

interface FullPipe {
  readonly device: number
  /** Reads what it is full of, and as many messages. */
  take(messages: number): Promise<void>
}

/** A device that takes nothing for the time being. */
async function fullPipe(t: ExecutionContext): Promise<FullPipe> {
  const folder = await mkdtemp(join(tmpdir(), 'rookery-notice-'))
  const path = join(folder, 'device')
  execFileSync('mkfifo', [path])
  const device = openSync(path, constants.O_RDWR)
  const other = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(async () => {
    closeSync(device)
    closeSync(other)
    await rm(folder, { recursive: true })
  })
  const pieces = Buffer.alloc(pipeBytes)
  writeSync(other, pieces)
  const take = async (messages: number): Promise<void> => {
    for (let left = pipeBytes + messages * message.length; left > 0; ) {
      await setImmediate()
      left -= readNow(other, pieces)
    }
  }
  return { device, take }
}

function readNow(fd: number, into: Buffer): number {
  try {
    return readSync(fd, into)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0
    throw error
  }
}

test('notices that wait hold up neither those of other devices nor what libuv does aside', async t => {
  const { device, take } = await fullPipe(t)
  const waiting = Array.from({ length: 12 }, () => write(device, message, true))
  t.is(await write(openSync('/dev/null', 'w'), message, true), 0)
  t.true((await stat('/')).isDirectory())
  t.is(await Promise.race([...waiting, Promise.resolve('waits')]), 'waits')
  await take(waiting.length)
  t.deepEqual(new Set(await Promise.all(waiting)), new Set([0]))
})

test('of attributes the kernel hears also while all threads wait that notices of pages have', async t => {
  const { device, take } = await fullPipe(t)
  const waiting = Array.from({ length: maxPagesNotices }, () => write(device, message, true))
  const next = write(openSync('/dev/null', 'w'), message, true)
  t.is(await write(openSync('/dev/null', 'w'), message, false), 0)
  t.is(await Promise.race([next, Promise.resolve('waits')]), 'waits')
  await take(waiting.length)
  t.deepEqual(new Set(await Promise.all([...waiting, next])), new Set([0]))
})

test('many notices at once are all written, and what goes wrong is told', async t => {
  const device = openSync('/dev/null', 'w')
  const many = Array.from({ length: 100 * maxAttributesNotices }, (_, index) =>
    write(device, message, index % 2 === 0),
  )
  t.deepEqual(new Set(await Promise.all(many)), new Set([0]))
  t.is(await write(openSync('/dev/null', 'r'), message, true), ebadf)
  t.throws(() => write(-1, message, false), { message: /no descriptor/ })
})
