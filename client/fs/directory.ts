/** readdir(3), with attributes where they are wanted: those of subdirectories live elsewhere. */
import { maxAttributeRequests, readdirLimitBytes } from '../../network/limits.ts'
import { clusterRootIno, type Ino, partitionOfIno } from '../../network/wire/ids.ts'
import type { DirectoryEntry, ReaddirReply } from '../../network/wire/operations.ts'
import { inParallel } from '../cluster/parallel.ts'
import { attributesIfThere } from './attributes.ts'
import type { Context } from './context.ts'
import type { ReadOptions } from './contract.ts'

export async function readdir(
  context: Context,
  ino: Ino,
  cookie: number,
  options: ReadOptions & { readonly plus: boolean; readonly limitBytes: number },
): Promise<ReaddirReply> {
  const { plus } = options
  const limitBytes = Math.min(options.limitBytes, readdirLimitBytes)
  const quiet = context.quiet || options.quiet === true
  const request = { ino, cookie, limitBytes, plus, ...(quiet && { quiet }) }
  const { body } = await context.cluster.query('readdir', partitionOfIno(ino), request)
  // Volumes do not lie in one another: the top of one is its own `..`.
  const parent = body.parent === clusterRootIno ? ino : body.parent
  const entries = plus ? await withAttributes(context, body.entries) : body.entries
  return { entries, end: body.end, parent }
}

async function withAttributes(
  context: Context,
  entries: readonly DirectoryEntry[],
): Promise<readonly DirectoryEntry[]> {
  const complete = entries.map(entry =>
    entry.attributes === null
      ? entry
      : { ...entry, attributes: context.inodes.learn(entry.attributes) },
  )
  const missing: number[] = []
  complete.forEach((entry, index) => {
    if (entry.attributes === null) missing.push(index)
  })
  await inParallel(missing.length, maxAttributeRequests, async turn => {
    const index = missing[turn]!
    const entry = complete[index]!
    complete[index] = { ...entry, attributes: await attributesIfThere(context, entry.ino) }
  })
  return complete
}
