/**
 * What a manager proves itself with: it has the authority's key, and certifies its own. So do the administrators of
 * its machine, whose credentials it leaves in its directory.
 */
import { join } from 'node:path'
import { issueCertificate } from '../../network/admission/certificate.ts'
import type { AdmissionRole } from '../../network/admission/contract.ts'
import { MemberCredentials } from '../../network/admission/credentials.ts'
import {
  keepAdmission,
  keepManagers,
  keyIn,
  readCredentials,
} from '../../network/admission/kept.ts'
import type { Identity } from '../../network/identity/identity.ts'
import type { ClusterState } from '../membership/state.ts'
import { admissionOf, authorityOf } from './service.ts'
import { authoritySerial } from './state.ts'

/** Of the manager itself, and those that are removed already known to it. */
export function managerCredentials(identity: Identity, state: ClusterState): MemberCredentials {
  const credentials = new MemberCredentials({
    identity,
    ...givenBy(state, identity, 'manager'),
  })
  credentials.remove(admissionOf(state).removed)
  return credentials
}

/** Below a manager's directory. */
export const administratorDirectory = 'admin'

/**
 * Leaves the credentials of an administrator in the manager's directory, where there are none of this cluster.
 * @param managers where the managers can be dialled from this machine.
 */
export async function keepAdministrator(
  managerDirectory: string,
  state: ClusterState,
  managers: readonly string[],
): Promise<void> {
  const directory = join(managerDirectory, administratorDirectory)
  const identity = await keyIn(directory)
  const kept = await readCredentials(directory)
  if (kept?.credentials.cluster === state.cluster) {
    await keepManagers(directory, managers)
    return
  }
  await keepAdmission(directory, { ...givenBy(state, identity, 'admin'), managers })
}

/** Where the managers are, as this machine's administrator is to know it. */
export async function keepAdministratorsManagers(
  managerDirectory: string,
  managers: readonly string[],
): Promise<void> {
  await keepManagers(join(managerDirectory, administratorDirectory), managers)
}

function givenBy(state: ClusterState, { peerId }: Identity, role: AdmissionRole) {
  const { cluster } = state
  const admission = admissionOf(state)
  const authority = authorityOf(admission)
  const certificate = { cluster, peerId, role, serial: authoritySerial, issuedS: 0 }
  return {
    cluster,
    authority: authority.publicKey,
    certificate: issueCertificate(authority, certificate),
    secret: new Uint8Array(Buffer.from(admission.secret, 'base64')),
  }
}
