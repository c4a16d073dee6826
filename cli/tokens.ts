/** Tokens of a running cluster: create, list, revoke. */
import type { TokenStatus } from '../network/wire/operations.ts'
import { accessFor } from './access.ts'
import { askManager } from './ask-manager.ts'
import type { ClusterOptions } from './options.ts'
import { type Column, formatTable } from './table.ts'
import type { CreateTokenOptions } from './token.ts'

/** The token alone goes to stdout, to be passed on by programs. */
export async function create(options: CreateTokenOptions): Promise<void> {
  const { role, uses, expires: lifeMs } = options
  const access = await accessFor(options)
  const wish = { role, uses, lifeMs }
  const { body } = await askManager(access, peer => peer.call('createToken', wish))
  console.log(body.token)
}

export async function list(options: ClusterOptions & { readonly json?: true }): Promise<void> {
  const access = await accessFor(options)
  const { tokens } = (await askManager(access, peer => peer.call('listTokens', {}))).body
  if (options.json === true) console.log(JSON.stringify(tokens, null, 2))
  else if (tokens.length === 0) console.log('no tokens')
  else console.log(formatTable(columns, tokens.map(row)))
}

export async function revoke(id: string, options: ClusterOptions): Promise<void> {
  const access = await accessFor(options)
  await askManager(access, peer => peer.call('revokeToken', { id }))
  console.log(`revoked token ${id}`)
}

const columns: readonly Column[] = [
  { title: 'TOKEN', align: 'left' },
  { title: 'ROLE', align: 'left' },
  { title: 'STATE', align: 'left' },
  { title: 'USES LEFT', align: 'right' },
  { title: 'EXPIRES', align: 'left' },
]

function row({ id, role, state, usesLeft, expiresS }: TokenStatus): string[] {
  return [id, role, state, String(usesLeft), new Date(expiresS * 1000).toISOString()]
}
