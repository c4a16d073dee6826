import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import test, { type ExecutionContext } from 'ava'
import { canFetch, canFetchOthers } from './fetching.test-support.ts'
import { alignedMemory, fetchFrom, placesOf } from './process-memory.ts'

const { EFAULT, EINVAL, ESRCH } = constants.errno

function fetched(process: number, places: Uint8Array, bytes: number) {
  const target = Buffer.alloc(bytes)
  return { errno: fetchFrom(process, places, target), text: target.toString('latin1') }
}

const fetching = canFetch ? test : test.skip

fetching('pieces are fetched one behind the other, however many there are', t => {
  const pieces = Array.from({ length: 300 }, (_, index) => Buffer.from(`<${index}>`))
  const whole = pieces.join('')
  t.deepEqual(fetched(process.pid, placesOf(pieces), whole.length), { errno: 0, text: whole })
  t.deepEqual(fetched(process.pid, placesOf([]), 0), { errno: 0, text: '' })
})

fetching(
  'what is not as long as its places is refused, and nothing is written behind the target',
  t => {
    const room = Buffer.alloc(8)
    const places = placesOf([Buffer.from('abcd'), Buffer.from('efgh')])
    t.is(fetchFrom(process.pid, places, room.subarray(0, 7)), EINVAL)
    t.is(room[7], 0)
    t.is(fetchFrom(process.pid, places.subarray(0, 16), room), EINVAL)
    const endless = new BigUint64Array([1n, 2n ** 64n - 1n])
    t.is(fetchFrom(process.pid, new Uint8Array(endless.buffer), room), EINVAL)
    t.is(fetchFrom(process.pid, places.subarray(1), room), EINVAL)
  },
)

fetching('what is not there is told', t => {
  const nowhere = new Uint8Array(new BigUint64Array([16n, 4n]).buffer)
  t.is(fetched(process.pid, nowhere, 4).errno, EFAULT)
  const half = Buffer.concat([placesOf([Buffer.from('abcd')]), nowhere])
  t.is(fetched(process.pid, half, 8).errno, EFAULT)
  for (const pid of [0, -1, 2 ** 30])
    t.is(fetched(pid, placesOf([Buffer.from('abcd')]), 4).errno, ESRCH)
})

/** A process that says where in its memory it has the text, and has it until it is ended. */
async function holding(
  t: ExecutionContext,
  text: string,
): Promise<{ child: ChildProcess; places: Uint8Array }> {
  const script = `
    import { placesOf } from ${JSON.stringify(new URL('process-memory.ts', import.meta.url).href)}
    const kept = [Buffer.from(${JSON.stringify(text)})]
    process.stdout.write(Buffer.from(placesOf(kept)).toString('hex') + '\\n')
    setInterval(() => kept, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script])
  t.teardown(() => child.kill('SIGKILL'))
  const [said] = (await once(child.stdout!, 'data')) as [Buffer]
  return { child, places: Buffer.from(said.toString().trim(), 'hex') }
}

const fetchingOthers = canFetchOthers ? test : test.skip

fetchingOthers('another process of the same user is read while it is there', async t => {
  const { child, places } = await holding(t, 'what it has')
  t.deepEqual(fetched(child.pid!, places, 11), { errno: 0, text: 'what it has' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.is(fetched(child.pid!, places, 11).errno, ESRCH)
})

test('aligned memory begins where it should, and is as long as it should be', t => {
  for (const bytes of [1, 4096, 100_000]) {
    const memory = alignedMemory(bytes, 4096)
    t.is(memory.length, bytes)
    t.is(new BigUint64Array(placesOf([memory]).buffer)[0]! % 4096n, 0n)
  }
})
