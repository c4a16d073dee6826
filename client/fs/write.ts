/** write(2): what may be written behind is taken at once (write-behind.ts), all else written through (write-through.ts). */
import { PosixError } from '../../network/errors.ts'
import { maxFileBytes } from '../../network/limits.ts'
import type { Context } from './context.ts'
import type { OpenFile, WriteOptions } from './contract.ts'
import { handleOf } from './open-handle.ts'
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
  if (!killPrivileges) {
    const taken = takeBehind(context, inode, append ? null : offset, data, options.lend)
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
