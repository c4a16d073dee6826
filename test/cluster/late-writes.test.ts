/** What a client gave up while it waited at a server does not come over what another has written since. */

import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { FileSystem } from '../../client/fs/contract.ts'
import { directIo } from '../../network/disk/direct-io.ts'
import { operationDeadlineMs } from '../../network/limits.ts'
import { canFetch } from '../../network/memory/fetching.test-support.ts'
import { ClientMemory } from '../../server/client-memory.ts'
import { firstBoot, InProcessCluster } from './in-process.ts'

const caller = { uid: 0, gid: 0 }
const how = { exclusive: true, truncate: false }
const append = { append: true, killPrivileges: true }
/** By which the test tells the data that is held up. */
const late = 3

/** @param heldUp until it is resolved the server does not get to the large append, which its client gives up. */
async function appendInVain(
  t: ExecutionContext,
  { here, there, heldUp }: { here: FileSystem; there: FileSystem; heldUp: () => void },
): Promise<void> {
  const { file: ours } = await here.create(here.root, Buffer.from('log'), 0o100644, caller, how)
  const { ino } = ours
  const theirs = await there.open(ino, { truncate: false })
  // Both append, so that neither has the file to itself, to what lies in blocks.
  for (let round = 0; round < 3; round++) {
    await here.write(ours, 0, Buffer.alloc(100_000, 1), append)
    await there.write(theirs, 0, Buffer.alloc(10_000, 2), append)
  }
  const { size } = await there.getattr(ino)
  const inVain = t.throwsAsync(here.write(ours, 0, Buffer.alloc(500_000, late), append))
  // So much later that it outlasts the other.
  await sleep(operationDeadlineMs / 2)
  const appended = Buffer.alloc(10_000, 4)
  const next = there.write(theirs, 0, appended, append)
  await inVain
  await sleep(1000)
  heldUp()
  await next
  await there.fsync(ino, theirs)
  t.is((await there.getattr(ino)).size, size + appended.length)
  await sleep(1000)
  const after = Buffer.concat(await there.read(theirs, size, appended.length))
  t.true(after.equals(appended), `what was appended and synced is ${after[0]} now`)
}

test('what waited for an earlier attempt at a disk that hung is not done once it was given up', async t => {
  t.timeout(120_000)
  await using cluster = await InProcessCluster.start(1)
  const here = await cluster.openFileSystem('here')
  const there = await cluster.openFileSystem('there')
  const disk = Promise.withResolvers<void>()
  const { write } = directIo
  let hung = 0
  directIo.write = async (direct, position, pieces, room) => {
    if (pieces.some(piece => piece.includes(late)) && hung++ === 0) await disk.promise
    return await write(direct, position, pieces, room)
  }
  t.teardown(() => {
    directIo.write = write
  })
  await appendInVain(t, { here, there, heldUp: disk.resolve })
})

const fetching = canFetch ? test : test.skip
fetching('what waited to be fetched is not done once it was given up', async t => {
  t.timeout(120_000)
  await using cluster = await InProcessCluster.start(1)
  const here = await cluster.openFileSystem(firstBoot)
  const there = await cluster.openFileSystem('there')
  const turn = Promise.withResolvers<void>()
  const { fetching } = ClientMemory.prototype
  ClientMemory.prototype.fetching = async function (peer, offered, step, isKept) {
    if (offered.bytes > 100_000) await turn.promise
    return (await fetching.call(this, peer, offered, step, isKept)) as Awaited<
      ReturnType<typeof step>
    >
  }
  t.teardown(() => {
    ClientMemory.prototype.fetching = fetching
  })
  await appendInVain(t, { here, there, heldUp: turn.resolve })
})
