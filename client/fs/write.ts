/**
 * write(2): what may be answered at once is (change-behind.ts), what may be written behind is taken (write-behind.ts), all else
 * is written through (write-through.ts).
 */
import { PosixError } from '../../network/errors.ts'
import { maxFileBytes } from '../../network/limits.ts'
import { answer, writeSmallBehind } from './change-behind.ts'
import type { Context } from './context.ts'
import type { OpenFile, WriteOptions } from './contract.ts'
import { handleOf, type OpenHandle } from './open-handle.ts'
import { takeBehind } from './write-behind.ts'
import { writeThrough } from './write-through.ts'

export async function write(
  context: Context,
  file: OpenFile,
  offset: number,
  data: Uint8Array,
  options: WriteOptions,
): Promise<void> {
  const handle = handleOf(file)
  const { inode } = handle
  handle.heardFrom(context.pages)
  handle.assertWritten()
  if (data.length === 0) return
  const append = options.append === true
  if (!append && offset + data.length > maxFileBytes) throw new PosixError('EFBIG')
  const killPrivileges = options.killPrivileges === true
  handle.ahead.drop()
  const isPlain = !append && !killPrivileges
  const begun = isPlain ? writeSmallBehind(context, inode, offset, data) : null
  if (begun !== null) return await answer(begun)
  await context.changes.alone([inode.ino], () => writeNow(context, handle, offset, data, options))
}

async function writeNow(
  context: Context,
  handle: OpenHandle,
  offset: number,
  data: Uint8Array,
  { append = false, killPrivileges = false, lend }: WriteOptions,
): Promise<void> {
  const { inode } = handle
  // It may have been on its way to its server, as it was made or written last.
  handle.assertWritten()
  if (!killPrivileges) {
    const taken = takeBehind(context, inode, append ? null : offset, data, lend)
    if (taken === true || (taken !== false && (await taken))) return
  }
  // What was written before is not to come after it.
  const before = context.behind.settled(inode.ino)
  if (before !== null) {
    await before
    handle.assertWritten()
  }
  inode.behind.writesThrough++
  await writeThrough(context, { inode, offset, data, append, killPrivileges })
}
