/** Has the server of a directory drain, takes leave for it, and waits until it has ended. */
import { setTimeout as sleep } from 'node:timers/promises'
import { shutdownDeadlineMs } from '../network/limits.ts'
import { readStamp } from '../network/membership/stamp.ts'
import type { MemberStatus } from '../network/wire/view.ts'
import { type Access, accessFor } from './access.ts'
import { askManager, askOne } from './ask-manager.ts'
import { followDrain } from './draining.ts'
import { codeOf, Failure } from './failure.ts'
import type { LeaveOptions } from './leave.ts'
import { interruptible } from './run-drain.ts'

export async function runLeave(options: LeaveOptions): Promise<void> {
  const { metaDir } = options
  const stamp = await readStamp(metaDir)
  if (stamp?.role !== 'server' || stamp.id === '') {
    throw new Failure(`${metaDir} is not the directory of a server that has joined a cluster`)
  }
  // A server may have itself drained and removed: it takes no administrator.
  const access = await accessFor({ ...options, credentials: options.credentials ?? metaDir })
  const member = await startDrain(access, stamp.id, stamp.cluster)
  const { id, name } = member
  const quiet = options.quiet === true
  await interruptible(signal => followDrain({ access, id, quiet, signal }))
  await askManager(access, peer => peer.call('removeMember', { member: id, force: false }))
  await ended(access, member)
  if (quiet) return
  console.log(`${name} has left the cluster: ${metaDir}, and its data, may be deleted`)
}

async function startDrain(access: Access, id: string, cluster: string): Promise<MemberStatus> {
  return await askManager(access, async peer => {
    const { body } = await peer.call('managerStatus', {})
    const member = body.members.find(member => member.id === id)
    if (body.cluster !== cluster || member === undefined) {
      throw new Failure(`cluster ${body.cluster} has no server ${id}: is it the right manager?`)
    }
    await peer.call('drainMember', { member: id, cancel: false })
    return member
  })
}

/** It ends by itself when it hears that it is no member any more. */
async function ended(access: Access, { id, name, addresses, alive }: MemberStatus): Promise<void> {
  if (!alive) return
  const asked = { role: 'server', id, addresses } as const
  const deadline = performance.now() + shutdownDeadlineMs
  while (performance.now() < deadline) {
    const code = await askOne(access, asked, peer => peer.call('serverStatus', {})).then(
      () => undefined,
      (error: unknown) => codeOf(error),
    )
    if (code === 'UNREACHABLE') return
    await sleep(100)
  }
  process.stderr.write(`rookery: ${name} is no member any more, but has not ended yet\n`)
}
