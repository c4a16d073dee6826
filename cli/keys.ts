/** Keys that a running cluster lets in: list, shut out. */
import { printable } from '../network/format/printable.ts'
import type { KeyStatus } from '../network/wire/operations.ts'
import { accessFor } from './access.ts'
import { askManager } from './ask-manager.ts'
import { Failure } from './failure.ts'
import type { ClusterOptions } from './options.ts'
import { type Column, formatTable } from './table.ts'

export async function list(options: ClusterOptions & { readonly json?: true }): Promise<void> {
  const access = await accessFor(options)
  const { keys } = (await askManager(access, peer => peer.call('listKeys', {}))).body
  if (options.json === true) console.log(JSON.stringify(keys, null, 2))
  else console.log(describeKeys(keys))
}

/** What a person is shown. Pure. */
export function describeKeys(keys: readonly KeyStatus[]): string {
  const listed = keys.length === 0 ? 'no keys' : formatTable(columns, keys.map(row))
  return `${listed}\n${unlisted}`
}

/** Each manager certifies these itself, so nobody has let them in, and nobody can shut them out. */
const unlisted =
  'and of each manager its own, with that of whoever may read its directory: an administrator'

export async function remove(named: string, options: ClusterOptions): Promise<void> {
  const access = await accessFor(options)
  await askManager(access, async peer => {
    const { keys } = (await peer.call('listKeys', {})).body
    const { peerId, name, role, token } = keyNamed(keys, named)
    await peer.call('removeKey', { peerId })
    console.log(`${role} ${printable(name)} (${peerId}) is shut out`)
    const { tokens } = (await peer.call('listTokens', {})).body
    if (tokens.some(({ id, state }) => id === token && state === 'usable')) {
      console.log(
        `token ${token}, by which it came, lets others in: 'rookery token revoke ${token}' ends that`,
      )
    }
  })
}

/** @throws Failure when it is none of them, or more than one. */
export function keyNamed(keys: readonly KeyStatus[], named: string): KeyStatus {
  const found = keys.filter(({ peerId, name }) => peerId === named || name === named)
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  if (only === undefined) {
    throw new Failure(`the cluster has let in no key '${named}': 'rookery key list' shows them`)
  }
  const ids = found.map(({ peerId }) => peerId).join(', ')
  throw new Failure(`several keys are named '${named}': say which, by its peer id: ${ids}`)
}

const columns: readonly Column[] = [
  { title: 'NAME', align: 'left' },
  { title: 'ROLE', align: 'left' },
  { title: 'SINCE', align: 'left' },
  { title: 'TOKEN', align: 'left' },
  { title: 'PEER ID', align: 'left' },
]

function row({ peerId, role, name, issuedS, token }: KeyStatus): string[] {
  return [printable(name), role, new Date(issuedS * 1000).toISOString(), token || '-', peerId]
}
