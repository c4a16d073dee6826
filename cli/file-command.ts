/** What the commands on files share: their options, and the volume for as long as one of them takes. */
import type { Command } from 'commander'
import { realEnv } from '../network/env/real.ts'
import { accessFor, clientAccess } from './access.ts'
import type { VolumePath } from './arguments.ts'
import { type ClusterOptions, clusterCommand } from './options.ts'
import type { Tree } from './tree.ts'

export const pathText = 'VOLUME:/path, or /path of the volume `default`'

export function fileCommand(name: string, description: string, example: string): Command {
  return clusterCommand(name, description).addHelpText('after', `\nExample:\n  $ ${example}`)
}

/** Connects, does the work and leaves. The client is loaded only here: `--help` need not wait for it. */
export async function withVolume<T>(
  { volume }: VolumePath,
  options: ClusterOptions,
  work: (tree: Tree) => Promise<T>,
): Promise<T> {
  const access = clientAccess(realEnv(), await accessFor(options))
  const { connect } = await import('../client/library.ts')
  const files = await connect({ ...access, volume, name: 'command line' })
  try {
    return await work(files)
  } finally {
    await files.close()
  }
}
