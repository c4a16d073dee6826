/** Claims that most checks make, in one line each. */
import type { ExecutionContext } from 'ava'
import type { Fs, Handle, Path, Stats } from './check.ts'

export async function fails(
  t: ExecutionContext,
  attempt: Promise<unknown>,
  ...codes: readonly string[]
): Promise<void> {
  const error = await t.throwsAsync<NodeJS.ErrnoException>(attempt)
  t.true(codes.includes(error.code ?? ''), `${error.message}: expected ${codes.join(' or ')}`)
}

export async function stat(fs: Fs, path: Path): Promise<Stats> {
  return await fs.stat(path, { bigint: true })
}

export async function lstat(fs: Fs, path: Path): Promise<Stats> {
  return await fs.lstat(path, { bigint: true })
}

export function permissions(stats: Stats): number {
  return Number(stats.mode & 0o7777n)
}

/** Sorted as bytes. */
export async function names(fs: Fs, path: Path): Promise<readonly string[]> {
  return (await fs.readdir(path)).sort()
}

/** Opens, does, and closes whatever happens. */
export async function withOpen<T>(
  fs: Fs,
  path: Path,
  flags: string | number,
  use: (handle: Handle) => Promise<T>,
): Promise<T> {
  const handle = await fs.open(path, flags)
  try {
    return await use(handle)
  } finally {
    await handle.close()
  }
}

/** All of `data` at `position`, however often the system asks to be called again. */
export async function writeAt(handle: Handle, data: Buffer, position: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const { bytesWritten } = await handle.write(data, done, data.length - done, position + done)
    done += bytesWritten
  }
}

/** Up to `length` bytes from `position` on; shorter only at the end of the file. */
export async function readAt(handle: Handle, length: number, position: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  let done = 0
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return buffer.subarray(0, done)
}
