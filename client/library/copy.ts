/** The contents of one open file into another. */
import type { FileHandle } from './file-handle.ts'

/** Several blocks at a time. */
const copyBytes = 4 * 1024 * 1024

export async function copyData(source: FileHandle, target: FileHandle): Promise<void> {
  const buffer = Buffer.allocUnsafe(copyBytes)
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length)
    if (bytesRead === 0) return
    await target.write(buffer, 0, bytesRead)
  }
}
