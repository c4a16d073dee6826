/** Processes that serve a mount and end badly: `node crash.test-support.ts MOUNTPOINT HOW`. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { MemoryFileSystem, noCaching } from './memory-file-system.ts'
import { mountChannel, unmountStale } from './mount.ts'
import { Session } from './session.ts'
import { WrittenPages } from './written-pages.ts'

const [mountpoint = '', how] = isMainThread
  ? process.argv.slice(2)
  : [workerData as string, 'leave']
const options = { mountpoint, source: 'rookery:crash', allowOther: false, readOnly: false }
const fileSystem = new MemoryFileSystem({ wallNs: () => 0n })
const run = promisify(execFile)

const ways: Readonly<Record<string, () => Promise<void>>> = {
  async wait() {
    await mountChannel(fileSystem, options)
    console.log('mounted')
  },

  /** The kernel is made to ask for a time, and is not answered. */
  async ask() {
    const cache = { ...noCaching, mayKeepPages: () => true, hearsOfChanges: () => true }
    const kept = new MemoryFileSystem({ wallNs: () => 0n, cache })
    await mountChannel(kept, options)
    WrittenPages.prototype.answer = () => {
      console.log('asked')
      return new Promise(() => {})
    }
    await run('sh', ['-c', 'head -c 200000 /dev/zero >"$1"', 'sh', join(mountpoint, 'f')])
  },

  /** A thread waits in the kernel for a page that is being written, and the write is not answered. */
  async notice() {
    const mounted = await mountChannel(fileSystem, options)
    fileSystem.write = ({ ino }) => {
      mounted.invalidateInode(ino).catch(console.error)
      // By now a thread has taken it up.
      void setTimeout(200).then(() => console.log('waits'))
      return new Promise(() => {})
    }
    process.once('SIGUSR2', () => process.exit(3))
    console.log('mounted')
  },

  async throw() {
    await mountChannel(fileSystem, options)
    throw new Error('on purpose')
  },

  /** The channel calls `serve`: an exception there must not lose the device. */
  async callback() {
    const mounted = await mountChannel(fileSystem, options)
    const { serve } = Session.prototype
    process.once('uncaughtException', () => console.log('thrown'))
    Session.prototype.serve = function once(batch, count) {
      Session.prototype.serve = serve
      serve.call(this, batch, count)
      throw new Error('on purpose')
    }
    await run('ls', [mountpoint])
    console.log('served')
    await mounted.unmount()
  },

  async collect() {
    let mounted: Awaited<ReturnType<typeof mountChannel>> | null = null
    mounted = await mountChannel(fileSystem, options)
    const { gc } = globalThis
    for (let turn = 0; turn < 20; turn += 1) {
      gc?.()
      await run('ls', [mountpoint])
    }
    await mounted.unmount()
    mounted = null
    gc?.()
    await new Promise(setImmediate)
    gc?.()
    console.log('served')
  },

  async worker() {
    const worker = new Worker(new URL(import.meta.url), { workerData: mountpoint })
    await new Promise(resolve => worker.once('message', resolve))
    await run('ls', [mountpoint])
    await worker.terminate()
    await unmountStale(mountpoint)
    console.log('served')
  },

  async leave() {
    await mountChannel(fileSystem, options)
    const { parentPort } = await import('node:worker_threads')
    parentPort?.postMessage('mounted')
  },
}

await ways[how ?? '']?.()
