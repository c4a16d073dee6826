/** The members of a home of `up` are let in by its own administrator: each gets a key and a certificate. */

import type { AdmissionRole } from '../network/admission/contract.ts'
import {
  type KeptCredentials,
  keepAdmission,
  keyIn,
  readCredentials,
} from '../network/admission/kept.ts'
import { claimDirectory } from '../network/membership/stamp.ts'
import { accessFor, clientDirectory } from './access.ts'
import { askManager } from './ask-manager.ts'
import type { Home } from './home.ts'

interface Seat {
  readonly directory: string
  readonly role: AdmissionRole
  readonly name: string
}

/**
 * Lets in whoever of the home's servers and mounts is not yet; the manager has to be up.
 * @param servers numbers of those that there are.
 */
export async function letMembersIn(
  home: Home,
  servers: readonly number[],
  managers: readonly string[],
): Promise<void> {
  const seats: Seat[] = [
    ...servers.map(number => ({
      directory: home.metaDirectory(number),
      role: 'server' as const,
      name: `server-${number}`,
    })),
    { directory: clientDirectory(home), role: 'client', name: 'mount' },
  ]
  const open: Seat[] = []
  for (const seat of seats) {
    if (!(await isIn(seat))) open.push(seat)
  }
  if (open.length === 0) return
  const access = await accessFor({ home: home.directory, manager: managers })
  const { cluster, authority, secret } = access.credentials
  await askManager(access, async peer => {
    for (const { directory, role, name } of open) {
      if (role === 'server') await claimDirectory(directory, { role: 'server', kind: 'meta' })
      const { peerId } = await keyIn(directory)
      const { certificate } = (await peer.call('certify', { peerId, role, name })).body
      await keepAdmission(directory, { cluster, authority, certificate, secret: secret!, managers })
    }
  })
}

async function isIn({ directory }: Seat): Promise<boolean> {
  const kept: KeptCredentials | null = await readCredentials(directory)
  return kept !== null
}
