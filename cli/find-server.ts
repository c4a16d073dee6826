/** The server that a person means. Pure. */
import type { MemberStatus } from '../network/wire/view.ts'
import { Failure } from './failure.ts'

/** @param named its id, or its name where only one has it. @throws Failure. */
export function findServer(members: readonly MemberStatus[], named: string): MemberStatus {
  const servers = members.filter(({ role }) => role === 'server')
  const found = servers.filter(({ id, name }) => id === named || name === named)
  if (found.length === 1) return found[0]!
  if (found.length > 1) {
    const ids = found.map(({ id }) => id).join(', ')
    throw new Failure(`${found.length} servers are called ${named}: name one by its id (${ids})`)
  }
  const names = servers.map(({ name }) => name).join(', ')
  throw new Failure(`there is no server ${named}: there are ${names || 'none yet'}`)
}
